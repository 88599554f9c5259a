"""Image → layer data → image: nothing is lost on the way, and what cannot go is said."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.evaluation.display import sampled_limits
from napari_virtual_stain.gui.from_layer_data import image_of_layers, layer_axes
from napari_virtual_stain.gui.layer_data import (
    LABELS,
    METADATA,
    colormaps,
    layer_data,
    layer_name,
)
from napari_virtual_stain.image import Image

MICROMETRES = {"Z": 1.5, "Y": 0.25, "X": 0.25}


def image(axes="CZYX", dtype="u2", **changes):
    """Return an image with different pixels everywhere."""
    shape = tuple({"T": 3, "C": 2, "Z": 4, "Y": 6, "X": 5}[axis] for axis in axes)
    voxel_size = {axis: size for axis, size in MICROMETRES.items() if axis in axes}
    options = {"voxel_size": voxel_size, "channels": ("DAPI", "MAP2"), "name": "well", **changes}
    return Image(np.arange(np.prod(shape)).reshape(shape).astype(dtype), axes, **options)


def layers_of(image):
    """Return an image's layers as napari makes them, without a window."""
    return [Layer.create(*layer) for layer in layer_data(image)]


def image_of(layers, name="well"):
    """Return what a writer makes of layers."""
    return image_of_layers([layer.as_layer_data_tuple()[:2] for layer in layers], name)


def layer(shape=(4, 6, 5), **attributes):
    """Return one layer of an image that nobody has read through us."""
    attributes.setdefault("axis_labels", tuple("zyx"[-len(shape) :]))
    return ImageLayer(np.arange(np.prod(shape), dtype="u2").reshape(shape), **attributes)


# --- Image → layer data


def test_each_channel_is_a_layer_with_scale_units_and_labels():
    dapi, map2 = layers_of(image("TCZYX", time_step=30.0))
    assert [dapi.name, map2.name] == ["well: DAPI", "well: MAP2"]
    for one in (dapi, map2):
        assert one.data.shape == (3, 4, 6, 5)
        assert tuple(one.scale) == (30.0, 1.5, 0.25, 0.25)
        assert [str(unit) for unit in one.units] == ["second", *["micrometer"] * 3]
        assert one.axis_labels == ("t", "z", "y", "x")
    np.testing.assert_array_equal(map2.data, image("TCZYX").data[:, 1])


def test_what_is_unknown_is_one_pixel():
    (one,) = layers_of(Image(np.ones((3, 4, 6, 5)), "TZYX", voxel_size={"Y": 0.5, "X": 0.5}))
    assert tuple(one.scale) == (1.0, 1.0, 0.5, 0.5)
    assert [str(unit) for unit in one.units] == ["pixel", "pixel", "micrometer", "micrometer"]


def test_stack_and_plane_of_one_specimen_have_consistent_units():
    viewer = ViewerModel()
    for one in [*layer_data(image("ZYX", channels=["phase"])), *layer_data(image("CYX"))]:
        viewer._add_layer_from_data(*one)
    assert [str(unit) for unit in viewer.layers.extent.units] == ["micrometer"] * 3


def test_metadata_say_what_was_read():
    origin = {"model": "m", "licence": "CC0"}
    (_, attributes, _), _ = layer_data(image(provenance=origin))
    assert attributes["metadata"][METADATA] == {
        "layer": "well: DAPI",
        "channels": ["DAPI"],
        "provenance": origin,
        "voxel_size": MICROMETRES,
    }


@pytest.mark.parametrize(
    ("image_name", "channel", "name"),
    [
        ("well", "DAPI", "well: DAPI"),
        ("phase", "", "phase"),
        ("phase", "Phase", "phase"),
        ("cells: brightfield", "brightfield", "cells: brightfield"),
    ],
)
def test_the_name_says_nothing_twice(image_name, channel, name):
    assert layer_name(image_name, channel) == name


