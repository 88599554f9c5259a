"""Layers as images: axes, voxel size, channels, and what is refused."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.layers import axes_choices, describe_axes, image_layers, read_layer

SHAPES = {2: (20, 30), 3: (5, 20, 30), 4: (2, 5, 20, 30), 5: (2, 3, 5, 20, 30)}


def zeros(ndim):
    return np.zeros(SHAPES[ndim], np.uint16)


def texts(source):
    return " ".join(notice.text for notice in source.notices)


@pytest.mark.parametrize(
    ("labels", "axes"),
    [
        (("y", "x"), "YX"),
        (("t", "y", "x"), "TYX"),
        (("Time", "Y", "X"), "TYX"),
        (("c", "y", "x"), "CYX"),
        (("channel", "depth", "y", "x"), "CZYX"),
        (("t", "c", "z", "y", "x"), "TCZYX"),
    ],
)
def test_axis_labels_are_believed(viewer, labels, axes):
    layer = viewer.add_image(zeros(len(labels)), axis_labels=labels)
    source = read_layer(layer)
    assert (source.axes, source.image.axes, source.notices) == (axes, axes, ())


def test_other_orders_are_brought_into_order_and_stay_lazy(viewer):
    data = da.from_array(np.arange(3 * 4 * 5 * 6).reshape(3, 4, 5, 6), chunks=(1, 4, 5, 6))
    layer = viewer.add_image(data, axis_labels=("z", "c", "y", "x"), name="stack")
    source = read_layer(layer)
    assert (source.axes, source.image.axes) == ("ZCYX", "CZYX")
    assert isinstance(source.image.data, da.Array)
    np.testing.assert_array_equal(source.image.channel(1).numpy(), np.asarray(data)[:, 1])


@pytest.mark.parametrize(("ndim", "axes"), [(2, "YX"), (3, "ZYX"), (5, "TCZYX")])
def test_axes_without_labels_follow_from_their_number(viewer, ndim, axes):
    assert read_layer(viewer.add_image(zeros(ndim))).axes == axes


def test_three_axes_without_labels_are_a_stack_and_it_is_said(viewer):
    layer = viewer.add_image(zeros(3), name="cells")
    assert "cells have no names: it is taken as a z-stack of 5 planes" in texts(read_layer(layer))


def test_a_chosen_order_goes_before_the_assumed_one(viewer):
    layer = viewer.add_image(zeros(3))
    assert axes_choices(layer) == ("ZYX", "TYX", "CYX")
    source = read_layer(layer, "CYX")
    assert source.image.axes == "CYX"
    assert source.notices == ()


def test_four_axes_without_labels_must_be_chosen(viewer):
    layer = viewer.add_image(zeros(4), name="movie")
    with pytest.raises(VirtualStainError, match=r"movie .*cannot be told apart; choose its axes"):
        read_layer(layer)
    assert read_layer(layer, "TZYX").image.axes == "TZYX"


def test_labels_of_some_axes_narrow_the_choice(viewer):
    movie = viewer.add_image(zeros(4), axis_labels=("t", "-3", "y", "x"))
    assert axes_choices(movie) == ("TZYX", "TCYX")
    stack = viewer.add_image(zeros(3), axis_labels=("z", "-2", "-1"))
    assert axes_choices(stack) == ("ZYX",)


def test_axes_with_one_position_need_not_be_told_apart(viewer):
    layer = viewer.add_image(np.zeros((1, 1, 20, 30)))
    assert read_layer(layer).image.sizes["Y"] == 20


@pytest.mark.parametrize("labels", [("z", "c", "t"), ("y", "y", "x"), ("x", "-2", "-1")])
def test_labels_that_contradict_are_refused(viewer, labels):
    layer = viewer.add_image(zeros(3), axis_labels=labels, name="odd")
    with pytest.raises(VirtualStainError, match=r"axes of odd .* cannot be told apart"):
        read_layer(layer)


def test_rgb_is_refused(viewer):
    layer = viewer.add_image(np.zeros((20, 30, 3), np.uint8), rgb=True, name="photo")
    with pytest.raises(VirtualStainError, match=r"photo is an RGB image.*Split RGB"):
        read_layer(layer)


def test_labels_and_points_are_refused(viewer):
    labels = viewer.add_labels(np.zeros((20, 30), int), name="nuclei")
    points = viewer.add_points(np.zeros((1, 2)), name="spots")
    with pytest.raises(VirtualStainError, match="nuclei is a labels layer and not an image"):
        read_layer(labels)
    with pytest.raises(VirtualStainError, match="spots is a points layer"):
        read_layer(points)


def test_of_a_multiscale_layer_level_0_is_taken(viewer):
    levels = [np.zeros((64, 48)), np.zeros((32, 24))]
    assert read_layer(viewer.add_image(levels, multiscale=True)).image.shape == (64, 48)


def test_lazy_pixels_stay_lazy(viewer):
    dask = da.zeros((64, 48), chunks=(32, 24))
    assert read_layer(viewer.add_image(dask)).image.data is dask
    stored = zarr.zeros((64, 48), chunks=(32, 24))
    source = read_layer(viewer.add_image(stored))
    assert not isinstance(source.image.data, np.ndarray)


@pytest.mark.parametrize(
    ("units", "scale", "expected"),
    [
        (("um", "um", "um"), (2, 0.5, 0.25), {"Z": 2, "Y": 0.5, "X": 0.25}),
        (("um", "nm", "nm"), (2, 500, 250), {"Z": 2, "Y": 0.5, "X": 0.25}),
        (("mm", "mm", "mm"), (0.002, 0.0005, 0.00025), {"Z": 2, "Y": 0.5, "X": 0.25}),
        (("pixel", "pixel", "pixel"), (1, 1, 1), {}),
        (("pixel", "um", "um"), (1, 0.5, 0.25), {"Y": 0.5, "X": 0.25}),
        (("um", "um", "um"), (-2, 0.5, 0.25), {"Z": 2, "Y": 0.5, "X": 0.25}),
    ],
)
def test_voxel_size_is_scale_times_units(viewer, units, scale, expected):
    layer = viewer.add_image(zeros(3), axis_labels="zyx", units=units, scale=scale)
    source = read_layer(layer)
    assert dict(source.image.voxel_size) == pytest.approx(expected)
    assert "no unit" not in texts(source)


def test_a_scale_without_a_unit_is_taken_as_micrometres_and_it_is_said(viewer):
    layer = viewer.add_image(zeros(3), axis_labels="zyx", scale=(3, 1, 1), name="stack")
    source = read_layer(layer)
    assert dict(source.image.voxel_size) == {"Z": 3}
    assert "the scale of stack along Z (3) has no unit and is taken as µm" in texts(source)


def test_time_step(viewer):
    layer = viewer.add_image(
        zeros(3), axis_labels="tyx", scale=(2, 1, 1), units=("minute", "pixel", "pixel")
    )
    assert read_layer(layer).image.time_step == 120


def test_channels_are_named_by_the_metadata_or_numbered(viewer):
    named = viewer.add_image(
        np.zeros((2, 20, 30)),
        axis_labels="cyx",
        metadata={METADATA: {"channels": ["DAPI", "phase"]}},
    )
    assert read_layer(named).image.channels == ("DAPI", "phase")
    plain = viewer.add_image(np.zeros((2, 20, 30)), axis_labels="cyx")
    assert read_layer(plain).image.channels == ("channel 1", "channel 2")
    foreign = viewer.add_image(zeros(2), metadata={METADATA: "something"})
    assert read_layer(foreign).image.channels == ()


def test_nothing_is_changed(viewer):
    layer = viewer.add_image(zeros(3), scale=(2, 1, 1), metadata={"mine": 1})
    read_layer(layer, "TYX")
    assert layer.metadata == {"mine": 1}
    assert layer.axis_labels == ("-3", "-2", "-1")


def test_image_layers_are_listed_from_the_top(viewer):
    below, above = viewer.add_image(zeros(2)), viewer.add_image(zeros(2))
    viewer.add_labels(np.zeros((20, 30), int))
    assert image_layers(viewer.layers) == [above, below]


def test_orders_are_described():
    assert describe_axes("TZYX") == "TZYX (time points, z-stack)"
    assert describe_axes("YX") == "YX"
