from __future__ import annotations

import tracemalloc

import dask.array as da
import numpy as np
import ome_types
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Stopped, stop_when
from napari_virtual_stain.image import AXES, Image
from napari_virtual_stain.io import ome_tiff
from napari_virtual_stain.io.images import read_image, write_image

PLANE = np.arange(20 * 17, dtype=np.uint16).reshape(20, 17)

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
XML = st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff").filter(
    lambda c: c >= " " or c in "\t\n\r"
)
NAMES = st.text(XML, min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@st.composite
def images(draw):
    leading = draw(st.lists(st.sampled_from("TCZ"), unique=True))
    axes = "".join(axis for axis in AXES if axis in leading) + "YX"
    shape = tuple(draw(st.integers(2, 3) if axis in "TCZ" else st.integers(1, 6)) for axis in axes)
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    data = draw(hnp.arrays(dtype, shape))
    if draw(st.booleans()):
        data = da.from_array(data, chunks=2)
    n_channels = shape[axes.index("C")] if "C" in axes else 1
    return Image(
        data,
        axes,
        voxel_size={
            axis: draw(st.floats(1e-4, 1e4))
            for axis in axes
            if axis in "ZYX" and draw(st.booleans())
        },
        channels=draw(st.lists(NAMES, min_size=n_channels, max_size=n_channels)),
        time_step=draw(st.none() | st.floats(1e-6, 1e6)) if "T" in axes else None,
        name=draw(NAMES),
        provenance=draw(st.dictionaries(st.text(max_size=8), JSON, max_size=3)),
    )


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(image=images(), compression=st.sampled_from(["zlib", None]), lazy=st.booleans())
def test_what_is_written_is_read_again(tmp_path_factory, image, compression, lazy):
    path = tmp_path_factory.mktemp("law") / "a.ome.tif"
    assert write_image(image, path, compression=compression) == path
    again = read_image(path, lazy_above=0 if lazy else 2**26)
    assert again.dtype == image.dtype
    assert again.axes == image.axes
    np.testing.assert_array_equal(again.numpy(), image.numpy())
    assert again.voxel_size == image.voxel_size
    assert again.channels == image.channels
    assert again.time_step == image.time_step
    assert again.provenance == image.provenance


def test_the_metadata_are_valid_ome(tmp_path):
    image = Image(
        np.zeros((2, 3, 4, 20, 17), np.float32),
        "TCZYX",
        voxel_size={"Z": 0.7, "Y": 0.1, "X": 0.2},
        channels=["DAPI", 'β "<&>"', "c"],
        time_step=2.5,
        name="well A1",
        provenance={"model": "x"},
    )
    path = write_image(image, tmp_path / "a.ome.tif")
    ome = ome_types.from_tiff(path, validate=True)
    pixels = ome.images[0].pixels
    assert ome.images[0].name == "well A1"
    assert [channel.name for channel in pixels.channels] == list(image.channels)
    assert (pixels.size_t, pixels.size_c, pixels.size_z) == (2, 3, 4)
    assert (pixels.physical_size_x, pixels.physical_size_y, pixels.physical_size_z) == (
        0.2,
        0.1,
        0.7,
    )
    assert pixels.physical_size_x_unit.value == "µm"
    assert pixels.time_increment == 2.5
    annotation = ome.structured_annotations.comment_annotations[0]
    assert annotation.namespace == "napari-virtual-stain/provenance"
    assert annotation.value == '{"model": "x"}'


def test_other_readers_find_the_same_axes(tmp_path):
    data = np.random.default_rng(0).integers(0, 99, (2, 3, 4, 20, 17), dtype=np.uint8)
    path = write_image(Image(data, "TCZYX"), tmp_path / "a.ome.tif")
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series[0].axes == "TCZYX"
        np.testing.assert_array_equal(tiff.asarray(), data)


def test_axes_of_length_one_are_read_as_absent(tmp_path):
    image = Image(PLANE[None, None, None], "TCZYX", channels=["DAPI"], voxel_size={"Z": 1, "X": 2})
    again = read_image(write_image(image, tmp_path / "a.ome.tif"))
    assert again.axes == "YX"
    assert again.channels == ("DAPI",)
    assert dict(again.voxel_size) == {"X": 2}
    np.testing.assert_array_equal(again.data, PLANE)


@pytest.mark.parametrize(
    ("dtype", "values", "stored"),
    [
        ("bool", [0, 1], "uint8"),
        ("float16", [0.5, -3], "float32"),
        ("int64", [-5, 2**31 - 1], "int32"),
        ("int64", [0, 2**32 - 1], "uint32"),
        ("uint64", [0, 7], "int32"),
        (">u2", [1, 513], "uint16"),
        (">f4", [1, 0.5], "float32"),
    ],
)
def test_types_that_ome_lacks_become_ones_that_hold_their_values(tmp_path, dtype, values, stored):
    data = np.array(values, dtype).reshape(1, 2)
    again = read_image(write_image(Image(data, "YX"), tmp_path / "a.ome.tif"))
    assert again.dtype == np.dtype(stored)
    np.testing.assert_array_equal(again.data, data)


@pytest.mark.parametrize("values", [[0, 2**32], [-1, 2**31], [-(2**31) - 1, 0]])
def test_integers_that_do_not_fit_are_refused(tmp_path, values):
    image = Image(np.array([values], np.int64), "YX", name="labels")
    with pytest.raises(VirtualStainError, match=f"labels: .* from {values[0]} to {values[1]}"):
        write_image(image, tmp_path / "a.ome.tif")
    assert list(tmp_path.iterdir()) == []


def test_complex_pixels_are_refused(tmp_path):
    with pytest.raises(VirtualStainError, match="type complex128 cannot be written"):
        write_image(Image(PLANE.astype(complex), "YX"), tmp_path / "a.ome.tif")


def test_one_plane_at_a_time_is_computed(tmp_path):
    shapes = []

    def compute(block):
        shapes.append(block.shape)
        return block

    data = da.zeros((3, 4, 20, 17), chunks=(1, 1, 20, 17), dtype="u2").map_blocks(
        compute, dtype="u2", meta=np.empty((0,) * 4, "u2")
    )
    write_image(Image(data, "CZYX"), tmp_path / "a.ome.tif")
    assert len(shapes) == 12
    assert set(shapes) == {(1, 1, 20, 17)}


def test_large_planes_are_tiled(tmp_path):
    path = write_image(Image(np.zeros((1100, 1300), np.uint8), "YX"), tmp_path / "a.ome.tif")
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages[0].chunks == (512, 512)
    assert read_image(path, lazy_above=0).shape == (1100, 1300)


@pytest.mark.parametrize("chunk", [64, 512, 700])
def test_planes_larger_than_memory_are_written_in_rows_of_tiles(tmp_path, chunk):
    """Few megabytes of 40 are held at a time, and no chunk is computed twice."""
    computed = []

    def rows(block_info=None):
        (top, bottom), (left, right) = block_info[None]["array-location"]
        computed.append(top)
        return np.add.outer(np.arange(top, bottom, dtype="u2"), np.arange(left, right, dtype="u2"))

    heights = (chunk,) * (9800 // chunk)
    pixels = da.map_blocks(rows, chunks=(heights, (2100,)), dtype="u2", meta=np.empty((0, 0), "u2"))
    tracemalloc.start()
    path = write_image(Image(pixels, "YX"), tmp_path / "a.ome.tif", compression=None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16e6
    assert sorted(computed) == list(range(0, sum(heights), chunk))
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages[0].chunks == (512, 512)
        expected = np.add.outer(np.arange(sum(heights)), np.arange(2100))
        np.testing.assert_array_equal(tiff.asarray(), expected)


@pytest.mark.parametrize("dtype", ["u1", "?", "f2", "i8", ">u2"])
@pytest.mark.parametrize("compression", ["zlib", None])
def test_tiles_at_the_edges_and_of_types_that_are_converted(tmp_path, dtype, compression):
    values = np.random.default_rng(0).integers(0, 2, (2, 1030, 1100)).astype(dtype)
    path = write_image(Image(values, "ZYX"), tmp_path / "a.ome.tif", compression=compression)
    np.testing.assert_array_equal(tifffile.imread(path), values.astype(float))
    assert read_image(path).axes == "ZYX"


def test_large_files_are_big_tiff(tmp_path, monkeypatch):
    image = Image(np.stack([PLANE] * 3), "ZYX")
    monkeypatch.setattr(ome_tiff, "BIG_FROM", image.data.nbytes)
    path = write_image(image, tmp_path / "a.ome.tif")
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_bigtiff
    np.testing.assert_array_equal(read_image(path).data, image.data)
    monkeypatch.setattr(ome_tiff, "BIG_FROM", image.data.nbytes + 1)
    with tifffile.TiffFile(write_image(image, path, overwrite=True)) as tiff:
        assert not tiff.is_bigtiff


def test_an_existing_file_is_kept_unless_asked(tmp_path):
    path = write_image(Image(PLANE, "YX"), tmp_path / "a.ome.tif")
    with pytest.raises(VirtualStainError, match=r"a\.ome\.tif exists already .*--overwrite"):
        write_image(Image(PLANE + 1, "YX"), path)
    np.testing.assert_array_equal(read_image(path).data, PLANE)
    write_image(Image(PLANE + 1, "YX"), path, overwrite=True)
    np.testing.assert_array_equal(read_image(path).data, PLANE + 1)


def test_a_file_may_be_written_over_the_one_it_is_read_from(tmp_path):
    path = write_image(Image(np.stack([PLANE] * 4), "ZYX"), tmp_path / "a.ome.tif")
    lazy = read_image(path, lazy_above=0)
    write_image(lazy.replace(data=lazy.data + 1), path, overwrite=True)
    np.testing.assert_array_equal(read_image(path).data, np.stack([PLANE + 1] * 4))


class Failing:
    """Two planes, of which only the first can be read."""

    shape, dtype, ndim = (2, 20, 17), np.dtype("u2"), 3

    def __init__(self, error):
        self.error = error

    def __getitem__(self, key):
        if key[0] == 1:
            raise self.error
        return PLANE


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_file_that_could_not_be_finished(tmp_path, error):
    with pytest.raises(type(error)):
        write_image(Image(Failing(error), "ZYX"), tmp_path / "a.ome.tif")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said(tmp_path):
    image = Image(Failing(OSError(28, "No space left on device")), "ZYX")
    with pytest.raises(VirtualStainError, match=r"a\.ome\.tif could not be written: the disk is f"):
        write_image(image, tmp_path / "a.ome.tif")
    assert list(tmp_path.iterdir()) == []


def test_writing_can_be_stopped(tmp_path):
    with stop_when(lambda: True), pytest.raises(Stopped):
        write_image(Image(PLANE, "YX"), tmp_path / "a.ome.tif")
    assert list(tmp_path.iterdir()) == []


def test_missing_folders_are_created_and_names_need_not_be_ascii(tmp_path):
    path = write_image(Image(PLANE, "YX"), tmp_path / "neu µ" / "größe.ome.tif")
    assert read_image(path).name == "größe"


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(VirtualStainError, match=r"a\.png: .* ends in \.ome\.tif"):
        write_image(Image(PLANE, "YX"), tmp_path / "a.png")


def test_names_that_xml_cannot_hold_are_repaired(tmp_path):
    image = Image(PLANE, "YX", channels=["a\0b\x1f"], name="\ud800")
    path = write_image(image, tmp_path / "a.ome.tif")
    assert read_image(path).channels == ("a\ufffdb\ufffd",)
    assert ome_types.from_tiff(path, validate=True).images[0].name == "\ufffd"


def test_numpy_values_in_the_provenance_become_plain(tmp_path):
    image = Image(PLANE, "YX", provenance={"r": np.float32(0.5), "steps": np.int64(3)})
    again = read_image(write_image(image, tmp_path / "a.ome.tif"))
    assert again.provenance == {"r": 0.5, "steps": 3}