@pytest.mark.parametrize(
    ("names", "maps"),
    [
        (["DAPI", "MAP2", "NFH"], ["bop blue", "green", "magenta"]),
        (["LaminB1", "Hoechst 33342"], ["green", "bop blue"]),
        (["BF_1", "nuclei"], ["gray", "bop blue"]),
        (["TL Brightfield", "Phase contrast", "DIC", "T-PMT"], ["gray"] * 4),
        ([""], ["gray"]),
        (["a", "b", "c", "d", "e"], ["green", "magenta", "yellow", "cyan", "green"]),
        (["telephone", "bfp"], ["green", "magenta"]),
    ],
)
def test_colormaps_follow_the_names(names, maps):
    assert colormaps(names) == maps


def test_transmitted_light_lies_below_what_shines():
    below, above = layers_of(image(channels=["GFP", "brightfield"]))
    assert (below.name, below.blending, below.colormap.name) == (
        "well: brightfield",
        "translucent_no_depth",
        "gray",
    )
    assert (above.name, above.blending, above.colormap.name) == ("well: GFP", "additive", "green")
    assert below.opacity < above.opacity == 1


def test_transmitted_light_alone_is_bright():
    assert layers_of(image("ZYX", channels=["brightfield"]))[0].opacity == 1


def test_no_more_channels_shine_at_first_than_can_be_told_apart():
    many = Image(np.zeros((6, 4, 4)), "CYX", channels=["phase", "a", "b", "c", "d", "e"])
    assert [one.visible for one in layers_of(many)] == [True] * 4 + [False] * 2


def test_labels_come_back_as_labels():
    (one,) = layers_of(image("ZYX", "u4", channels=["cells"], provenance={LABELS: True}))
    assert isinstance(one, Labels)
    assert one.data.dtype == "u4"


def test_narrow_image_is_not_in_colour():
    (one,) = layers_of(Image(np.zeros((8, 7, 3), "u1"), "ZYX"))
    assert not one.rgb
    assert one.ndim == 3


def test_pixels_stay_where_they_are():
    source = image()
    assert all(np.shares_memory(one.data, source.data) for one in layers_of(source))


def test_contrast_limits_of_a_lazy_image_read_little_of_it():
    read = []

    def plane(block_id):
        read.append(block_id)
        return np.full((1, 1, 512, 512), block_id[1], "u2")

    chunks = ((1,) * 40, (1,) * 41, (512,) * 8, (512,) * 8)
    lazy = da.map_blocks(plane, chunks=chunks, dtype="u2", meta=np.empty((0,) * 4, "u2"))
    ((data, attributes, _),) = layer_data(Image(lazy, "TZYX"))
    assert isinstance(data, da.Array)
    assert len(read) <= 9 * 9
    assert attributes["contrast_limits"] == (10.0, 30.0)


@pytest.mark.parametrize(
    ("pixels", "limits"),
    [
        (np.full((4, 4), 7, "u2"), (7.0, 8.0)),
        (np.full((4, 4), np.nan), (0.0, 1.0)),
        (np.array([[0.0, np.inf], [np.nan, 2.0]]), (0.0, 2.0)),
        (np.eye(4, dtype=bool), (0.0, 1.0)),
    ],
)
def test_contrast_limits_of_odd_pixels(pixels, limits):
    assert sampled_limits(Image(pixels, "YX")) == pytest.approx(limits, abs=0.01)


# --- Layer data → image


@given(
    axes=st.sampled_from(["YX", "ZYX", "TYX", "CYX", "TCYX", "CZYX", "TCZYX"]),
    dtype=st.sampled_from(["u1", "u2", "i4", "f4", "f8"]),
    known=st.sets(st.sampled_from("ZYX")),
    time_step=st.none() | st.floats(0.01, 1e4),
    channels=st.lists(st.sampled_from(["DAPI", "a", "ß", "GFP [1]"]), min_size=2, unique=True),
)
def test_an_image_comes_back_as_it_was(axes, dtype, known, time_step, channels):
    given_ = image(
        axes,
        dtype,
        voxel_size={axis: MICROMETRES[axis] for axis in known & set(axes)},
        channels=channels[:2] if "C" in axes else channels[:1],
        time_step=time_step if "T" in axes else None,
        provenance={"model": {"name": "m"}},
    )
    back = image_of(layers_of(given_))
    assert (back.axes, back.dtype, back.name) == (given_.axes, given_.dtype, given_.name)
    assert back.channels == given_.channels
    assert back.voxel_size == pytest.approx(dict(given_.voxel_size))
    assert back.time_step == pytest.approx(given_.time_step)
    assert back.provenance == given_.provenance
    np.testing.assert_array_equal(back.data, given_.data)


