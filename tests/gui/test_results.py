"""Predictions and comparisons as layers: new ones, updated ones, and those left alone."""

from __future__ import annotations

import json
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from napari_virtual_stain.evaluation import compare
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.layers import read_layer
from napari_virtual_stain.gui.result_layers import Stored
from napari_virtual_stain.gui.result_maps import MASK_COLORS, add_comparison, add_masks
from napari_virtual_stain.gui.results import add_prediction, is_result
from napari_virtual_stain.image import Image
from napari_virtual_stain.model import InputSpec, ModelSpec, NetworkSpec, OutputSpec

SPEC = ModelSpec(
    name="small",
    network=NetworkSpec(name="fnet"),
    inputs=[InputSpec(name="phase", planes=5)],
    outputs=[
        OutputSpec(name="DAPI", colormap="bop blue"),
        OutputSpec(name="MAP2", colormap="green"),
    ],
)


def predicted(seed=0, digest="abc", channel="phase", axes="CYX", shape=(2, 20, 30)):
    return Image(
        np.random.default_rng(seed).normal(100, 10, shape).astype(np.float32),
        axes,
        channels=["DAPI", "MAP2"],
        name="phase predicted",
        provenance={"model": "small", "model_sha256": digest, "source_channels": [channel]},
    )


@pytest.fixture
def stack(viewer):
    """Return a layer that a model has taken the planes of."""
    return viewer.add_image(
        np.zeros((5, 20, 30), np.uint16),
        name="phase",
        axis_labels="zyx",
        scale=(2, 0.5, 0.5),
        translate=(10, 20, 30),
        units="um",
    )


@pytest.fixture
def observed(viewer):
    """Return an observed layer for each output."""
    rng = np.random.default_rng(5)
    return [
        viewer.add_image(rng.poisson(100, (20, 30)).astype(np.uint16), name=name)
        for name in ("DAPI", "MAP2")
    ]


def compared(observed, image=None):
    stacked = Image(np.stack([layer.data for layer in observed]), "CYX", channels=["DAPI", "MAP2"])
    return compare(stacked, image or predicted())


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_each_output_is_a_layer_above_the_input(viewer, stack):
    image = predicted()
    layers = add_prediction(viewer, image, [stack], SPEC)
    # The layer list reads from the top.
    assert names(viewer)[::-1] == ["DAPI predicted", "MAP2 predicted", "phase"]
    assert [layer.colormap.name for layer in layers] == ["bop blue", "green"]
    for position, layer in enumerate(layers):
        np.testing.assert_array_equal(layer.data, image.data[position])
        assert layer.visible
        assert is_result(layer)
    assert not is_result(stack)


def test_the_lowest_covers_what_is_below_and_the_others_are_added(viewer, stack):
    layers = add_prediction(viewer, predicted(), [stack], SPEC)
    assert [layer.blending for layer in layers] == ["additive", "translucent_no_depth"]
    viewer.layers.remove(layers[1])
    (_, again) = add_prediction(viewer, predicted(), [stack], SPEC)
    assert again.blending == "additive"


def test_it_lies_where_the_input_lies(viewer, stack):
    layers = add_prediction(viewer, predicted(), [stack], SPEC)
    for layer in layers:
        assert layer.scale.tolist() == [0.5, 0.5]
        assert layer.translate.tolist() == [20, 30]
        assert layer.units == stack.units[1:]
        assert layer.axis_labels == ("y", "x")


def test_contrast_is_that_of_the_pixels_unless_it_is_given(viewer, stack):
    image = predicted()
    given = {"MAP2": (5.0, 7.0)}
    dapi, map2 = add_prediction(viewer, image, [stack], SPEC, limits=given)
    low, high = np.percentile(image.data[0], (0.02, 99.8))
    assert dapi.contrast_limits == pytest.approx([low, high], rel=1e-5)
    assert map2.contrast_limits == [5, 7]


