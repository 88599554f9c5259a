"""A result lies where its input lies, also where axes are gone and the input is turned."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_virtual_stain.gui.geometry import Geometry, result_axes
from napari_virtual_stain.image import Image

TURNED = {
    "scaled": {"scale": (2, 3, 0.5, 0.25), "translate": (1, 2, 3, 4)},
    "flipped": {"scale": (1, 1, -1, 1), "translate": (0, 0, 40, 0)},
    "turned in the plane": {
        "scale": (1, 3, 0.5, 0.25),
        "rotate": np.block(
            [
                [np.eye(2), np.zeros((2, 2))],
                [np.zeros((2, 2)), np.array([[0.8, -0.6], [0.6, 0.8]])],
            ]
        ),
    },
    "sheared in the plane": {"scale": (1, 3, 0.5, 0.25), "shear": [0, 0, 0, 0, 0, 0.4]},
    "sheared the other way": {
        "shear": np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0.3, 1.0]])
    },
    "moved by an affine": {
        "affine": np.array(
            [
                [1, 0, 0, 0, 5],
                [0, 2, 0, 0, 6],
                [0, 0, 0.9, 0.1, 7],
                [0, 0, -0.1, 0.9, 8],
                [0, 0, 0, 0, 1],
            ]
        )
    },
}


def add(viewer, **attributes):
    return viewer.add_image(
        np.zeros((3, 5, 20, 30)),
        axis_labels=("t", "z", "y", "x"),
        units=("second", "um", "um", "um"),
        **attributes,
    )


@pytest.mark.parametrize("case", TURNED)
@pytest.mark.parametrize("axes", ["TZYX", "ZYX", "YX"])
def test_pixels_stay_where_they_are(viewer, case, axes):
    layer = add(viewer, **TURNED[case])
    place = Geometry.of(layer, "TZYX").keep(axes)
    result = viewer.add_image(np.zeros(place.shape), **place.attributes())
    assert place.axes == axes
    assert result.ndim == len(axes)
    gone = 4 - len(axes)
    for position in ([0, 0, 0, 0], [2, 4, 19, 29], [1, 2, 7, 11]):
        expected = layer.data_to_world([0] * gone + position[gone:])[gone:]
        np.testing.assert_allclose(result.data_to_world(position[gone:]), expected, atol=1e-9)
    assert result.units == layer.units[gone:]
    assert result.axis_labels == layer.axis_labels[gone:]


@pytest.mark.parametrize("case", TURNED)
def test_an_axis_that_goes_between_others_is_as_thick_as_it_was_long(viewer, case):
    layer = add(viewer, **TURNED[case])
    place = Geometry.of(layer, "TZYX").keep("TYX")
    result = viewer.add_image(np.zeros(place.shape), **place.attributes())
    assert (place.axes, place.shape) == ("TZYX", (3, 1, 20, 30))
    middle = layer.data_to_world([1, 2, 7, 11])
    np.testing.assert_allclose(result.data_to_world([1, 0, 7, 11]), middle, atol=1e-9)
    for plane in (0, 4):
        point = layer.data_to_world([1, plane, 7, 11])
        assert np.rint(result.world_to_data(point)).tolist() == [1, 0, 7, 11]


def test_plain_layers_keep_their_very_numbers(viewer):
    layer = add(viewer, scale=(1, 3, 0.1, 0.1), translate=(0.1, 0.2, 0.3, 0.7))
    place = Geometry.of(layer, "TZYX").keep("YX")
    result = viewer.add_image(np.zeros(place.shape), **place.attributes())
    assert result.scale.tolist() == [0.1, 0.1]
    assert result.translate.tolist() == [0.3, 0.7]
    assert np.array_equal(result.rotate, np.eye(2))
    assert not result.shear.any()


@pytest.mark.parametrize("case", TURNED)
@pytest.mark.parametrize("before", TURNED)
def test_a_layer_can_be_moved_to_another_place(viewer, case, before):
    place = Geometry.of(add(viewer, **TURNED[case]), "TZYX")
    layer = viewer.add_image(np.zeros((3, 5, 20, 30)), **TURNED[before])
    place.apply(layer)
    now = Geometry.of(layer, "TZYX")
    np.testing.assert_allclose(now.linear, place.linear, atol=1e-12)
    np.testing.assert_array_equal(now.translate, place.translate)
    np.testing.assert_array_equal(now.affine, place.affine)
    assert (now.units, now.axis_labels) == (place.units, place.axis_labels)


def test_pixels_are_arranged_in_the_order_of_the_layer(viewer):
    layer = viewer.add_image(np.zeros((4, 5, 6)), axis_labels=("z", "x", "y"))
    place = Geometry.of(layer, "ZXY")
    image = Image(np.arange(4 * 6 * 5).reshape(4, 6, 5), "ZYX")
    np.testing.assert_array_equal(place.arrange(image), image.data.transpose(0, 2, 1))


def test_axes_with_one_position_come_and_go(viewer):
    layer = viewer.add_image(np.zeros((3, 5, 20, 30)), axis_labels="tzyx")
    place = Geometry.of(layer, "TZYX").keep("TYX")
    movie = Image(np.zeros((3, 20, 30)), "TYX")
    assert place.arrange(movie).shape == (3, 1, 20, 30)
    stack = Image(np.zeros((3, 1, 20, 30)), "TZYX")
    assert place.keep("TYX").arrange(stack).shape == (3, 1, 20, 30)
    plane = Geometry.of(viewer.add_image(np.zeros((20, 30))), "YX")
    assert plane.arrange(Image(np.zeros((1, 20, 30)), "ZYX")).shape == (20, 30)


def test_axes_of_a_result():
    image = Image(np.zeros((2, 3, 4, 5, 6)), "TCZYX")
    assert result_axes(image, consumes_planes=False) == "TZYX"
    assert result_axes(image, consumes_planes=True) == "TYX"


def test_lazy_pixels_stay_lazy(viewer):
    layer = viewer.add_image(np.zeros((4, 5, 6, 7)), axis_labels="xtzy")
    place = Geometry.of(layer, "XTZY").keep("TYX")
    pixels = np.arange(5 * 1 * 7 * 4).reshape(5, 1, 7, 4)
    expected = pixels[:, 0].transpose(2, 0, 1)[:, :, None]
    for data in (pixels, da.from_array(pixels)):
        arranged = place.arrange(Image(data, "TZYX"))
        assert type(arranged) is type(data)
        np.testing.assert_array_equal(np.asarray(arranged), expected)