def test_unnamed_channel_stays_unnamed():
    assert image_of(layers_of(image("ZYX", channels=()))).channels == ()


def test_renamed_layer_renames_its_channel():
    dapi, map2 = layers_of(image())
    dapi.name, map2.name = "nuclei", "well: MAP2 [1]"
    assert image_of([dapi, map2]).channels == ("nuclei", "MAP2")


def test_channels_of_the_same_name_are_called_as_their_layers():
    layers = layers_of(image("ZYX", channels=["DAPI"])) + layers_of(
        image("ZYX", channels=["DAPI"], name="other")
    )
    assert image_of(layers).channels == ("well: DAPI", "other: DAPI")


def test_origins_of_several_images_stand_by_channel():
    layers = [
        *layers_of(image("ZYX", channels=["phase"], provenance={"a": 1})),
        *layers_of(image("ZYX", channels=["DAPI"], provenance={"b": 2})),
    ]
    assert image_of(layers).provenance == {"channels": {"phase": {"a": 1}, "DAPI": {"b": 2}}}


def test_units_are_converted():
    one = layer(scale=(2000, 300, 0.0003), units=("nm", "nm", "mm"))
    assert image_of([one]).voxel_size == pytest.approx({"Z": 2.0, "Y": 0.3, "X": 0.3})


def test_time_is_converted():
    one = layer((3, 6, 5), scale=(2, 1, 1), units=("min", "um", "um"), axis_labels=("t", "y", "x"))
    back = image_of([one])
    assert (back.axes, back.time_step) == ("TYX", 120.0)


@pytest.mark.filterwarnings("ignore:.*taken as a z-stack")
@pytest.mark.parametrize(
    ("labels", "axes"),
    [
        ((), "ZYX"),
        (("-3", "-2", "-1"), "ZYX"),
        (("axis -3", "axis -2", "axis -1"), "ZYX"),
        (("t", "y", "x"), "TYX"),
        (("Time", "Y", "X"), "TYX"),
        (("c", "y", "x"), "CYX"),
        (("y", "x", "z"), "YXZ"),
        (("y", "y", "x"), "ZYX"),
        (("a", "y", "x"), "ZYX"),
    ],
)
def test_axes_follow_the_labels_where_they_name_all(labels, axes):
    assert layer_axes(3, labels, "layer") == axes


def test_unlabelled_layer_is_a_stack_and_then_a_movie_and_it_is_said():
    assert layer_axes(2, (), "layer") == "YX"
    with pytest.warns(VirtualStainWarning, match="no names, and it is taken as a z-stack"):
        assert layer_axes(3, (), "layer") == "ZYX"
    with pytest.warns(VirtualStainWarning, match="is taken as a time series of z-stacks"):
        assert layer_axes(4, (), "layer") == "TZYX"
    with pytest.raises(VirtualStainError, match="the layer has 5 axes, and they cannot be told"):
        layer_axes(5, (), "layer")


def test_axes_in_another_order_are_put_in_ours():
    one = layer((6, 5, 4), axis_labels=("y", "x", "z"), scale=(2, 3, 4), units="um")
    back = image_of([one])
    assert (back.axes, back.shape) == ("ZYX", (4, 6, 5))
    assert back.voxel_size == {"Z": 4.0, "Y": 2.0, "X": 3.0}
    np.testing.assert_array_equal(back.data, np.moveaxis(one.data, 2, 0))