def test_metadata_tell_where_it_comes_from(viewer, stack):
    layer = add_prediction(viewer, predicted(), [stack], SPEC)[0]
    ours = layer.metadata[METADATA]
    assert ours["channels"] == ["DAPI"]
    assert ours["provenance"]["model_sha256"] == "abc"
    json.dumps(ours)
    # As it is read again: by this plugin, as an input or by the writer.
    assert read_layer(layer).image.channels == ("DAPI",)


@pytest.mark.parametrize(
    ("colormap", "expected"), [("gray", "bop blue"), ("no such map", "bop blue"), ("red", "red")]
)
def test_a_colormap_that_says_nothing_is_replaced(viewer, stack, colormap, expected):
    spec = SPEC.model_copy(
        update={"outputs": [OutputSpec(name="DAPI", colormap=colormap), SPEC.outputs[1]]}
    )
    assert add_prediction(viewer, predicted(), [stack], spec)[0].colormap.name == expected


def test_the_same_again_updates_in_place(viewer, stack):
    first = add_prediction(viewer, predicted(0), [stack], SPEC)
    viewer.layers.move(viewer.layers.index(first[0]), 0)
    first[0].contrast_limits, first[0].colormap = (1, 2), "red"
    first[0].name, first[1].visible = "my favourite", False
    stack.scale, stack.name = (2, 0.25, 0.25), "renamed"
    again = add_prediction(viewer, predicted(1), [stack], SPEC)
    assert again == first
    assert names(viewer) == ["my favourite", "renamed", "MAP2 predicted"]
    assert first[0].contrast_limits == [1, 2]
    assert first[0].colormap.name == "red"
    assert not first[1].visible
    assert first[0].scale.tolist() == [0.25, 0.25]
    np.testing.assert_array_equal(first[0].data, predicted(1).data[0])
    # The name that the user gave is not taken for ours.
    assert first[0].metadata[METADATA]["layer"] == "DAPI predicted"


@pytest.mark.parametrize(
    "other", [{"digest": "def"}, {"channel": "another"}], ids=["model", "channel"]
)
def test_another_model_or_channel_gets_its_own_layers(viewer, stack, other):
    first = add_prediction(viewer, predicted(), [stack], SPEC)
    second = add_prediction(viewer, predicted(1, **other), [stack], SPEC)
    assert not set(first) & set(second)
    np.testing.assert_array_equal(first[0].data, predicted().data[0])


def test_another_input_gets_its_own_layers(viewer, stack):
    twin = viewer.add_image(stack.data, name="phase", axis_labels="zyx")
    first = add_prediction(viewer, predicted(), [stack], SPEC)
    second = add_prediction(viewer, predicted(1), [twin], SPEC)
    assert len(viewer.layers) == 6
    assert not set(first) & set(second)


def test_layers_of_the_user_are_left_alone(viewer, stack):
    mine = viewer.add_image(np.ones((20, 30)), name="DAPI predicted")
    first = add_prediction(viewer, predicted(), [stack], SPEC)[0]
    copy = viewer.add_layer(type(first).create(*first.as_layer_data_tuple()))
    assert not is_result(copy)
    viewer.layers.remove(first)
    second = add_prediction(viewer, predicted(1), [stack], SPEC)[0]
    assert second not in (first, copy, mine)
    np.testing.assert_array_equal(mine.data, 1)
    np.testing.assert_array_equal(copy.data, predicted(0).data[0])


def test_time_stays_where_it_is_when_planes_are_gone(viewer):
    movie = viewer.add_image(np.zeros((3, 5, 20, 30)), axis_labels="tzyx", scale=(1, 2, 1, 1))
    image = predicted(axes="TCYX", shape=(3, 2, 20, 30))
    layer = add_prediction(viewer, image, [movie], SPEC)[0]
    assert layer.data.shape == (3, 1, 20, 30)
    assert layer.axis_labels == ("t", "z", "y", "x")
    for plane in range(5):
        point = movie.data_to_world([2, plane, 3, 4])
        assert np.rint(layer.world_to_data(point)).tolist() == [2, 0, 3, 4]


