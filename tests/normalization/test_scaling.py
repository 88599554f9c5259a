"""Scalings do what they say, exactly for integers, and are undone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.exposure import equalize_hist

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.normalization import histogram, measure, normalize, restore

DTYPES = [np.uint8, np.int16, np.uint16, np.uint32, np.int64, np.float32, np.float64]


def image(dtype, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2, 50, (40, 50)).astype(dtype)


@settings(deadline=None)
@given(
    hnp.arrays(np.int16, hnp.array_shapes(min_dims=2, max_dims=3, max_side=8)),
    st.floats(0, 100),
)
def test_quantiles_of_integers_are_those_of_numpy(values, percent):
    if np.ptp(values) == 0:
        return
    found = histogram(values, "image").quantile(percent)
    assert np.isclose(found, np.percentile(values.astype(float), percent), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.uint64])
@pytest.mark.parametrize("offset", [0, 2**31])
@pytest.mark.parametrize("percent", [0, 0.1, 2, 50, 99.8, 100])
def test_quantiles_of_wide_integers_are_exact(dtype, offset, percent):
    values = image(dtype) * dtype(50) + dtype(offset)
    found = histogram(values, "image").quantile(percent)
    assert found == pytest.approx(np.percentile(values.astype(np.float64), percent), rel=1e-12)


def test_integers_beyond_real_numbers_are_exact():
    values = image(np.uint64) + np.uint64(2**63)
    found = histogram(values, "image")
    assert found.counts.sum() == values.size
    assert np.array_equal(np.flatnonzero(found.counts), np.unique(values - values.min()))


SPREADS = {
    "plain": lambda values: values,
    "one hot pixel": lambda values: np.where(values == values.max(), 1e7, values),
    "background": lambda values: np.where(values < np.median(values), 0, values),
    "huge": lambda values: values * 1e30,
    "offset": lambda values: values + 1e6,
    "exponential": lambda values: np.exp(values / 20),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("percent", [0, 0.1, 2, 50, 99.8, 100])
def test_quantiles_of_real_numbers_are_within_their_bound(dtype, spread, percent):
    values = SPREADS[spread](np.random.default_rng(0).gamma(2, 50, (200, 100))).astype(dtype)
    found = histogram(values, "image").quantile(percent)
    bound = float(np.ptp(values.astype(np.float64))) / 2**32 + 1e-6 * abs(found)
    lower, higher = (
        np.percentile(values.astype(np.float64), np.clip(percent + by, 0, 100))
        for by in (-0.1, 0.1)
    )
    assert lower - bound <= found <= higher + bound
    if percent in (0, 100):
        assert found == (values.min() if percent == 0 else values.max())


def test_one_hot_pixel_takes_no_grey_levels_from_the_others():
    values = np.random.default_rng(0).normal(1000, 30, (200, 200))
    plain = normalize(values, measure(values, "image", "none", equalize=True))
    hot = values.copy()
    hot[0, 0] = 1e7
    equalized = normalize(hot, measure(hot, "image", "none", equalize=True))
    assert np.abs(equalized - plain)[1:].max() < 2e-3


@pytest.mark.parametrize("values", [[[-1e308, 1e308]], [[0, 5e-324]]])
def test_ranges_beyond_all_scales_are_refused_or_survived(values):
    values = np.array(values)
    if values.max() > 1:
        with pytest.raises(VirtualStainError, match="cannot be scaled"):
            measure(values, "image", "range")
    else:
        assert np.allclose(histogram(values, "image").quantile(100), 5e-324)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("equalize", [False, True])
@pytest.mark.parametrize("method", ["z-score", "percentile", "range", "none"])
def test_scaling_is_undone(dtype, method, equalize):
    values = image(dtype)
    by = measure(values, "image", method, (0.0, 100.0), equalize)
    back = restore(normalize(values, by), by)
    assert np.allclose(back, values, atol=1e-2)


@pytest.mark.parametrize("equalize", [False, True])
def test_z_scores_have_mean_0_and_deviation_1(equalize):
    scaled = normalize(image(np.uint16), measure(image(np.uint16), "image", equalize=equalize))
    assert abs(scaled.mean()) < 1e-5
    assert abs(scaled.std() - 1) < 1e-5


@pytest.mark.parametrize(("method", "ends"), [("percentile", (0, 1)), ("range", (-1, 1))])
def test_percentiles_become_the_ends(method, ends):
    values = image(np.uint16)
    scaled = normalize(values, measure(values, "image", method, (2.0, 99.8)))
    assert np.allclose(np.percentile(scaled, (2, 99.8)), ends, atol=1e-6)
    assert scaled.min() < ends[0]  # nothing is cut off
    assert scaled.max() > ends[1]


def test_equalization_is_that_of_scikit_image():
    values = image(np.uint8)
    ours = normalize(values, measure(values, "image", "none", equalize=True))
    theirs = equalize_hist(values, nbins=256)
    # Ours starts at 0 where theirs starts at the share of the lowest value.
    lowest = theirs.min()
    assert np.allclose(ours, (theirs - lowest) / (1 - lowest), atol=5e-3)
    assert ours.min() == 0
    assert ours.max() == 1


def test_parts_are_scaled_as_the_whole():
    values = image(np.float32)
    by = measure(values, "image", "range", (1.0, 99.0), equalize=True)
    assert np.array_equal(normalize(values, by)[10:20], normalize(values[10:20], by))


@pytest.mark.parametrize("method", ["percentile", "range"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_refused(method, dtype):
    with pytest.raises(VirtualStainError, match="constant: every pixel is 3"):
        measure(np.full((4, 4), 3, dtype), "image", method)
    sparse = np.zeros((50, 50), dtype)
    sparse[0, 0] = 9
    with pytest.raises(VirtualStainError, match=r"percentiles 2 and 99\.8 are both 0"):
        measure(sparse, "image", method, (2.0, 99.8))


def test_nan_is_refused_however_it_is_scaled():
    values = image(np.float32)
    values[3, 4] = np.nan
    for method in ("z-score", "percentile", "range", "none"):
        with pytest.raises(VirtualStainError, match="NaN"):
            measure(values, "image", method)