def test_scale_without_unit_is_taken_as_micrometres_and_said():
    one = layer((4, 5, 6), axis_labels=("z", "y", "x"), scale=(2, 0.5, 0.5))
    with pytest.warns(VirtualStainWarning, match=r"along Z, Y, X \(2 × 0.5 × 0.5\) has no unit"):
        back = image_of([one])
    assert back.voxel_size == {"Z": 2.0, "Y": 0.5, "X": 0.5}


def test_multiscale_layer_is_its_full_resolution():
    full = np.arange(64 * 64, dtype="u2").reshape(64, 64)
    back = image_of([ImageLayer([full, full[::2, ::2]], multiscale=True)])
    assert back.shape == (64, 64)


def test_lazy_layers_stay_lazy():
    def fail():
        raise AssertionError("a pixel was read")

    lazy = da.map_blocks(
        lambda block: fail(), da.zeros((4, 6, 5), chunks=(1, 6, 5), dtype="u2"), dtype="u2"
    )
    options = {"contrast_limits": (0, 1), "axis_labels": "zyx"}
    one, other = (ImageLayer(lazy, name=name, visible=False, **options) for name in "ab")
    for layers in ([one], [one, other]):
        assert isinstance(image_of(layers).data, da.Array)


def test_types_are_brought_together_and_it_is_said():
    one, other = layer(name="raw"), layer(name="predicted")
    other.data = other.data.astype("f4")
    with pytest.warns(VirtualStainWarning, match=r"\(float32, uint16\).*written as float32"):
        back = image_of([one, other])
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back.data[0], one.data)


def test_colour_is_refused():
    one = ImageLayer(np.zeros((6, 5, 3), "u1"), rgb=True, name="photo")
    with pytest.raises(VirtualStainError, match="photo: the layer is in colour"):
        image_of([one])


def test_different_sizes_are_refused():
    with pytest.raises(VirtualStainError, match=r"a \(4 Z × 6 Y × 5 X\) and b \(6 Y × 5 X\) are"):
        image_of([layer(name="a"), layer((6, 5), name="b")])


@pytest.mark.parametrize(
    "attributes",
    [
        {"scale": (1, 2, 2), "units": "um"},
        {"scale": (1, 1, 1), "units": "mm"},
        {"translate": (0, 3, 0), "units": "um"},
        {"rotate": (0, 0, 10), "units": "um"},
    ],
)
@pytest.mark.filterwarnings("ignore::napari_virtual_stain.errors.VirtualStainWarning")
def test_layers_beside_each_other_are_refused(attributes):
    with pytest.raises(VirtualStainError, match="a and b do not lie on top of each other"):
        image_of([layer(name="a", units="um"), layer(name="b", **attributes)])


def test_the_same_size_in_another_unit_is_the_same():
    one = layer(name="a", scale=(1, 0.5, 0.5), units="um")
    other = layer(name="b", scale=(1000, 500, 500), units="nm")
    assert image_of([one, other]).voxel_size == {"Z": 1.0, "Y": 0.5, "X": 0.5}


def test_channel_axis_among_several_layers_is_refused():
    one = layer((2, 6, 5), name="a", axis_labels=("c", "y", "x"))
    with pytest.raises(VirtualStainError, match="a: the layer has a channel axis"):
        image_of([one, layer((6, 5), name="b")])
    assert image_of([one]).axes == "CYX"


def test_moved_layer_is_written_and_it_is_said():
    with pytest.warns(VirtualStainWarning, match=r"^a: position, rotation, mirroring and shear"):
        assert image_of([layer(name="a", translate=(0, 3, 0))]).shape == (4, 6, 5)


def test_attributes_may_be_left_out():
    assert image_of_layers([(np.zeros((6, 5)), {})], "x").axes == "YX"


def test_a_mirrored_layer_is_said_to_be_written_as_it_is():
    one = layer((4, 5), axis_labels=("y", "x"), scale=(-0.5, 0.5), units="um")
    with pytest.warns(VirtualStainWarning, match="mirroring and shear of a layer are not"):
        back = image_of([one])
    assert back.voxel_size == {"Y": 0.5, "X": 0.5}
