"""What was not measured, or lies outside a mask, is left out of all that a comparison says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from skimage.filters import threshold_otsu

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.evaluation import compare, compare_events, pearson_r
from napari_virtual_stain.evaluation.display import display_limits, error_limits
from napari_virtual_stain.evaluation.similarity import similarity_sum
from napari_virtual_stain.events import Notice, run
from napari_virtual_stain.image import Image

WINDOWED = {"structural_similarity", "structural_similarity_per", "otsu_thresholds"}


def pair(shape=(2, 24, 30), dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    observed = (rng.gamma(2, 100, shape) + 300 * (rng.random(shape) < 0.3)).astype(dtype)
    predicted = (0.8 * observed + rng.normal(20, 40, shape)).astype(np.float32)
    return observed, predicted


def images(observed, predicted, axes="CYX", channels=("DAPI", "ER")):
    names = {"channels": channels} if "C" in axes else {}
    return Image(observed, axes, name="well", **names), Image(
        predicted, axes, name="guess", **names
    )


def told(*arguments, **options):
    events = []
    result = run(compare_events(*arguments, **options), events.append)
    return result, [event for event in events if isinstance(event, Notice)]


@settings(max_examples=25, deadline=None)
@example(rows=(0, 24), what=np.nan, match="none", by_mask=False, seed=0)
@given(
    rows=st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda ends: ends[0] < ends[1]),
    what=st.sampled_from([np.nan, np.inf, -np.inf]),
    match=st.sampled_from(["none", "z-score", "least-squares"]),
    by_mask=st.booleans(),
    seed=st.integers(0, 50),
)
def test_the_scores_are_those_of_what_is_left(rows, what, match, by_mask, seed):
    observed, predicted = pair(seed=seed)
    gone = np.ones(observed.shape, bool)
    gone[:, slice(*rows)] = False
    cut = [array[:, slice(*rows)] for array in (observed, predicted)]
    expected = compare(*images(*cut), match=match)
    if by_mask:
        mask = Image((~gone[0]).astype(np.uint8), "YX")
        found = compare(*images(observed, predicted), match=match, mask=mask)
    else:
        found = compare(*images(np.where(gone, what, observed), predicted), match=match)
    for name in found.channels:
        ours, theirs = found.metrics[name], expected.metrics[name]
        assert ours.keys() == theirs.keys()
        for score in ours.keys() - WINDOWED:
            assert ours[score] == pytest.approx(theirs[score], rel=1e-6, nan_ok=True), score
        assert ours["otsu_thresholds"] == theirs["otsu_thresholds"]
        assert found.display_limits[name] == expected.display_limits[name]
        assert found.error_limits[name] == pytest.approx(expected.error_limits[name], rel=1e-5)
        details, others = (one.details[name].as_scores() for one in (found, expected))
        for score in ("tolerance_index", "grey_value_accuracy", "mask_dice", "mask_hit"):
            assert details[score] == pytest.approx(others[score], rel=1e-6, nan_ok=True), score
        assert details["confusion_matrix"] == others["confusion_matrix"]
    for kind, errors in found.errors.items():
        assert np.isnan(errors.numpy()[gone]).all()
        left = errors.numpy()[:, slice(*rows)]
        np.testing.assert_allclose(left, expected.errors[kind].numpy(), rtol=1e-4, atol=1e-3)
    for which, mask in found.masks.items():
        assert not mask.numpy()[gone].any()
        assert_array_equal(mask.numpy()[:, slice(*rows)], expected.masks[which].numpy())
    if gone.any():
        assert_array_equal(found.counts.numpy(), ~gone)
    else:
        assert found.counts is None
    assert_array_equal(found.clipped.numpy()[:, slice(*rows)], expected.clipped.numpy())


@pytest.mark.parametrize("match", ["none", "z-score"])
def test_scattered_pixels_and_whole_frames_that_were_not_measured(match):
    rng = np.random.default_rng(1)
    observed, predicted = pair((3, 2, 8, 20, 18))
    gone = rng.random(observed.shape) < 0.2
    gone[1, 0] = True
    observed[gone] = np.nan
    # What was predicted there is of no matter.
    predicted[gone] = rng.choice([np.nan, np.inf, 7], gone.sum())
    found = compare(*images(observed, predicted, "TCZYX"), match=match, mask_per="plane")
    scores = found.metrics["DAPI"]
    left = ~gone[:, 0]
    assert scores["pearson_r"] == pytest.approx(
        pearson_r(observed[:, 0][left], predicted[:, 0][left])
    )
    assert scores["pixels"] == left.sum()
    assert math.isnan(scores["pearson_r_per_time"][1])
    assert math.isfinite(scores["pearson_r_per_time"][2])
    thresholds = scores["otsu_thresholds"]["observed"]
    assert all(math.isnan(value) for value in thresholds[1])
    plane, known = observed[2, 0, 3], ~gone[2, 0, 3]
    assert thresholds[2][3] == threshold_otsu(plane[known])
    assert_array_equal(found.masks["observed"].numpy()[2, 0, 3], known & (plane > thresholds[2][3]))
    assert found.display_limits["DAPI"] == display_limits(observed[:, 0][left])
    absolute = abs(observed - found.predicted.numpy())[:, 0][left]
    assert found.error_limits["DAPI"] == pytest.approx(error_limits(absolute), rel=1e-5)
    assert found.coefficients["DAPI"][1] == (1, 0)
    assert (found.clipped.numpy()[1, 0] == 0).all()
    assert np.isfinite(found.clipped.numpy()).all()
    provenance = found.masks["observed"].provenance["thresholds"]["DAPI"]
    assert provenance[1] == [None] * 8


def test_windows_of_all_time_points_count_alike():
    observed, predicted = pair((2, 1, 20, 30))
    observed[1, 0, :, 10:] = np.nan
    data_range = np.nanmax(observed) - np.nanmin(observed)
    found = compare(*images(observed, predicted, "TCYX", ("DAPI",)))
    sums = [similarity_sum(observed[t, 0], predicted[t, 0], data_range=data_range) for t in (0, 1)]
    assert [count for _, count in sums] == [14 * 24, 14 * 4]
    expected = sum(total for total, _ in sums) / (14 * 28)
    assert found.metrics["DAPI"]["structural_similarity"] == pytest.approx(expected, rel=1e-6)


def test_how_many_were_not_measured_is_said():
    observed, predicted = pair((2, 10, 10))
    observed[0, 0] = np.nan
    _, notices = told(*images(observed, predicted))
    assert [(one.text, one.warning) for one in notices] == [
        (
            "well, channel 'DAPI': 10 of 100 pixels (10.0%) were not measured (NaN or infinite) "
            "and do not count.",
            False,
        )
    ]
    mask = np.zeros((10, 10), np.uint16)
    mask[:4] = 7
    _, notices = told(*images(observed, predicted), mask=Image(mask, "YX", name="cells"))
    assert [one.text.split(": ")[1] for one in notices] == [
        "10 of 100 pixels (10.0%) were not measured (NaN or infinite) and do not count.",
        "60 of 100 pixels (60.0%) lie outside the mask cells and do not count.",
        "60 of 100 pixels (60.0%) lie outside the mask cells and do not count.",
    ]
    _, notices = told(*images(*pair((2, 10, 10))), mask=Image(mask, "YX", name="cells"))
    assert [one.text for one in notices] == [
        "well: 60 of 100 pixels of each channel (60.0%) lie outside the mask cells and do not "
        "count."
    ]
    result, notices = told(*images(*pair((2, 10, 10))), mask=Image(np.ones((10, 10)), "YX"))
    assert (result.counts, notices) == (None, [])


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("YX", (6, 7)), ("ZYX", (4, 6, 7)), ("TYX", (3, 6, 7)), ("CYX", (3, 6, 7)), ("TCZYX", None)],
)
def test_a_mask_holds_for_the_axes_that_it_lacks(axes, shape):
    observed, predicted = pair((3, 3, 4, 6, 7), np.uint16)
    seen, made = images(observed, predicted, "TCZYX", ("a", "b", "c"))
    mask = np.random.default_rng(0).random(shape or observed.shape) < 0.6
    # Two of three channels, in another order, are compared.
    made = made.replace(data=predicted[:, [2, 1]], channels=("c", "b"))
    found = compare(seen, made, mask=Image(mask, axes))
    index = tuple(slice(None) if axis in axes else np.newaxis for axis in "TCZYX")
    whole = np.broadcast_to(mask[index], observed.shape)
    assert_array_equal(found.counts.numpy(), whole[:, 1:])
    r = pearson_r(observed[:, 2], predicted[:, 2], whole[:, 2])
    assert found.metrics["c"]["pearson_r"] == pytest.approx(r, abs=1e-12)
    assert found.clipped.dtype == np.uint16


def test_a_mask_that_cannot_be_used_is_refused():
    arguments = images(*pair((2, 10, 12)))
    for mask, said in (
        (Image(np.ones((10, 11)), "YX", name="cells"), "the mask cells .* along X it has 11 pos"),
        (Image(np.ones((3, 10, 12)), "CYX", name="cells"), "along C it has 3 positions and the"),
        (Image(np.zeros((10, 12)), "YX", name="cells"), "the mask cells is 0 everywhere"),
    ):
        with pytest.raises(VirtualStainError, match=said):
            compare(*arguments, mask=mask)
    observed, predicted = pair((2, 10, 12))
    observed[1, :5] = np.nan
    mask = np.zeros((10, 12), np.float32)
    mask[:5], mask[7:] = 1, np.nan
    with pytest.raises(VirtualStainError, match="channel 'ER': no pixel within the mask cells was"):
        compare(*images(observed, predicted), mask=Image(mask, "YX", name="cells"))


@pytest.mark.parametrize("what", [np.nan, np.inf])
def test_a_channel_without_any_measured_pixel_is_refused(what):
    observed, predicted = pair((2, 10, 12))
    observed[1] = what
    with pytest.raises(
        VirtualStainError, match="well, channel 'ER': all 120 pixels are NaN or inf"
    ):
        compare(*images(observed, predicted))
    observed, predicted = pair((2, 10, 12))
    predicted[0] = what
    with pytest.raises(VirtualStainError, match="guess, channel 'DAPI': all 120 predicted pixels"):
        compare(*images(observed, predicted))


@pytest.mark.parametrize("match", ["none", "z-score", "least-squares"])
@pytest.mark.parametrize("what", [np.nan, np.inf])
def test_a_broken_prediction_has_no_scores_and_is_shown(match, what):
    observed, predicted = pair((2, 20, 24))
    predicted[0, 3, 4] = what
    arguments = images(observed, predicted)
    with pytest.warns(VirtualStainWarning, match="'DAPI': 1 of 480 predicted pixels are NaN"):
        found = compare(*arguments, match=match)
    scores = found.metrics["DAPI"]
    for name in ("pearson_r", "mean_absolute_error", "structural_similarity", "r_squared"):
        assert not math.isfinite(scores[name])
        assert math.isfinite(found.metrics["ER"][name])
    assert math.isfinite(found.coefficients["DAPI"][0].gain)
    others = np.ones((20, 24), bool)
    others[3, 4] = False
    assert np.isfinite(found.errors["absolute_error"].numpy()[0][others]).all()
    assert np.isfinite(found.error_limits["DAPI"]).all()
    assert found.masks["predicted"].numpy()[0, 3, 4] == 0
    assert math.isfinite(scores["otsu_thresholds"]["predicted"][0][0])
    mask = Image(others, "YX")
    assert math.isfinite(compare(*arguments, match=match, mask=mask).metrics["DAPI"]["pearson_r"])


@pytest.mark.parametrize("value", [0, 65535])
def test_a_constant_integer_image_under_a_mask(value):
    observed = np.full((1, 16, 16), value, np.uint16)
    mask = Image(np.eye(16), "YX")
    found = compare(*images(observed, observed, channels=("DAPI",)), mask=mask)
    assert found.metrics["DAPI"]["mean_absolute_error"] == 0
    assert math.isnan(found.metrics["DAPI"]["pearson_r"])
    assert found.metrics["DAPI"]["pixels"] == 16
    assert not found.masks["observed"].numpy().any()
