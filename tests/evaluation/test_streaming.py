"""What is counted tile by tile is what is computed of the whole image in memory."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from napari_virtual_stain.evaluation import (
    CalibrationCounter,
    ConfusionCounter,
    MomentsCounter,
    Overlap,
    PixelDraws,
    Positions,
    RingCounter,
    mask_overlap,
    moments,
    tolerance_index,
)
from napari_virtual_stain.evaluation.metrics import SCORES
from napari_virtual_stain.evaluation.moments import BLOCK, pooled

LARGE = (530, 1010)
"""More pixels than are taken at a time, and no whole number of blocks."""


def made(shape=LARGE, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    observed = rng.gamma(2, 300, shape)
    predicted = 0.8 * observed + rng.normal(50, 90, shape)
    if np.dtype(dtype).kind == "f":
        observed[rng.random(shape) < 0.1] = np.nan
    return observed.astype(dtype), predicted.astype(np.float32), rng.random(shape) < 0.6


def tiles(shape, cuts):
    """Return the parts of an image that is cut at these rows and columns."""
    rows, columns = (sorted({0, *(cut % size for cut in cuts), size}) for size in shape)
    return [
        (slice(top, bottom), slice(left, right))
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(columns)
    ]


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 999), max_size=4),
    seed=st.integers(0, 20),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]),
    data=st.data(),
)
def test_tiles_in_any_order_give_every_score_of_the_whole(cuts, seed, dtype, data):
    observed, predicted, mask = made((37, 53), seed, dtype)
    parts = data.draw(st.permutations(tiles((37, 53), cuts)))
    taken = mask & np.isfinite(observed)
    o, p = (image[taken].astype(float)[np.newaxis] for image in (observed, predicted))
    whole = moments(o, p)
    counter, confusion = MomentsCounter(), ConfusionCounter(0, 1500)
    calibrated, overlap = CalibrationCounter(), Overlap(0, 0, 0, 0)
    sigma = np.full(observed.shape, 100.0)
    for part in parts:
        pair = observed[part], predicted[part]
        counter.add(*pair, mask[part])
        confusion.add(*pair, mask[part])
        calibrated.add(*pair, sigma[part], mask[part])
        overlap += mask_overlap(pair[0] > 500, pair[1] > 500, mask[part])
    found = counter.result()
    assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(whole), rel=1e-10)
    merged = pooled([moments(observed[one], predicted[one], mask[one]) for one in parts])
    for name, score in SCORES.items():
        expected = score(whole)
        assert score(found) == pytest.approx(expected, rel=1e-10, abs=1e-10), name
        assert score(merged) == pytest.approx(expected, rel=1e-10, abs=1e-10), name
    expected, _, _ = np.histogram2d(
        o[0].clip(0, 1500), p[0].clip(0, 1500), bins=10, range=[(0, 1500)] * 2
    )
    np.testing.assert_array_equal(confusion.result().counts, expected)
    z = np.abs(o - p)[0] / 100
    shares = [(z <= norm.ppf(0.5 + level / 2)).mean() for level in calibrated.result().nominal]
    assert calibrated.result().observed == pytest.approx(shares, abs=1e-10)
    scale = math.sqrt((z**2).mean())
    assert calibrated.result().scale == pytest.approx(scale, rel=1e-10)
    of_o, of_p = (observed > 500)[mask], (predicted > 500)[mask]
    assert overlap == Overlap(
        int((of_o & of_p).sum()),
        int((of_o & ~of_p).sum()),
        int((of_p & ~of_o).sum()),
        int((~of_o & ~of_p).sum()),
    )


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_more_pixels_than_are_taken_at_a_time(dtype):
    observed, predicted, mask = made(dtype=dtype)
    assert observed.size > 2 * BLOCK
    taken = mask & np.isfinite(observed)
    o, p = (image[taken].astype(float) for image in (observed, predicted))
    found = moments(observed, predicted, mask)
    assert found.count == taken.sum()
    assert found.covariance == pytest.approx(np.cov(o, p, ddof=0)[0, 1], rel=1e-10)
    assert found.mean_squared_error == pytest.approx(((o - p) ** 2).mean(), rel=1e-10)
    confusion = ConfusionCounter(0, 2000)
    confusion.add(observed, predicted, mask)
    clipped = o.clip(0, 2000), p.clip(0, 2000)
    expected, _, _ = np.histogram2d(*clipped, bins=10, range=[(0, 2000)] * 2)
    np.testing.assert_array_equal(confusion.result().counts, expected)
    tolerance = tolerance_index(observed, predicted, mask)
    error, span = np.abs(o - p), np.ptp(o)
    for level in (0, 3, 20, 99):
        below = error <= span * level / 100
        intensity = error[below].mean() / span if below.any() else 0
        assert tolerance.intensity_error[level] == pytest.approx(intensity, abs=1e-10)
        assert tolerance.spatial_error[level] == pytest.approx((~below).mean(), abs=1e-10)


def test_random_pixels_of_large_images_in_any_dtype():
    observed, predicted, _ = made(dtype=np.uint16)
    positions = Positions([observed.size], pixels=5000, repeats=3)
    draws = PixelDraws(positions)
    draws.add(observed, predicted)
    for value, drawn in zip(draws.result().values, positions.draws, strict=True):
        pair = observed.ravel()[drawn].astype(float), predicted.ravel()[drawn].astype(float)
        assert value == pytest.approx(np.corrcoef(*pair)[0, 1], abs=1e-10)


def test_rings_of_planes_one_by_one_are_those_of_all():
    rng = np.random.default_rng(0)
    observed = rng.integers(0, 65536, (5, 24, 30)).astype(np.uint16)
    predicted = (0.5 * observed + rng.normal(0, 9000, observed.shape)).astype(np.float32)
    one, two = RingCounter((24, 30)), RingCounter((24, 30))
    for plane in range(5):
        one.add(observed[plane], predicted[plane])
        two.add(observed[4 - plane], predicted[4 - plane])
    np.testing.assert_allclose(one.result().correlation, two.result().correlation, atol=1e-10)
