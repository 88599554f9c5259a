"""Image refuses what contradicts itself, and its parts keep what belongs to them."""

from __future__ import annotations

import pickle

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image, parse_region

STACK = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)


def stack(**fields) -> Image:
    return Image(
        STACK, "CZYX", {"Z": 2, "Y": 0.5, "X": 0.5}, channels=("DNA", "actin"), name="a", **fields
    )


@pytest.mark.parametrize(
    ("shape", "fields", "sentence"),
    [
        ((3, 4), {"axes": "XY"}, "not a subset of TCZYX in that order"),
        ((3, 4), {"axes": "CY"}, "with Y and X at the end"),
        ((3, 4), {"axes": "YYX"}, "not a subset"),
        ((3, 4, 5), {"axes": "YX"}, "shape 3 × 4 × 5 has 3 axes, but the axes YX name 2"),
        ((0, 4), {"axes": "YX"}, "is empty"),
        ((3, 4), {"axes": "YX", "voxel_size": {"Z": 1.0}}, "not a spatial axis of YX"),
        ((3, 4), {"axes": "YX", "voxel_size": {"Y": 0.0}}, "not a positive number"),
        ((3, 4), {"axes": "YX", "voxel_size": {"Y": float("nan")}}, "not a positive number"),
        ((3, 4), {"axes": "YX", "time_step": float("nan")}, "time step nan s is not a positive"),
        ((2, 3, 4), {"axes": "CYX", "channels": ("a",)}, "1 channel names were given for 2"),
    ],
)
def test_contradictions_are_refused(shape, fields, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        Image(np.zeros(shape), **fields)


def test_channels_are_named_where_the_user_did_not():
    assert Image(np.zeros((2, 3, 4)), "CYX").channels == ("channel 1", "channel 2")
    assert Image(np.zeros((3, 4)), "YX").channels == ()


def test_a_channel_by_name_position_and_case():
    for which in (1, "actin", "Actin"):
        one = stack().channel(which)
        assert (one.axes, one.channels) == ("ZYX", ("actin",))
        assert np.array_equal(one.data, STACK[1])
    with pytest.raises(VirtualStainError, match="no channel named 'lamin'; it has 'DNA', 'actin'"):
        stack().channel("lamin")
    with pytest.raises(VirtualStainError, match="no channel 3; the image has 2"):
        stack().channel(2)


def test_ambiguous_names_are_refused():
    twins = Image(np.zeros((2, 3, 4)), "CYX", channels=("a", "a"))
    with pytest.raises(VirtualStainError, match="several channels named 'a'"):
        twins.channel("a")


def test_dropping_an_axis_drops_what_belongs_to_it():
    plane = stack().select("Z", 1)
    assert plane.axes == "CYX"
    assert dict(plane.voxel_size) == {"Y": 0.5, "X": 0.5}
    assert np.array_equal(plane.data, STACK[:, 1])


def test_an_axis_that_is_not_there_cannot_be_dropped():
    with pytest.raises(VirtualStainError, match="there is no axis 'T'"):
        stack().select("T", 0)


def test_lists_are_refused():
    with pytest.raises(VirtualStainError, match=r"the pixels are an array .* not list"):
        Image([[1, 2], [3, 4]], "YX")


def test_it_can_be_sent_to_another_process():
    again = pickle.loads(pickle.dumps(stack(time_step=None, provenance={"a": [1]})))
    assert np.array_equal(again.data, STACK)
    assert (again.axes, again.channels, dict(again.voxel_size), dict(again.provenance)) == (
        "CZYX",
        ("DNA", "actin"),
        {"Z": 2, "Y": 0.5, "X": 0.5},
        {"a": [1]},
    )


def test_crop():
    part = stack().crop({"X": slice(1, 3), "C": slice(1, 2)})
    assert np.array_equal(part.data, STACK[1:, :, :, 1:3])
    assert part.channels == ("actin",)
    with pytest.raises(VirtualStainError, match="X=1:9 does not lie in the image, whose X axis"):
        stack().crop({"X": slice(1, 9)})
    with pytest.raises(VirtualStainError, match="cannot crop T"):
        stack().crop({"T": slice(0, 1)})


def test_an_image_cannot_be_changed():
    with pytest.raises(AttributeError):
        stack().name = "b"
    with pytest.raises(TypeError):
        stack().voxel_size["X"] = 3


@pytest.mark.parametrize(
    ("text", "region"),
    [("X=0:640", slice(0, 640)), ("Y=5:", slice(5, None)), ("T=:3", slice(0, 3))],
)
def test_regions(text, region):
    assert parse_region(text) == (text[0], region)


@pytest.mark.parametrize("text", ["X", "X=5", "W=0:5", "X=a:5", "=0:5", "X=-5:9", ""])
def test_regions_of_another_form_are_refused(text):
    with pytest.raises(VirtualStainError, match="not of the form X=0:640"):
        parse_region(text)


class CountingStore(zarr.storage.WrapperStore):
    """A store that counts the chunks that are read from it."""

    def __init__(self, store):
        super().__init__(store)
        self.read = 0

    async def get(self, key, *arguments, **options):
        self.read += "/c/" in f"/{key}"
        return await self._store.get(key, *arguments, **options)


def test_stored_pixels_are_not_read_before_they_are_asked_for():
    store = CountingStore(zarr.storage.MemoryStore())
    stored = zarr.create_array(store, shape=(2, 4, 64, 64), chunks=(1, 1, 32, 64), dtype="u2")
    stored[...] = pixels = np.arange(2 * 4 * 64 * 64, dtype="u2").reshape(2, 4, 64, 64)
    store.read = 0
    whole = Image(stored, "CZYX", channels=["a", "b"])
    part = whole.channel("b").crop({"Z": slice(1, 3), "Y": slice(0, 32)}).select("Z", 1)
    assert store.read == 0
    np.testing.assert_array_equal(part.numpy(), pixels[1, 2, :32])
    assert store.read == 1


def test_arrays_in_memory_stay_what_they_are():
    pixels = np.zeros((2, 3, 4))
    part = Image(pixels, "CYX").channel(1)
    assert np.shares_memory(part.data, pixels)
    lazy = da.zeros((2, 3, 4), chunks=1)
    assert Image(lazy, "CYX").select("C", 0).data.name == lazy[0].name
