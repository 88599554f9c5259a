"""Scores of images that break formulas: constant, all zero, masked away, the ends of 16 bits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import pearsonr
from skimage.metrics import normalized_root_mse, peak_signal_noise_ratio
from skimage.metrics import structural_similarity as reference

from napari_virtual_stain.evaluation import (
    METRICS,
    calibration,
    confusion_matrix,
    fourier_ring_correlation,
    global_structural_similarity,
    mask_overlap,
    sampled_pearson_r,
    structural_similarity,
    tolerance_index,
)
from napari_virtual_stain.evaluation.metrics import fitted_normalized_root_mean_squared_error

pytestmark = pytest.mark.filterwarnings("error")

SHAPE = (3, 24, 30)


def ends(seed=0):
    """Return uint16 images of 0 and 65535, of which the second is right in most pixels."""
    rng = np.random.default_rng(seed)
    observed = rng.choice([0, 65535], SHAPE).astype(np.uint16)
    wrong = rng.random(SHAPE) < 0.1
    return observed, np.where(wrong, 65535 - observed, observed).astype(np.uint16)


def test_every_metric_at_the_ends_of_16_bits():
    observed, predicted = ends()
    o, p = observed.astype(float), predicted.astype(float)
    square = ((o - p) ** 2).mean()
    assert {name: metric(observed, predicted) for name, metric in METRICS.items()} == pytest.approx(
        {
            "pearson_r": pearsonr(o.ravel(), p.ravel()).statistic,
            "mean_absolute_error": abs(o - p).mean(),
            "root_mean_squared_error": math.sqrt(square),
            "r_squared": 1 - square / o.var(),
            "normalized_root_mean_squared_error": normalized_root_mse(o, p),
            "relative_squared_error": ((o - p) ** 2).sum() / (o**2).sum(),
            "relative_absolute_error": abs(o - p).sum() / o.sum(),
            "peak_signal_to_noise_ratio": peak_signal_noise_ratio(o, p, data_range=65535),
        },
        rel=1e-10,
    )
    share = (o != p).mean()
    assert share == pytest.approx(METRICS["mean_absolute_error"](observed, predicted) / 65535)
    assert fitted_normalized_root_mean_squared_error(observed, predicted) == pytest.approx(
        math.sqrt(o.var() * (1 - pearsonr(o.ravel(), p.ravel()).statistic ** 2)) / 65535, rel=1e-3
    )
    found = structural_similarity(observed, predicted, per="plane")
    planes = [reference(a, b, data_range=65535) for a, b in zip(o, p, strict=True)]
    assert found == pytest.approx(np.mean(planes), abs=1e-10)


def test_grey_value_bins_masks_and_tolerance_at_the_ends_of_16_bits():
    observed, predicted = ends()
    share = (observed != predicted).mean()
    counts = confusion_matrix(observed, predicted, limits=(0, 65535)).counts
    assert counts[0, 0] + counts[0, 9] == (observed == 0).sum()
    assert counts.sum() == observed.size
    assert (counts[0, 9] + counts[9, 0]) / counts.sum() == share
    overlap = mask_overlap(observed, predicted)
    assert overlap.missed + overlap.false == (observed != predicted).sum()
    # An error is all of the range, so no tolerance forgives any.
    found = tolerance_index(observed, predicted)
    np.testing.assert_allclose(found.total, share)
    assert (found.index, found.level) == (pytest.approx(share), 0)


ZERO, RAMP = np.zeros(SHAPE, np.uint16), np.arange(math.prod(SHAPE)).reshape(SHAPE)


@pytest.mark.parametrize("predicted", [ZERO, RAMP.astype(np.float32)])
def test_an_observed_image_that_is_zero_everywhere(predicted):
    found = {name: metric(ZERO, predicted) for name, metric in METRICS.items()}
    undefined = {name for name, value in found.items() if math.isnan(value)}
    assert undefined == METRICS.keys() - {"mean_absolute_error", "root_mean_squared_error"}
    assert found["mean_absolute_error"] == pytest.approx(predicted.astype(float).mean())
    for metric in (
        fitted_normalized_root_mean_squared_error,
        global_structural_similarity,
        lambda o, p: structural_similarity(o, p, per="plane"),
        lambda o, p: tolerance_index(o, p).index,
        lambda o, p: mask_overlap(o, p * 0).dice,
        lambda o, p: sampled_pearson_r([o], [p], repeats=2).mean,
        lambda o, p: fourier_ring_correlation(o[0], p[0]).resolution(),
    ):
        assert math.isnan(metric(ZERO, predicted))
    # With a range, what can be said is said.
    assert structural_similarity(ZERO, ZERO, data_range=255, per="plane") == pytest.approx(1)
    assert tolerance_index(ZERO, ZERO, data_range=(0, 255)).index == 0
    assert confusion_matrix(ZERO, ZERO, limits=(0, 255)).counts[0, 0] == ZERO.size
    assert calibration(ZERO, ZERO, np.ones(SHAPE)).observed[0] == 1


def test_a_mask_that_holds_nothing_leaves_nothing():
    observed, predicted = ends()
    nothing = np.zeros(SHAPE, bool)
    for metric in METRICS.values():
        assert math.isnan(metric(observed, predicted, nothing))
    assert math.isnan(fitted_normalized_root_mean_squared_error(observed, predicted, nothing))
    assert math.isnan(global_structural_similarity(observed, predicted, nothing))
    assert math.isnan(tolerance_index(observed, predicted, nothing).index)
    assert math.isnan(mask_overlap(observed, predicted, nothing).iou)
    assert math.isnan(calibration(observed, predicted, np.ones(SHAPE), counts=nothing).scale)


def test_what_was_not_measured_in_the_scores_that_are_no_sums():
    observed, predicted = RAMP.astype(np.float32), (RAMP % 97).astype(np.float32)
    gone = np.random.default_rng(0).random(SHAPE) < 0.3
    cut = observed[~gone][np.newaxis], predicted[~gone][np.newaxis]
    holes = np.where(gone, np.nan, observed)
    for metric in (
        fitted_normalized_root_mean_squared_error,
        global_structural_similarity,
        lambda o, p: tolerance_index(o, p, normalization="signal").index,
        lambda o, p: tolerance_index(o, p, reading="images").index,
        lambda o, p: sampled_pearson_r([o], [p], repeats=2).mean,
    ):
        assert metric(holes, predicted) == pytest.approx(metric(*cut), rel=1e-10)
        broken = np.where(gone, np.inf, observed)
        assert metric(broken, predicted) == pytest.approx(metric(*cut), rel=1e-10)
    bad = predicted.copy()
    bad[~gone] = np.nan
    for metric in (
        fitted_normalized_root_mean_squared_error,
        global_structural_similarity,
        lambda o, p: tolerance_index(o, p).index,
        lambda o, p: sampled_pearson_r([o], [p], repeats=2).mean,
    ):
        assert math.isnan(metric(holes, bad))
