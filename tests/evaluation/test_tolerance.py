"""The tolerance index against its definition, written out pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.filters import threshold_otsu

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.tolerance import tolerance_index


def written_out(observed, predicted, reading, low=0.0, high=255.0):
    """Return IE and SE at each level, as parts of the range and of the image."""
    o, p = observed.astype(float).ravel(), predicted.astype(float).ravel()
    error = np.abs(o - p)
    intensity, spatial = [], []
    for percent in range(100):
        step = (high - low) * percent / 100
        if reading == "error":
            below, wrong = error <= step, error > step
        else:
            above = o > low + step, p > low + step
            below, wrong = ~above[0] & ~above[1], above[0] ^ above[1]
        intensity.append(error[below].mean() / (high - low) if below.any() else 0.0)
        spatial.append(wrong.mean())
    return np.array(intensity), np.array(spatial)


def pair(dtype=np.uint8):
    rng = np.random.default_rng(0)
    observed = rng.gamma(2, 30, (40, 50)).clip(0, 255)
    predicted = (0.8 * observed + rng.normal(10, 15, observed.shape)).clip(0, 255)
    return observed.astype(dtype), predicted.astype(dtype)


def test_worked_by_hand():
    # Errors 0, 10, 20 and 50 of a range of 100: at a tolerance of 20 % three are forgiven, whose
    # mean is 10, and one of four is not.
    observed = np.array([[0, 40, 60, 100]], np.uint8)
    predicted = np.array([[0, 50, 40, 50]], np.uint8)
    found = tolerance_index(observed, predicted)
    assert found.intensity_error[20] == pytest.approx(0.10)
    assert found.spatial_error[20] == pytest.approx(0.25)
    assert found.total[20] == pytest.approx(0.35)
    # At 50 % all are forgiven, at the price of their mean, 20: that is the least.
    assert found.index == pytest.approx(0.20)
    assert found.level == pytest.approx(0.50)


@pytest.mark.parametrize("reading", ["error", "images"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_both_readings_as_they_are_written(reading, dtype):
    observed, predicted = pair(dtype)
    intensity, spatial = written_out(observed, predicted, reading)
    found = tolerance_index(
        observed, predicted, reading=reading, data_range=(0, 255), weights=(2, 0.5)
    )
    np.testing.assert_allclose(found.intensity_error, intensity, atol=1e-12)
    np.testing.assert_allclose(found.spatial_error, spatial, atol=1e-12)
    np.testing.assert_allclose(found.total, 2 * intensity + 0.5 * spatial, atol=1e-12)
    assert found.index == found.total.min()
    assert found.levels[found.total.argmin()] == found.level


def test_by_signal_errors_are_parts_of_its_mean_and_its_area():
    observed, predicted = pair()
    intensity, spatial = written_out(observed, predicted, "error", 0.0, 250.0)
    signal = observed > threshold_otsu(observed)
    found = tolerance_index(observed, predicted, normalization="signal", data_range=(0, 250))
    mean = observed[signal].mean()
    np.testing.assert_allclose(found.intensity_error, intensity * 250 / mean, rtol=1e-9)
    np.testing.assert_allclose(found.spatial_error, spatial / signal.mean(), rtol=1e-9)


def test_a_mask_and_what_was_not_measured_do_not_count():
    observed, predicted = pair(np.float32)
    mask = np.random.default_rng(1).random(observed.shape) < 0.4
    cut = tolerance_index(observed[mask][None], predicted[mask][None], data_range=(0, 255))
    for given in (
        tolerance_index(observed, predicted, mask, data_range=(0, 255)),
        tolerance_index(np.where(mask, observed, np.nan), predicted, data_range=(0, 255)),
    ):
        np.testing.assert_allclose(given.total, cut.total, atol=1e-12)


def test_extremes():
    observed, predicted = pair()
    same = tolerance_index(observed, observed)
    assert (same.index, same.level) == (0, 0)
    constant = tolerance_index(np.full((4, 5), 3), np.ones((4, 5)))
    assert math.isnan(constant.index)
    assert math.isnan(constant.level)
    assert math.isnan(tolerance_index(observed, predicted, np.zeros(observed.shape)).index)
    white = np.full((4, 5), 65535, np.uint16)
    found = tolerance_index(white * 0, white, data_range=(0, 65535))
    assert found.spatial_error.min() == 1


def test_options_that_are_none_are_refused():
    for option in ({"reading": "both"}, {"normalization": "area"}):
        with pytest.raises(VirtualStainError, match="choose one of"):
            tolerance_index(*pair(), **option)
