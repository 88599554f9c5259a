import dataclasses
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import pearsonr
from skimage.metrics import mean_squared_error, normalized_root_mse, peak_signal_noise_ratio

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.metrics import (
    METRICS,
    SCORES,
    fitted_normalized_root_mean_squared_error,
    mean_absolute_error,
    peak_signal_to_noise_ratio,
    pearson_r,
    root_mean_squared_error,
)
from napari_virtual_stain.evaluation.moments import MomentsCounter, blocks, moments, pooled
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
        "r_squared": 1,
        "normalized_root_mean_squared_error": 0,
        "relative_squared_error": 0,
        "relative_absolute_error": 0,
        "peak_signal_to_noise_ratio": math.inf,
    }


def references(observed, predicted):
    """Return what each metric should be, by other libraries or its formula."""
    o, p = observed.astype(float).ravel(), predicted.astype(float).ravel()
    return {
        "pearson_r": pearsonr(o, p).statistic,
        "mean_absolute_error": np.abs(p - o).mean(),
        "root_mean_squared_error": math.sqrt(mean_squared_error(o, p)),
        "r_squared": 1 - ((p - o) ** 2).sum() / ((o - o.mean()) ** 2).sum(),
        "normalized_root_mean_squared_error": normalized_root_mse(o, p),
        "relative_squared_error": ((p - o) ** 2).sum() / (o**2).sum(),
        "relative_absolute_error": np.abs(p - o).sum() / np.abs(o).sum(),
        "peak_signal_to_noise_ratio": peak_signal_noise_ratio(o, p, data_range=np.ptp(o)),
    }


def pair_of(dtype, shape=(3, 150, 700)):
    rng = np.random.default_rng(3)
    observed = rng.gamma(2, 20, shape).clip(0, 255).astype(dtype)
    return observed, (0.7 * observed.astype(float) + rng.normal(9, 12, shape)).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_every_metric_is_that_of_other_libraries(dtype):
    observed, predicted = pair_of(dtype)
    found = {name: metric(observed, predicted) for name, metric in METRICS.items()}
    assert found == pytest.approx(references(observed, predicted), rel=1e-10)
    once = moments(observed, predicted)
    assert {name: score(once) for name, score in SCORES.items()} == found


def test_every_metric_under_a_mask_and_where_nothing_was_measured():
    observed, predicted = pair_of(np.float32)
    rng = np.random.default_rng(0)
    mask = rng.random(observed.shape) < 0.3
    expected = references(observed[mask], predicted[mask])
    for form in (mask, mask.astype(np.uint8) * 7):
        found = {name: metric(observed, predicted, form) for name, metric in METRICS.items()}
        assert found == pytest.approx(expected, rel=1e-10)
    unmeasured = np.where(mask, observed, rng.choice([np.nan, np.inf, -np.inf], mask.shape))
    found = {name: metric(unmeasured, predicted) for name, metric in METRICS.items()}
    assert found == pytest.approx(expected, rel=1e-10)
    assert all(np.isnan(metric(observed, predicted, mask & False)) for metric in METRICS.values())


def test_a_predicted_pixel_that_is_no_number_makes_every_score_nan_where_it_counts():
    observed, predicted = pair_of(np.uint16, (20, 30))
    predicted[4, 5] = np.nan
    assert all(np.isnan(metric(observed, predicted)) for metric in METRICS.values())
    mask = np.isfinite(predicted)
    assert not any(np.isnan(metric(observed, predicted, mask)) for metric in METRICS.values())


@pytest.mark.parametrize("observed", [0, 7.5])
def test_a_constant_observed_image_has_the_scores_that_are_defined(observed):
    image, predicted = np.full((20, 30), observed), np.full((20, 30), 2.0)
    found = {name: metric(image, predicted) for name, metric in METRICS.items()}
    undefined = {name for name, value in found.items() if np.isnan(value)}
    relative = {name for name in found if name.startswith(("relative", "normalized"))}
    always = {"pearson_r", "r_squared", "peak_signal_to_noise_ratio"}
    assert undefined == always | (set() if observed else relative)
    assert found["mean_absolute_error"] == abs(observed - 2)


def test_parts_add_up_to_the_whole_in_any_order():
    observed, predicted = pair_of(np.uint16, (9, 200, 300))
    observed[2:4] += 1000
    whole = moments(observed, predicted)
    counter = MomentsCounter()
    for part in (slice(5, 9), slice(0, 1), slice(1, 5)):
        counter.add(observed[part], predicted[part])
    parts = [moments(o, p) for o, p in zip(observed, predicted, strict=True)]
    nothing = moments(observed[0], predicted[0], np.zeros((200, 300)))
    for found in (counter.result(), pooled([*parts, nothing])):
        assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(whole), rel=1e-10)
    assert pooled([nothing]).count == 0


def test_shapes_that_differ_are_refused():
    with pytest.raises(VirtualStainError, match="has 4 × 5 pixels and the predicted image 4 × 6"):
        pearson_r(np.zeros((4, 5)), np.zeros((4, 6)))
    with pytest.raises(VirtualStainError, match="the mask 5 × 4; give them on one grid"):
        pearson_r(np.zeros((4, 5)), np.zeros((4, 5)), np.zeros((5, 4)))


def test_signal_to_noise_ratio_of_a_given_range():
    observed, predicted = pair_of(np.uint8, (20, 30))
    expected = peak_signal_noise_ratio(observed.astype(float), predicted, data_range=255)
    found = peak_signal_to_noise_ratio(observed, predicted, data_range=255)
    assert found == pytest.approx(expected, rel=1e-10)
    assert np.isnan(peak_signal_to_noise_ratio(observed, predicted, data_range=0))


def restored_error(observed, predicted):
    """Return NRMSE as CARE computes it, step by step."""
    o, p = observed.astype(float).ravel(), predicted.astype(float).ravel()
    low, high = np.percentile(o, (0.1, 99.9))
    truth = (o - low) / (high - low + 1e-20)
    truth, x = truth - truth.mean(), p - p.mean()
    scale = np.cov(x, truth)[0, 1] / np.var(x)
    return math.sqrt(np.mean((truth - scale * x) ** 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_error_of_a_restoration_is_that_of_care(dtype):
    observed, predicted = pair_of(dtype)
    found = fitted_normalized_root_mean_squared_error(observed, predicted)
    assert found == pytest.approx(restored_error(observed, predicted), rel=1e-10)
    mask = np.random.default_rng(0).random(observed.shape) < 0.3
    found = fitted_normalized_root_mean_squared_error(observed, predicted, mask)
    expected = restored_error(observed[mask], predicted[mask])
    assert found == pytest.approx(expected, rel=1e-10)


def test_the_error_of_a_restoration_of_floats_within_the_bound_of_their_quantiles():
    rng = np.random.default_rng(3)
    observed = rng.gamma(2, 20, (300, 400)).astype(np.float32)
    predicted = 0.7 * observed + rng.normal(9, 12, observed.shape)
    found = fitted_normalized_root_mean_squared_error(observed, predicted)
    assert found == pytest.approx(restored_error(observed, predicted), rel=2e-2)
    constant = np.ones_like(observed)
    assert np.isnan(fitted_normalized_root_mean_squared_error(constant, predicted))
    assert np.isnan(fitted_normalized_root_mean_squared_error(observed, constant))


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
