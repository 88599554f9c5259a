"""Calibration: σ that is right is found right, and what is wrong with one that is not."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.calibration import (
    LEVELS,
    CalibrationCounter,
    calibration,
    half_width,
)


def made(distribution: str, factor: float = 1.0, seed: int = 0, shape=(200, 300)):
    """Return observed, predicted and σ, which is `factor` times what it should be."""
    rng = np.random.default_rng(seed)
    sigma = rng.uniform(0.5, 4, shape)
    draw = rng.normal if distribution == "gaussian" else rng.laplace
    unit = 1 if distribution == "gaussian" else 1 / math.sqrt(2)
    predicted = rng.normal(100, 20, shape)
    return predicted + sigma * draw(0, unit, shape), predicted, factor * sigma


@pytest.mark.parametrize("distribution", ["gaussian", "laplace"])
@pytest.mark.parametrize("factor", [1.0, 0.5, 3.0])
def test_the_scale_undoes_what_is_wrong_with_sigma(distribution, factor):
    observed, predicted, sigma = made(distribution, factor)
    found = calibration(observed, predicted, sigma, distribution=distribution)
    assert found.scale == pytest.approx(1 / factor, rel=0.02)
    assert found.count == observed.size
    mended = calibration(observed, predicted, found.scale * sigma, distribution=distribution)
    assert mended.error < 0.005
    assert mended.observed == pytest.approx(mended.nominal, abs=0.01)
    assert found.error < 0.005 if factor == 1 else found.error > 0.1


def test_too_small_a_sigma_covers_too_little_and_too_large_a_one_too_much():
    small = calibration(*made("gaussian", 0.5))
    large = calibration(*made("gaussian", 2))
    assert all(seen < said for seen, said in zip(small.observed, LEVELS, strict=True))
    assert all(seen > said for seen, said in zip(large.observed, LEVELS, strict=True))
    # A Gaussian of half the width holds 68.3 % − 38.3 % less within one σ.
    at = calibration(*made("gaussian", 0.5), levels=[0.6827])
    assert at.observed[0] == pytest.approx(0.3829, abs=0.01)
    assert at.error == pytest.approx(0.6827 - at.observed[0])


def test_the_two_distributions_are_told_apart():
    as_it_is = calibration(*made("laplace"), distribution="laplace")
    otherwise = calibration(*made("laplace"), distribution="gaussian")
    assert as_it_is.error < 0.005 < 0.03 < otherwise.error


def test_half_widths_are_the_known_quantiles():
    assert half_width(0.6826894921370859) == pytest.approx(1)
    assert half_width(0.9544997361036416) == pytest.approx(2)
    # P(|x| ≤ k b) = 1 − exp(−k), and σ = √2 b.
    assert half_width(1 - math.exp(-1), "laplace") == pytest.approx(1 / math.sqrt(2))


def test_a_few_pixels_counted_by_hand():
    error = np.array([0.0, 0.5, 1.0, 1.5, 3.0])
    found = calibration(error, np.zeros(5), np.ones(5), levels=[0.68, 0.96])
    assert found.observed == (2 / 5, 4 / 5)  # within 0.994 σ and 2.054 σ
    assert found.scale == pytest.approx(math.sqrt(np.mean(error**2)))
    assert found.error == pytest.approx((0.28 + 0.16) / 2)


def test_an_interval_holds_its_ends():
    at_the_end = np.full(3, half_width(0.5))
    assert calibration(at_the_end, np.zeros(3), np.ones(3), levels=[0.5]).observed == (1.0,)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 199), max_size=3, unique=True), st.sampled_from(["f4", "f8"]))
def test_parts_add_up_to_the_whole(cuts, dtype):
    arrays = [array.astype(dtype) for array in made("gaussian", 0.8, shape=(200, 30))]
    whole = calibration(*arrays)
    counter = CalibrationCounter()
    for part in np.split(np.arange(200), sorted(cuts)):
        counter.add(*(array[part] for array in arrays))
    found = counter.result()
    assert found.observed == whole.observed
    assert found.scale == pytest.approx(whole.scale, rel=1e-12)


def test_it_is_exact_far_from_zero():
    observed, predicted, sigma = made("gaussian")
    moved = calibration(observed + 2**40, predicted + 2**40, sigma)
    assert moved.scale == pytest.approx(calibration(observed, predicted, sigma).scale, rel=1e-4)


def test_integers_do_not_wrap():
    observed = np.full((4, 5), 3, np.uint16)
    found = calibration(observed, np.full((4, 5), 5.0), np.full((4, 5), 2, np.uint8))
    assert found.scale == pytest.approx(1)


def test_what_is_nan_or_does_not_count_is_left_out():
    observed, predicted, sigma = made("gaussian", shape=(50, 60))
    counts = np.ones(observed.shape, np.uint8)
    counts[:10] = 0
    observed[:10] = 1e9
    observed[10, :5], predicted[11, :5], sigma[12, :5] = np.nan, np.inf, np.nan
    found = calibration(observed, predicted, sigma, counts=counts)
    rest = calibration(observed[13:], predicted[13:], sigma[13:])
    assert found.count == 40 * 60 - 15
    assert found.scale == pytest.approx(rest.scale, rel=0.03)


def test_a_sigma_of_zero_is_right_only_where_the_prediction_is():
    right = calibration(np.ones(4), np.ones(4), np.zeros(4))
    assert right.observed == (1.0,) * len(LEVELS)
    assert right.scale == 0
    wrong = calibration(np.array([1.0, 2.0]), np.ones(2), np.array([1.0, 0.0]))
    assert wrong.observed == (0.5,) * len(LEVELS)
    assert wrong.scale == math.inf


def test_nothing_counted_is_no_number_and_json_has_none():
    found = CalibrationCounter().result()
    assert (found.count, math.isnan(found.error), math.isnan(found.scale)) == (0, True, True)
    written = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert written["sigma_scale"] is None
    assert written["observed_coverage"] == [None] * len(LEVELS)
    assert written["nominal_coverage"] == list(LEVELS)


def test_inputs_are_not_changed():
    arrays = made("laplace")
    copies = [array.copy() for array in arrays]
    calibration(*arrays)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, copies, strict=True))


def test_errors_say_what_is_wrong():
    one = np.ones((3, 4))
    with pytest.raises(VirtualStainError, match="the image of σ 4 × 3; give them on one grid"):
        calibration(one, one, one.T)
    with pytest.raises(VirtualStainError, match=r"σ is negative in some pixels \(down to -1\)"):
        calibration(one, one, -one)
    with pytest.raises(VirtualStainError, match="no distribution 'cauchy' of errors"):
        calibration(one, one, one, distribution="cauchy")
    for levels in ([], [0.5, 0.5], [0.0, 0.5], [0.5, 1.0], [0.6, 0.2]):
        with pytest.raises(VirtualStainError, match="increasing numbers between 0 and 1"):
            calibration(one, one, one, levels=levels)
