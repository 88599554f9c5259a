import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.matching import (
    MATCHES,
    Coefficients,
    apply_match,
    match_coefficients,
)


def pair(seed: int, shape: tuple[int, ...] = (3, 7, 11)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    observed = rng.integers(0, 5000, shape).astype(np.uint16)
    predicted = (rng.normal(size=shape) + observed * rng.uniform(-1e-3, 1e-3)).astype(np.float32)
    return observed, predicted


def test_hand_checked_least_squares():
    found = match_coefficients(np.array([[1, 2, 4]]), np.array([[0.0, 1.0, 2.0]]), "least-squares")
    assert_allclose(found, (1.5, 5 / 6), rtol=1e-14)


def test_hand_checked_z_score():
    found = match_coefficients(np.array([[10, 30]], np.uint8), np.array([[-1.0, 1.0]]), "z-score")
    assert found == Coefficients(10.0, 20.0)


def test_none_changes_nothing():
    observed, predicted = pair(0)
    found = match_coefficients(observed, predicted, "none")
    assert found == (1, 0)
    np.testing.assert_array_equal(apply_match(predicted, found), predicted)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_z_score_gives_the_observed_mean_and_standard_deviation(seed):
    observed, predicted = pair(seed)
    matched = apply_match(predicted, match_coefficients(observed, predicted, "z-score"))
    assert matched.dtype == np.float32
    assert_allclose(matched.mean(dtype=np.float64), observed.mean(), rtol=1e-6)
    assert_allclose(matched.std(dtype=np.float64), observed.std(), rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_no_match_leaves_a_smaller_residual_than_least_squares(seed):
    observed, predicted = pair(seed)
    residuals = {
        method: np.square(
            apply_match(predicted, match_coefficients(observed, predicted, method)) - observed,
            dtype=np.float64,
        ).sum()
        for method in MATCHES
    }
    assert residuals["least-squares"] == pytest.approx(min(residuals.values()), rel=1e-6)


def test_least_squares_is_numpys():
    observed, predicted = pair(3)
    gain, offset = np.polyfit(predicted.ravel().astype(float), observed.ravel(), 1)
    found = match_coefficients(observed, predicted, "least-squares")
    assert_allclose(found, (gain, offset), rtol=1e-10)


def test_a_constant_prediction_has_gain_zero_under_least_squares():
    observed = np.array([[1.0, 2.0, 6.0]])
    assert match_coefficients(observed, np.full((1, 3), 0.1), "least-squares") == (0, 3)


def test_a_constant_prediction_is_refused_by_z_score():
    with pytest.raises(VirtualStainError, match="constant and has no standard deviation"):
        match_coefficients(np.array([[1.0, 2.0]]), np.full((1, 2), 0.1), "z-score")


def test_a_constant_observed_image_makes_the_matched_constant():
    found = match_coefficients(np.full((1, 2), 7), np.array([[1.0, 2.0]]), "z-score")
    assert found == (0, 7)


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(VirtualStainError, match="no match 'zscore'; choose one of 'none', 'z-sc"):
        match_coefficients(np.zeros((1, 2)), np.zeros((1, 2)), "zscore")