def test_an_unusual_order_of_axes_is_kept(viewer):
    layer = viewer.add_image(np.zeros((5, 2, 20, 30)), axis_labels="zcyx", scale=(2, 1, 1, 1))
    image = predicted(axes="CZYX", shape=(2, 5, 20, 30))
    result = add_prediction(viewer, image, [layer], SPEC)[0]
    assert result.data.shape == (5, 1, 20, 30)
    np.testing.assert_array_equal(result.data[:, 0], image.data[0])


def test_error_maps_and_masks_are_hidden_above_the_predictions(viewer, stack, observed):
    layers = add_prediction(viewer, predicted(), [stack], SPEC)
    comparison = compared(observed)
    added = add_comparison(viewer, comparison, observed, layers, {"errors", "masks"})
    assert [layer.name for layer in added] == [
        "DAPI observed − predicted",
        "DAPI predicted − observed",
        "DAPI absolute error",
        "MAP2 observed − predicted",
        "MAP2 predicted − observed",
        "MAP2 absolute error",
        "DAPI observed mask",
        "DAPI predicted mask",
        "MAP2 observed mask",
        "MAP2 predicted mask",
    ]
    assert not any(layer.visible for layer in added)
    top = names(viewer)[::-1]
    assert top[0] == "DAPI observed mask"
    assert top[6] == "DAPI absolute error"
    assert top[10:12] == ["DAPI predicted", "MAP2 predicted"]
    for layer in added:
        assert layer.scale.tolist() == [0.5, 0.5]
        assert layer.translate.tolist() == [20, 30]
    expected = comparison.errors["absolute_error"].channel("MAP2").data
    np.testing.assert_array_equal(added[5].data, expected)


def test_no_error_is_black_and_both_signs_have_one_range(viewer, stack, observed):
    layers = add_prediction(viewer, predicted(), [stack], SPEC)
    signed, mirrored, absolute, *_ = add_comparison(
        viewer, compared(observed), observed, layers, {"errors"}
    )
    low, high = signed.contrast_limits
    assert low == -high
    assert mirrored.contrast_limits == [low, high]
    assert absolute.contrast_limits == [0, high]
    zero = signed.colormap.map(np.array([0.5]))[0]
    assert zero[:3].tolist() == [0, 0, 0]


def test_masks_are_outlines_of_two_colours(viewer, stack, observed):
    layers = add_prediction(viewer, predicted(), [stack], SPEC)
    comparison = compared(observed)
    masks = add_comparison(viewer, comparison, observed, layers, {"masks"})
    np.testing.assert_array_equal(masks[0].data, comparison.masks["observed"].channel("DAPI").data)
    colours = {tuple(layer.colormap.map(np.array([1]))[0]) for layer in masks}
    assert len(colours) == len(MASK_COLORS) == 2
    assert all(layer.contour > 0 for layer in masks)
    assert masks[0].metadata[METADATA]["provenance"]["labels"] is True


def test_comparing_again_updates_in_place(viewer, stack, observed):
    layers = add_prediction(viewer, predicted(), [stack], SPEC)
    kinds = {"errors", "masks"}
    first = add_comparison(viewer, compared(observed), observed, layers, kinds)
    first[0].visible = True
    image = predicted(1)
    add_prediction(viewer, image, [stack], SPEC)
    comparison = compared(observed, image)
    again = add_comparison(viewer, comparison, observed, layers, kinds)
    assert again == first
    assert first[0].visible
    expected = comparison.errors["observed_minus_predicted"].channel("DAPI").data
    np.testing.assert_array_equal(first[0].data, expected)


def test_another_observed_layer_gets_its_own_errors_and_the_mask_of_the_prediction_stays(
    viewer, stack, observed
):
    layers = add_prediction(viewer, predicted(), [stack], SPEC)
    kinds = {"errors", "masks"}
    first = add_comparison(viewer, compared(observed), observed, layers, kinds)
    others = [viewer.add_image(layer.data + 7) for layer in observed]
    second = add_comparison(viewer, compared(others), others, layers, kinds)
    shared = {layer.name for layer in set(first) & set(second)}
    assert shared == {"DAPI predicted mask", "MAP2 predicted mask"}


