"""Sums of planes, and what a whole pair is like."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import threshold_otsu

from napari_virtual_stain import VirtualStainError, compare
from napari_virtual_stain.evaluation.matching import match_coefficients
from napari_virtual_stain.evaluation.overlap import mask_overlap, threshold_overlap
from napari_virtual_stain.evaluation.survey import survey_events
from napari_virtual_stain.evaluation.tally import Scale, joined_tally, tally
from napari_virtual_stain.events import Progress, run
from napari_virtual_stain.image import Image


def pair(shape=(2, 3, 20, 24), seed=0):
    rng = np.random.default_rng(seed)
    observed = rng.integers(100, 4000, shape).astype(np.uint16)
    predicted = (0.8 * observed + rng.normal(200, 300, shape)).astype(np.float32)
    return observed, predicted


def images(axes="TZYX", **fields):
    observed, predicted = pair((2, 3, 20, 24)[-len(axes) :])
    return Image(observed, axes, **fields), Image(predicted, axes, **fields)


@pytest.mark.parametrize("match", ["none", "z-score", "least-squares"])
def test_the_scores_of_a_whole_are_those_of_a_comparison(match):
    observed, predicted = images("ZYX")
    found = run(survey_events(observed, predicted, match=match))
    scores = found.whole.scores(found.scale)
    expected = next(iter(compare(observed, predicted, match=match).metrics.values()))
    for name in ("pearson_r", "mean_absolute_error", "root_mean_squared_error", "r_squared"):
        assert scores[name] == pytest.approx(expected[name], rel=1e-6), name
    name = "fitted_normalized_root_mean_squared_error"
    assert scores[name] == pytest.approx(expected[name], rel=1e-3)
    assert scores["peak_signal_to_noise_ratio"] == pytest.approx(
        expected["peak_signal_to_noise_ratio"], rel=1e-6
    )
    assert list(found.thresholds[0]) == pytest.approx(
        [expected["otsu_thresholds"][which][0][0] for which in ("observed", "predicted")], rel=1e-5
    )


def test_each_plane_and_time_point_has_scores_of_its_own():
    observed, predicted = images()
    found = run(survey_events(observed, predicted))
    o, p = observed.numpy().astype(float), predicted.numpy().astype(float)
    for t in range(2):
        for z in range(3):
            r = found.planes[t][z].scores(found.scale)["pearson_r"]
            assert r == pytest.approx(np.corrcoef(o[t, z].ravel(), p[t, z].ravel())[0, 1])
        of_time = found.of_time(t).scores(found.scale)["pearson_r"]
        assert of_time == pytest.approx(np.corrcoef(o[t].ravel(), p[t].ravel())[0, 1])
    of_plane = found.of_plane(1).scores(found.scale)["mean_absolute_error"]
    assert of_plane == pytest.approx(np.abs(o[:, 1] - p[:, 1]).mean())
    assert found.counts.sum() == o.size


def test_limits_are_those_of_all_pixels():
    observed, predicted = images("ZYX")
    found = run(survey_events(observed, predicted))
    assert found.display_limits == pytest.approx(tuple(np.percentile(observed.data, (0.02, 99.8))))
    assert found.scale.data_range == np.ptp(observed.data)
    assert found.thresholds[0][0] == pytest.approx(threshold_otsu(observed.data.ravel()))


def test_what_was_not_measured_does_not_count():
    observed, predicted = pair((3, 20, 24))
    observed = observed.astype(np.float32)
    observed[:, :5] = np.nan
    found = run(survey_events(Image(observed, "ZYX"), Image(predicted, "ZYX")))
    r = found.whole.scores(found.scale)["pearson_r"]
    known = observed[:, 5:].ravel(), predicted[:, 5:].ravel()
    assert r == pytest.approx(np.corrcoef(*known)[0, 1], rel=1e-6)
    assert all(np.isfinite(found.thresholds[0]))
    with pytest.raises(VirtualStainError, match="no pixel of image is a number"):
        run(survey_events(Image(np.full((4, 4), np.nan), "YX"), Image(np.zeros((4, 4)), "YX")))


def test_it_reads_lazy_pixels_and_tells_how_far_it_is():
    da = pytest.importorskip("dask.array")
    observed, predicted = images()
    lazy = [
        Image(da.from_array(one.data, chunks=(1, 1, 20, 24)), "TZYX")
        for one in (observed, predicted)
    ]
    events = []
    found = run(survey_events(*lazy), events.append)
    assert found.whole == run(survey_events(observed, predicted)).whole
    assert {event.stage for event in events if isinstance(event, Progress)} == {
        "looking at the images",
        "scores of planes",
    }


@given(st.integers(1, 5), st.integers(0, 2**32 - 1), st.sampled_from(["none", "least-squares"]))
@settings(max_examples=25, deadline=None)
def test_parts_together_are_the_whole(parts, seed, method):
    observed, predicted = pair((parts * 3, 8, 9), seed)
    match = match_coefficients(observed, predicted, method)
    options = {"match": match, "thresholds": (1500.0, 1800.0)}
    whole = tally(observed, predicted, **options)
    joined = joined_tally(
        [
            tally(o, p, **options)
            for o, p in zip(np.split(observed, parts), np.split(predicted, parts), strict=True)
        ]
    )
    scale = Scale(4000.0, 3500.0)
    assert joined.scores(scale) == pytest.approx(whole.scores(scale), rel=1e-10)


def test_a_constant_image_has_no_correlation():
    found = run(survey_events(Image(np.full((9, 9), 7), "YX"), Image(np.eye(9), "YX")))
    scores = found.whole.scores(found.scale)
    assert math.isnan(scores["pearson_r"])
    assert scores["mean_absolute_error"] == pytest.approx(7 - 1 / 9)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_masks_above_thresholds_are_counted(dtype):
    observed, predicted = (one.clip(0, 255).astype(dtype) for one in pair((30, 40)))
    mask = np.zeros((30, 40), bool)
    mask[5:20] = True
    found = threshold_overlap(observed, predicted, (120.0, 99.5), mask)
    assert found == mask_overlap(observed > 120, predicted > 99.5, mask)
    nothing = threshold_overlap(observed, predicted, (math.nan, math.nan))
    assert (nothing.hit, nothing.missed, nothing.false) == (0, 0, 0)
