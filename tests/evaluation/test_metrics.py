import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import pearsonr

from napari_virtual_stain.evaluation.metrics import (
    METRICS,
    mean_absolute_error,
    pearson_r,
    root_mean_squared_error,
)
from napari_virtual_stain.evaluation.moments import blocks, moments
from napari_virtual_stain.events import Stopped, stop_when

images = arrays.arrays(
    np.float64, (2, 3, 4), elements=st.integers(-(10**6), 10**6).map(lambda value: value / 1000)
)


def test_hand_checked_values():
    observed, predicted = np.array([[1, 2, 4]], np.uint8), np.array([[0.0, 1.0, 2.0]])
    assert pearson_r(observed, predicted) == pytest.approx(3 / math.sqrt(2 * 14 / 3), rel=1e-14)
    assert mean_absolute_error(observed, predicted) == pytest.approx(4 / 3)
    assert root_mean_squared_error(observed, predicted) == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint16, np.int32, np.uint64, "f2"])
def test_r_is_scipys_for_any_dtype(dtype):
    rng = np.random.default_rng(0)
    observed = rng.integers(0, 128, (5, 31, 17)) * (rng.random((5, 31, 17)) < 0.5)
    observed = observed.astype(dtype)
    predicted = (observed + rng.normal(0, 20, observed.shape)).astype(np.float32)
    expected = pearsonr(observed.ravel().astype(float), predicted.ravel().astype(float)).statistic
    assert pearson_r(observed, predicted) == pytest.approx(expected, abs=1e-13)


def test_r_over_many_blocks_is_scipys_however_large_the_mean():
    rng = np.random.default_rng(1)
    observed = 1e6 + rng.normal(size=(700, 1100))
    predicted = -1e4 + 0.3 * observed + rng.normal(size=observed.shape)
    expected = pearsonr(observed.ravel(), predicted.ravel()).statistic
    assert pearson_r(observed, predicted) == pytest.approx(expected, abs=1e-10)


def test_extreme_uint16_does_not_wrap_around():
    observed, predicted = np.array([[0, 65535]], np.uint16), np.array([[65535, 0]], np.uint16)
    assert pearson_r(observed, predicted) == -1
    assert mean_absolute_error(observed, predicted) == 65535
    assert root_mean_squared_error(observed, predicted) == 65535


@settings(max_examples=50, deadline=None)
@given(images, images, st.floats(0.01, 100), st.floats(-1000, 1000))
def test_r_does_not_change_with_gain_and_offset(observed, predicted, gain, offset):
    assume(observed.std() > 0.1)
    assume(predicted.std() > 0.1)
    r = pearson_r(observed, predicted)
    assert pearson_r(observed, gain * predicted + offset) == pytest.approx(r, abs=1e-6)
    assert pearson_r(observed, -gain * predicted + offset) == pytest.approx(-r, abs=1e-6)
    assert pearson_r(predicted, observed) == pytest.approx(r, abs=1e-12)
    assert pearson_r(observed, observed) == pytest.approx(1)


@pytest.mark.parametrize("value", [0, 0.1, 1e-30, 12345.678])
def test_r_with_a_constant_image_is_nan(value):
    constant, other = np.full((90, 4000), value), np.random.default_rng(0).random((90, 4000))
    assert math.isnan(pearson_r(constant, other))
    assert math.isnan(pearson_r(other, constant))


def test_every_metric_of_equal_images_and_by_its_name():
    image = np.random.default_rng(0).random((4, 5))
    assert {name: metric(image, image) for name, metric in METRICS.items()} == {
        "pearson_r": pytest.approx(1),
        "mean_absolute_error": 0,
        "root_mean_squared_error": 0,
    }


def test_the_order_of_pixels_in_memory_does_not_matter():
    rng = np.random.default_rng(0)
    observed, predicted = rng.random((2, 6, 50, 60))
    strided = np.asfortranarray(observed)[:, ::2], predicted[:, ::2]
    plain = observed[:, ::2].copy(), predicted[:, ::2].copy()
    assert pearson_r(*strided) == pytest.approx(pearson_r(*plain), abs=1e-14)


@settings(max_examples=50, deadline=None)
@given(arrays.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=6), st.integers(1, 40))
def test_blocks_cover_every_pixel_once_in_order(shape, size):
    image = np.arange(math.prod(shape)).reshape(shape)
    parts = list(blocks(image, -image, size=size))
    assert all(part.size <= size and np.shares_memory(part, image) for part, _ in parts)
    np.testing.assert_array_equal(np.concatenate([p.ravel() for p, _ in parts]), image.ravel())
    np.testing.assert_array_equal(np.concatenate([p.ravel() for _, p in parts]), -image.ravel())


def test_moments_are_numpys():
    rng = np.random.default_rng(0)
    observed, predicted = rng.normal(5, 2, (2, 3, 400, 500))
    found = moments(observed, predicted)
    covariance = np.cov(observed.ravel(), predicted.ravel(), ddof=0)
    assert found.count == observed.size
    np.testing.assert_allclose(
        [found.mean_observed, found.mean_predicted, found.var_observed, found.var_predicted],
        [observed.mean(), predicted.mean(), covariance[0, 0], covariance[1, 1]],
        rtol=1e-12,
    )
    assert found.covariance == pytest.approx(covariance[0, 1], abs=1e-12)


def test_a_long_score_follows_a_request_to_stop():
    image = np.zeros((4, 4))
    with stop_when(lambda: True), pytest.raises(Stopped):
        pearson_r(image, image)


def test_pearson_r_of_nan_is_nan():
    values = np.arange(12.0).reshape(3, 4)
    broken = values.copy()
    broken[1, 2] = np.nan
    assert np.isnan(pearson_r(values, broken))
    assert np.isnan(pearson_r(broken, values))