def test_masks_without_an_observed_image(viewer, stack):
    layers = dict(
        zip(("DAPI", "MAP2"), add_prediction(viewer, predicted(), [stack], SPEC), strict=True)
    )
    masks = {name: Image(np.ones((20, 30), np.uint8), "YX", channels=[name]) for name in layers}
    first = add_masks(viewer, masks, layers)
    assert [layer.name for layer in first] == ["DAPI predicted mask", "MAP2 predicted mask"]
    assert add_masks(viewer, masks, layers) == first


def test_layers_that_are_not_ours_can_be_compared(viewer, observed):
    layers = [viewer.add_image(predicted().data[i], scale=(3, 3)) for i in range(2)]
    added = add_comparison(viewer, compared(observed), observed, layers, {"errors"})
    assert added[0].scale.tolist() == [3, 3]
    again = add_comparison(viewer, compared(observed), observed, layers, {"errors"})
    assert again == added


def test_a_prediction_of_a_simulated_specimen_is_called_simulated(viewer, stack):
    image = predicted()
    image = image.replace(provenance={**image.provenance, "simulated": True})
    layers = add_prediction(viewer, image, [stack], SPEC)
    names = [layer.name for layer in layers]
    assert names == ["simulated DAPI predicted", "simulated MAP2 predicted"]


def pyramid(image, folder="a"):
    """Return an image as it comes from the disk, and where it is."""
    full = image.replace(data=da.from_array(image.data, chunks=8))
    half = full.replace(data=full.data[..., ::2, ::2])
    return full, Stored(Path(folder) / "phase.predicted.ome.zarr", (half,))


def test_what_is_on_disk_is_shown_from_there(viewer, stack):
    image, stored = pyramid(predicted())
    layers = add_prediction(viewer, image, [stack], SPEC, stored=stored)
    for position, layer in enumerate(layers):
        assert layer.multiscale
        assert [type(level) for level in layer.data] == [da.Array, da.Array]
        np.testing.assert_array_equal(np.asarray(layer.data[0]), image.data[position])
        low, high = np.percentile(np.asarray(layer.data[1]), (0.02, 99.8))
        assert layer.contrast_limits == pytest.approx([low, high], rel=1e-5)
        assert layer.metadata[METADATA]["file"] == str(stored.path)
        assert layer.scale.tolist() == [0.5, 0.5]
        assert read_layer(layer).image.shape == (20, 30)
        json.dumps(layer.metadata[METADATA])


def test_a_layer_that_cannot_hold_the_new_pixels_is_exchanged_for_one_with_its_looks(viewer, stack):
    first = add_prediction(viewer, predicted(), [stack], SPEC)[0]
    first.colormap, first.visible, first.name = "red", False, "mine"
    viewer.layers.selection.active = first
    order = names(viewer)
    image, stored = pyramid(predicted(1))
    second = add_prediction(viewer, image, [stack], SPEC, stored=stored)[0]
    assert names(viewer) == order
    assert viewer.layers.selection.active is second is not first
    assert (second.colormap.name, second.visible) == ("red", False)
    assert second.contrast_limits == first.contrast_limits
    stack.rotate = 90
    third = add_prediction(viewer, predicted(2), [stack], SPEC)[0]
    assert names(viewer) == order
    assert not third.multiscale
    assert third.metadata[METADATA]["file"] is None
    np.testing.assert_allclose(third.rotate, [[0, -1], [1, 0]], atol=1e-12)
    stack.rotate = 0
    fourth = add_prediction(viewer, image, [stack], SPEC, stored=stored)[0]
    np.testing.assert_allclose(fourth.rotate, np.eye(2), atol=1e-12)


def test_as_many_resolutions_are_updated_in_place(viewer, stack):
    image, stored = pyramid(predicted())
    first = add_prediction(viewer, image, [stack], SPEC, stored=stored)[0]
    image, stored = pyramid(predicted(1), "b")
    assert add_prediction(viewer, image, [stack], SPEC, stored=stored)[0] is first
    np.testing.assert_array_equal(np.asarray(first.data[0]), image.data[0])
    assert first.metadata[METADATA]["file"] == str(stored.path)
