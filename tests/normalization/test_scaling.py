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


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint32, np.int64])
@pytest.mark.parametrize("percent", [0, 0.1, 2, 50, 99.8, 100])
def test_quantiles_of_other_pixels_are_within_their_bound(dtype, percent):
    values = image(dtype)
    bound = np.ptp(values) / 65_536
    expected = np.percentile(values, percent, method="nearest")
    neighbours = (
        np.percentile(values, percent, method="lower"),
        np.percentile(values, percent, method="higher"),
    )
    found = histogram(values, "image").quantile(percent)
    assert neighbours[0] - bound <= found <= neighbours[1] + bound
    if percent in (0, 100):
        assert np.isclose(found, expected, rtol=1e-6)


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
