import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_array_equal

from napari_virtual_stain.evaluation.display import display_limits, error_limits
from napari_virtual_stain.evaluation.errors import (
    ERROR_TITLES,
    ERRORS,
    absolute_error,
    observed_minus_predicted,
    predicted_minus_observed,
)

observed_images = arrays.arrays(np.uint16, (3, 4))
predicted_images = arrays.arrays(np.float32, (3, 4), elements=st.floats(-1e5, 1e5, width=32))


def test_hand_checked_values():
    observed, predicted = np.array([[1, 200]], np.uint8), np.array([[3.5, 100.0]], np.float32)
    maps = {kind: error(observed, predicted) for kind, error in ERRORS.items()}
    assert_array_equal(maps["observed_minus_predicted"], [[-2.5, 100]])
    assert_array_equal(maps["predicted_minus_observed"], [[2.5, -100]])
    assert_array_equal(maps["absolute_error"], [[2.5, 100]])
    assert all(error.dtype == np.float32 for error in maps.values())
    assert ERROR_TITLES.keys() == ERRORS.keys()


@given(observed_images, predicted_images)
def test_the_two_signed_maps_are_opposite_and_the_absolute_is_the_larger(observed, predicted):
    minus = observed_minus_predicted(observed, predicted)
    plus = predicted_minus_observed(observed, predicted)
    assert_array_equal(minus, -plus)
    assert_array_equal(absolute_error(observed, predicted), np.maximum(minus, plus))


def test_unsigned_images_do_not_wrap_around():
    error = observed_minus_predicted(np.array([[3]], np.uint16), np.array([[5]], np.uint16))
    assert error.item() == -2


def test_wide_integers_are_subtracted_exactly():
    observed = np.array([[2**24 + 1]], np.uint32)
    assert observed_minus_predicted(observed, np.array([[2**24]], np.float32)).item() == 1


def test_display_limits_are_percentiles_of_the_observed():
    image = np.arange(10001, dtype=np.uint16)
    assert display_limits(image) == (2, 9980)
    floats = np.random.default_rng(0).normal(size=(3, 40, 50)).astype(np.float32)
    assert display_limits(floats) == pytest.approx(np.percentile(floats, (0.02, 99.8)), rel=1e-6)


def test_display_limits_never_coincide():
    assert display_limits(np.full((4, 4), 7, np.uint8)) == (7, 8)
    sparse = np.zeros(10000, np.uint8)
    sparse[0] = 200
    assert display_limits(sparse) == (0, 200)
    assert display_limits(np.array([[False, True]])) == pytest.approx((0.0002, 0.998))


def test_display_limits_of_half_precision_do_not_overflow():
    assert display_limits(np.array([-60000, 60000], np.float16)) == pytest.approx((-59976, 59760))


@given(
    arrays.arrays(
        np.float64,
        arrays.array_shapes(max_dims=2, max_side=30),
        elements=st.floats(-1e6, 1e6),
        unique=True,
    ),
    st.sampled_from([(0.02, 99.8), (2, 90), (40, 70), (0, 100)]),
)
def test_error_limits_are_the_percentiles_of_the_three_maps_pooled(difference, percentiles):
    pooled = np.concatenate([difference, -difference, abs(difference)], axis=None)
    low, high = np.percentile(pooled, percentiles)
    found = error_limits(abs(difference), percentiles)
    if low < 0 < high:
        assert found == pytest.approx((low, high), rel=1e-9, abs=1e-9)
    else:
        largest = abs(difference).max() or 1
        assert found == (-largest, largest)


def test_error_limits_of_a_perfect_prediction():
    assert error_limits(np.zeros((3, 3), np.float32)) == (-1, 1)
