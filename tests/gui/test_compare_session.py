"""What a comparison shows in a viewer, and that it leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain import compare
from napari_virtual_stain.evaluation.overlap import overlap_labels
from napari_virtual_stain.events import run
from napari_virtual_stain.gui.compare.live import region_mask
from napari_virtual_stain.gui.compare.maps import MAPS
from napari_virtual_stain.gui.compare.modes import Mode
from napari_virtual_stain.gui.compare.subject import projected
from napari_virtual_stain.gui.compare.viewpoint import move_to, shown_index, words
from napari_virtual_stain.gui.compare.work import Surveyed, joined, survey_all

from .compare_helpers import add_pair, own, session_of, settings_of, stains

NAMES = [one.name for one in MAPS]


def layer_of(session, which):
    return session.scene.layer((which, session.shown.key))


def map_layer(session, name, part=""):
    return session.scene.layer((name, part, session.shown.key))


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("name", NAMES)
def test_every_view_leaves_no_trace(viewer, mode, name):
    for channel in ("DAPI", "MAP2"):
        add_pair(viewer, name=channel)
    viewer.layers[0].visible = False
    viewer.layers.selection.active = viewer.layers[1]
    before = settings_of(viewer)
    pixels = [layer.data.copy() for layer in viewer.layers]
    session = session_of(viewer)
    session.show(mode=mode, map_name=name)
    assert viewer.layers.selection.active == viewer.layers[1]
    session.close()
    assert settings_of(viewer) == before
    for layer, kept in zip(viewer.layers, pixels, strict=True):
        np.testing.assert_array_equal(layer.data, kept)


def test_a_flip_shows_one_after_the_other(viewer):
    add_pair(viewer)
    session = session_of(viewer)
    assert own(viewer) == ["DAPI observed"]
    session.flip()
    assert own(viewer) == ["DAPI predicted"]
    session.flip()
    assert own(viewer) == ["DAPI observed"]


def test_a_map_that_covers_is_the_third_of_a_flip(viewer):
    add_pair(viewer)
    session = session_of(viewer)
    session.show(map_name="absolute_error")
    seen = []
    for _ in range(4):
        seen.append(own(viewer)[0])
        session.flip()
    assert seen == ["DAPI absolute error", "DAPI observed", "DAPI predicted", "DAPI absolute error"]
    session.show(map_name="tolerance")
    assert "DAPI error above a tolerance" in own(viewer)
    session.flip()
    assert own(viewer) == ["DAPI error above a tolerance", "DAPI predicted"] or own(viewer) == [
        "DAPI error above a tolerance",
        "DAPI observed",
    ]


def test_both_are_shown_alike_and_stay_so(viewer):
    observed, _ = add_pair(viewer)
    session = session_of(viewer)
    first, second = layer_of(session, "observed"), layer_of(session, "predicted")
    limits = tuple(np.percentile(observed.data, (0.02, 99.8)))
    assert tuple(first.contrast_limits) == pytest.approx(limits)
    assert tuple(second.contrast_limits) == pytest.approx(limits)
    first.contrast_limits = (300, 900)
    assert list(second.contrast_limits) == [300, 900]
    session.show(mode=Mode.CURTAIN)
    assert list(layer_of(session, "curtain").contrast_limits) == [300, 900]
    session.show(mode=Mode.FLIP)
    assert list(layer_of(session, "observed").contrast_limits) == [300, 900]


def test_side_by_side_stands_in_columns_above_any_number_of_layers(viewer):
    for _ in range(3):
        viewer.add_image(np.zeros((48, 64)))
    add_pair(viewer)
    session = session_of(viewer)
    session.show(mode=Mode.SIDE)
    grid = viewer.canvas.grid

    def columns():
        layers = list(viewer.layers)
        return {
            layer.name.removeprefix("Compare: DAPI "): grid.position(i, layers)
            for i, layer in enumerate(layers)
            if layer.name.startswith("Compare") and layer.visible
        }

    assert grid.enabled
    assert columns() == {"observed": (0, 0), "predicted": (0, 1)}
    session.show(map_name="absolute_error")
    expected = {"observed": (0, 0), "predicted": (0, 1), "absolute error": (0, 2)}
    assert columns() == expected
    viewer.layers[0].visible = False
    session.arrange()
    assert columns() == expected
    session.show(mode=Mode.FLIP)
    assert not grid.enabled


def test_maps_are_those_of_the_library(viewer):
    observed, predicted = add_pair(viewer, (48, 64))
    session = session_of(viewer)
    (one,) = session.subjects
    expected = compare(one.observed, one.predicted)
    for name in ("observed_minus_predicted", "predicted_minus_observed", "absolute_error"):
        session.show(map_name=name)
        np.testing.assert_array_equal(
            np.asarray(map_layer(session, name).data), expected.errors[name].numpy()[0]
        )
    session.show(map_name="overlap")
    masks = {which: mask.numpy()[0] for which, mask in expected.masks.items()}
    np.testing.assert_array_equal(
        np.asarray(map_layer(session, "overlap").data),
        overlap_labels(masks["observed"], masks["predicted"]),
    )
    session.show(map_name="masks")
    for which, mask in masks.items():
        np.testing.assert_array_equal(np.asarray(map_layer(session, "masks", which).data), mask)
    session.show(map_name="clipped")
    clipped = np.asarray(map_layer(session, "clipped").data)
    inside = masks["predicted"] > 0
    np.testing.assert_array_equal(clipped[inside], observed.data[inside])
    assert (clipped[~inside] == int(session.shown.limits[0])).all()
    session.show(map_name="relative_error")
    np.testing.assert_allclose(
        np.asarray(map_layer(session, "relative_error").data),
        np.abs(observed.data.astype(np.float32) - predicted.data) / observed.data,
        rtol=1e-5,
    )


def test_the_three_errors_have_one_range(viewer):
    add_pair(viewer)
    session = session_of(viewer)
    limits = {}
    for name in ("observed_minus_predicted", "predicted_minus_observed", "absolute_error"):
        session.show(map_name=name)
        limits[name] = tuple(map_layer(session, name).contrast_limits)
    low, high = limits["observed_minus_predicted"]
    assert limits["predicted_minus_observed"] == (low, high)
    assert -low == high
    assert limits["absolute_error"] == (0, high)


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.3, 1.0])
def test_the_tolerance_is_a_part_of_the_displayed_range(viewer, tolerance):
    observed, predicted = add_pair(viewer, (48, 64))
    session = session_of(viewer)
    session.show(map_name="tolerance", tolerance=tolerance)
    low, high = session.shown.limits
    error = np.abs(observed.data.astype(np.float64) - predicted.data)
    np.testing.assert_array_equal(
        np.asarray(map_layer(session, "tolerance").data), error > tolerance * (high - low)
    )


@pytest.mark.parametrize("split", [0.0, 0.25, 0.5, 1.0])
def test_the_curtain_divides_the_plane(viewer, split):
    observed, predicted = add_pair(viewer)
    session = session_of(viewer)
    session.show(mode=Mode.CURTAIN)
    session.show(split=split)
    data = layer_of(session, "curtain").data
    data.line = 0
    at = round(64 * split)
    np.testing.assert_array_equal(np.asarray(data[1])[:, :at], observed.data[1, :, :at])
    np.testing.assert_array_equal(np.asarray(data[1])[:, at:], predicted.data[1, :, at:])
    np.testing.assert_array_equal(np.asarray(data[1:2, 3]), np.asarray(data[1:2])[:, 3])
    np.testing.assert_array_equal(np.asarray(data)[2, 5, :], np.asarray(data[2, 5]))


def test_the_line_of_the_curtain_can_be_taken_hold_of(viewer):
    add_pair(viewer, scale=(1, 0.5, 0.5))
    session = session_of(viewer)
    assert session.split_at((0, 0, 3)) is None
    session.show(mode=Mode.CURTAIN)
    assert session.split_at((0, 5, 8)) == pytest.approx((16 + 0.5) / 64)
    assert session.split_at((0, 5, -100)) == 0
    assert session.split_at((0, 5, 1000)) == 1


def test_a_match_changes_what_is_shown_as_predicted(viewer):
    _, predicted = add_pair(viewer)
    session = session_of(viewer, match="least-squares")
    gain, offset = session.survey.coefficients[0]
    assert gain != 1
    np.testing.assert_allclose(
        np.asarray(layer_of(session, "predicted").data), predicted.data * gain + offset, rtol=1e-5
    )


def test_matches_of_a_movie_hold_for_each_time_point(viewer):
    _, predicted = add_pair(viewer, (3, 2, 24, 32))
    session = session_of(viewer, match="z-score")
    data = layer_of(session, "predicted").data
    for time, (gain, offset) in enumerate(session.survey.coefficients):
        np.testing.assert_allclose(data[time, 1], predicted.data[time, 1] * gain + offset, 1e-5)


def test_merged_channels_have_their_colours(viewer):
    add_pair(viewer, name="DAPI", colormap="bop blue")
    add_pair(viewer, name="MAP2")
    session = session_of(viewer)
    session.show(mode=Mode.MERGED, turn=1)
    shown = [layer for layer in viewer.layers if layer.name.startswith("Compare") and layer.visible]
    assert {layer.name for layer in shown} == {
        "Compare: DAPI predicted",
        "Compare: MAP2 predicted",
    }
    by_name = {layer.name: layer.colormap.name for layer in shown}
    assert by_name["Compare: DAPI predicted"] == "bop blue"
    assert len(set(by_name.values())) == 2
    assert [layer.blending for layer in shown] == ["translucent_no_depth", "additive"]


def test_planes_are_projected(viewer):
    observed, predicted = add_pair(viewer, (2, 4, 24, 32))
    session = session_of(viewer)
    for event in survey_all(session.subjects, "none", flat=True):
        if isinstance(event, Surveyed):
            session.add_survey(0, event.survey, flat=True)
        elif hasattr(event, "subject"):
            session.add_projection(event.channel, event.subject)
    session.project(True)
    layer = layer_of(session, "observed")
    np.testing.assert_array_equal(np.asarray(layer.data)[:, 0], observed.data.max(1))
    flat = run(projected(session.subjects[0]))
    np.testing.assert_array_equal(flat.predicted.numpy(), predicted.data.max(1))
    assert session.survey.whole.scores(session.survey.scale)["pearson_r"] == pytest.approx(
        np.corrcoef(observed.data.max(1).ravel(), predicted.data.max(1).ravel())[0, 1]
    )
    session.project(False)
    np.testing.assert_array_equal(layer_of(session, "observed").data, observed.data)


def test_where_the_sliders_stand(viewer):
    add_pair(viewer, (3, 4, 24, 32), scale=(1, 2, 0.5, 0.5), translate=(0, 10, 0, 0))
    session = session_of(viewer)
    place = session.shown.subject.place
    move_to(viewer, place, {"T": 2, "Z": 1})
    assert shown_index(viewer, place) == {"T": 2, "Z": 1}
    assert words(session.index(), place) == "plane 2 of 4, time point 3 of 3"
    viewer.dims.ndisplay = 3
    assert session.index() == {"T": 2}
    assert words(session.index(), place) == "the volume, time point 3 of 3"
    viewer.dims.ndisplay = 2
    viewer.dims.order = (0, 2, 1, 3)
    assert set(session.index()) == {"T", "Y"}


def test_a_region_holds_for_every_plane(viewer):
    add_pair(viewer, scale=(1, 0.5, 0.5))
    session = session_of(viewer)
    shapes = viewer.add_shapes(
        [np.array([[2, 4], [2, 12], [10, 12], [10, 4]], float)], shape_type="rectangle"
    )
    region = region_mask(session.shown.subject, session.index(), session.outlines(shapes))
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    assert (rows[0], rows[-1]) == (4, 20)
    assert (columns[0], columns[-1]) == (8, 24)
    viewer.dims.ndisplay = 3
    region = region_mask(session.shown.subject, session.index(), session.outlines(shapes))
    assert region.shape == (4, 48, 64)


def test_layers_that_are_removed_meanwhile(viewer):
    first, second = add_pair(viewer)
    session = session_of(viewer)
    viewer.layers.remove(first)
    viewer.layers.remove(layer_of(session, "observed"))
    session.flip()
    session.flip()
    assert own(viewer) == ["DAPI observed"]
    session.close()
    assert list(viewer.layers) == [second]


def test_what_a_person_adds_stays_on_top(viewer):
    add_pair(viewer)
    session = session_of(viewer)
    points = viewer.add_points(np.zeros((1, 2)))
    session.show(mode=Mode.OVERLAY, map_name="absolute_error")
    assert viewer.layers[-1] == points
    session.close()
    assert viewer.layers[-1] == points


def test_all_pairs_as_images(viewer):
    add_pair(viewer, (2, 3, 24, 32), name="DAPI", seed=0)
    add_pair(viewer, (2, 3, 24, 32), name="MAP2", seed=1)
    session = session_of(viewer)
    observed, predicted = joined(session.subjects)
    assert (observed.axes, observed.shape) == ("TCZYX", (2, 2, 3, 24, 32))
    assert set(observed.channels) == {"DAPI", "MAP2"}
    plane, _ = joined(session.subjects, {"T": 1, "Z": 2})
    assert (plane.axes, plane.shape) == ("CYX", (2, 24, 32))
    np.testing.assert_array_equal(plane.numpy(), observed.numpy()[1, :, 2])
    assert predicted.dtype == np.float32


def test_lazy_layers_stay_lazy(viewer):
    da = pytest.importorskip("dask.array")
    observed, predicted = stains((6, 48, 64))
    read = []

    def plane(block, block_info=None):
        read.append(block_info[0]["chunk-location"])
        return block

    lazy = [
        da.from_array(one, chunks=(1, 48, 64)).map_blocks(plane, dtype=one.dtype)
        for one in (observed, predicted)
    ]
    for one, name in zip(lazy, ("DAPI", "DAPI predicted"), strict=True):
        viewer.add_image(one, name=name, axis_labels="zyx", contrast_limits=(0, 4000))
    session = session_of(viewer)
    session.show(map_name="absolute_error")
    read.clear()
    viewer.dims.set_current_step(0, 4)
    assert {location[0] for location in read} == {4}
    np.testing.assert_allclose(
        map_layer(session, "absolute_error").data[4],
        np.abs(observed[4].astype(np.float32) - predicted[4]),
    )
