"""What is written as OME-Zarr is valid, and is read again."""

from __future__ import annotations

import json

import dask.array as da
import numpy as np
import pytest
import yaozarrs
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.events import Stopped, stop_when
from napari_virtual_stain.image import AXES, Image
from napari_virtual_stain.io import check_writable, read_image, write_image
from napari_virtual_stain.io._atomic_folder import move_folder
from napari_virtual_stain.io._names import image_name
from napari_virtual_stain.io.ome_zarr import levels, read_ome_zarr, write_ome_zarr

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "u8", "f2", "f4", "f8", "?"]
VERSIONS = ["0.4", "0.5"]
STACK = np.arange(2 * 3 * 20 * 17, dtype=np.uint16).reshape(2, 3, 20, 17)
SIZES = {"Z": 1.5, "Y": 0.25, "X": 0.25}


def stack(**changes):
    options = {"voxel_size": SIZES, "channels": ("DAPI", "α-tubulin"), "name": "well"}
    return Image(STACK, "CZYX", **{**options, **changes})


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@st.composite
def images(draw):
    leading = draw(st.lists(st.sampled_from("TCZ"), unique=True))
    axes = "".join(axis for axis in AXES if axis in leading) + "YX"
    shape = tuple(draw(st.integers(2, 3) if axis in "TCZ" else st.integers(1, 9)) for axis in axes)
    dtype = draw(st.sampled_from(DTYPES))
    data = (np.arange(np.prod(shape)).reshape(shape) % 100).astype(dtype)
    count = shape[axes.index("C")] if "C" in axes else 1
    return Image(
        da.from_array(data, chunks=2) if draw(st.booleans()) else data,
        axes,
        {a: draw(st.floats(1e-4, 1e4)) for a in axes if a in "ZYX" and draw(st.booleans())},
        draw(st.lists(st.text(min_size=1, max_size=5), min_size=count, max_size=count)),
        draw(st.none() | st.floats(1e-6, 1e6)) if "T" in axes else None,
        name="a",
        provenance=draw(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=3))),
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(image=images(), version=st.sampled_from(VERSIONS))
def test_what_is_written_is_read_again(tmp_path_factory, image, version):
    path = write_ome_zarr(image, tmp_path_factory.mktemp("z") / "a.ome.zarr", version=version)
    read = read_image(path)
    assert (read.axes, read.dtype, read.channels) == (image.axes, image.dtype, image.channels)
    assert (read.name, read.provenance) == (image.name, image.provenance)
    assert read.time_step == image.time_step
    assert read.voxel_size == image.voxel_size
    np.testing.assert_array_equal(read.numpy(), image.numpy())


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_valid_by_the_specification(tmp_path, version):
    image = stack(time_step=None, provenance={"model": "m", "score": np.float32("nan")})
    path = write_ome_zarr(
        image, tmp_path / "a.ome.zarr", version=version, colors={"DAPI": "bop blue"}
    )
    group = yaozarrs.validate_zarr_store(str(path))
    assert group.ome_version() == version
    metadata = json.loads((path / (".zattrs" if version == "0.4" else "zarr.json")).read_text(),
                          parse_constant=pytest.fail)  # fmt: skip
    attributes = metadata if version == "0.4" else metadata["attributes"]["ome"]
    axes = attributes["multiscales"][0]["axes"]
    assert [axis["name"] for axis in axes] == ["c", "z", "y", "x"]
    assert [axis.get("unit") for axis in axes] == [None, *["micrometer"] * 3]
    assert attributes["multiscales"][0]["name"] == "well"
    dapi, tubulin = attributes["omero"]["channels"]
    assert (dapi["label"], tubulin["label"]) == image.channels
    assert (dapi["color"], tubulin["color"]) == ("1F8FFF", "FFFFFF")
    window = dapi["window"]
    assert (window["min"], window["max"]) == (0, 65535)
    assert 0 <= window["start"] < window["end"] <= STACK[0].max()
    array = zarr.open_array(path / "0", mode="r")
    assert array.metadata.zarr_format == (2 if version == "0.4" else 3)
    if version == "0.5":
        assert array.metadata.dimension_names == ("c", "z", "y", "x")


@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_sizes_stay_unknown(tmp_path, version):
    path = write_ome_zarr(Image(STACK[0], "TYX", {"Y": 0.5}), tmp_path / "a.zarr", version=version)
    read = read_ome_zarr(path)
    assert (dict(read.voxel_size), read.time_step, read.channels) == ({"Y": 0.5}, None, ())


def test_axes_of_length_one_are_read_as_absent(tmp_path):
    path = write_image(Image(STACK[:1, :1], "CZYX", SIZES, ["DAPI"]), tmp_path / "a.zarr")
    read = read_image(path)
    assert (read.axes, read.shape, read.channels) == ("YX", (20, 17), ("DAPI",))


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    path = write_image(stack(), tmp_path / "a.ome.zarr")
    for chunk in (path / "0" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"damaged")
    read = read_image(path).channel("DAPI").crop({"X": slice(3, 9)})
    assert read.shape == (3, 20, 6)
    with pytest.raises(VirtualStainError, match=r"a\.ome\.zarr: a part of the image is damaged"):
        read.numpy()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("wéll.ome.zarr", "wéll"), ("a.OME.ZARR", "a"), ("a.b.zarr", "a.b"), (".zarr", ".zarr"),
        ("p.ome.zarr/A/1/0", "p_A_1_0"), ("p.zarr/labels/q.zarr", "q"),
    ],
)  # fmt: skip
def test_the_name_is_that_of_the_folder(path, name):
    assert image_name(path) == name


def test_an_existing_image_is_kept_unless_asked(tmp_path):
    path = write_image(stack(), tmp_path / "a.ome.zarr")
    other = Image(STACK[0, 0], "YX")
    for refused in (lambda: write_image(other, path), lambda: check_writable(path)):
        with pytest.raises(VirtualStainError, match=r"a\.ome\.zarr exists already .* --overwrite"):
            refused()
    check_writable(path, overwrite=True)
    write_image(other, path, overwrite=True)
    assert read_image(path).axes == "YX"
    assert names(tmp_path) == ["a.ome.zarr"]


def test_a_folder_that_is_no_ome_zarr_is_never_replaced(tmp_path):
    path = tmp_path / "a.ome.zarr"
    path.mkdir()
    (path / "thesis.txt").write_text("ten years")
    for refused in (
        lambda: write_image(stack(), path, overwrite=True),
        lambda: check_writable(path, overwrite=True),
    ):
        with pytest.raises(VirtualStainError, match=r"a folder, but no OME-Zarr, and is left"):
            refused()
    assert (path / "thesis.txt").read_text() == "ten years"
    assert names(tmp_path) == ["a.ome.zarr"]
    (path / "thesis.txt").unlink()
    write_image(stack(), path)
    assert read_image(path).axes == "CZYX"


def test_a_file_of_that_name_is_refused(tmp_path):
    path = tmp_path / "a.zarr"
    path.write_text("a file")
    with pytest.raises(VirtualStainError, match="is a file, and no folder"):
        write_image(stack(), path, overwrite=True)
    assert path.read_text() == "a file"


@pytest.mark.parametrize("error", [OSError(28, "no space"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_image_and_nothing_else(tmp_path, error):
    path = write_image(stack(), tmp_path / "a.ome.zarr")

    def fail(block):
        raise error

    pixels = da.map_blocks(fail, da.zeros((9, 9)), dtype="u2", meta=np.empty((0, 0), "u2"))
    expected = VirtualStainError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write_image(Image(pixels, "YX"), path, overwrite=True)
    assert read_image(path).axes == "CZYX"
    assert names(tmp_path) == ["a.ome.zarr"]


def test_what_cannot_be_renamed_leaves_the_old_image(tmp_path):
    path = write_image(stack(), tmp_path / "a.ome.zarr")
    with pytest.raises(FileNotFoundError):
        move_folder(tmp_path / "not there", path, overwrite=True)
    assert read_image(path).axes == "CZYX"
    assert names(tmp_path) == ["a.ome.zarr"]


def test_writing_can_be_stopped(tmp_path):
    with stop_when(lambda: True), pytest.raises(Stopped):
        write_image(stack(), tmp_path / "a.ome.zarr")
    assert names(tmp_path) == []


def test_an_image_may_be_written_over_the_one_it_is_read_from(tmp_path):
    path = write_image(stack(), tmp_path / "a.ome.zarr")
    image = read_image(path)
    write_image(image.replace(data=image.data + 1), path, overwrite=True)
    np.testing.assert_array_equal(read_image(path).numpy(), STACK + 1)
    with pytest.raises(VirtualStainError, match="has changed or is gone since it was opened"):
        image.numpy()


def test_an_image_that_is_gone_is_not_read_as_zeros(tmp_path):
    path = write_image(stack(), tmp_path / "a.ome.zarr")
    image = read_image(path)
    path.rename(tmp_path / "elsewhere.zarr")
    with pytest.raises(VirtualStainError, match="has changed or is gone"):
        image.numpy()


def test_complex_pixels_are_refused(tmp_path):
    with pytest.raises(VirtualStainError, match="a: pixels of the type complex128 cannot"):
        write_image(Image(np.zeros((3, 3), complex), "YX", name="a"), tmp_path / "a.zarr")
    assert names(tmp_path) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_levels_are_lazy_and_have_the_axes_of_the_image(tmp_path, version):
    pixels = np.random.default_rng(0).random((1, 2, 1, 300, 601), dtype=np.float32)
    path = write_ome_zarr(Image(pixels, "TCZYX"), tmp_path / "a.ome.zarr", version=version)
    full, half, quarter = levels(path)
    assert [level.shape for level in (full, half, quarter)] == [
        (2, 300, 601), (2, 150, 301), (2, 75, 151)
    ]  # fmt: skip
    np.testing.assert_array_equal(full, pixels[0, :, 0])
    mean = pixels[0, :, 0, :, :600].reshape(2, 150, 2, 300, 2).mean((2, 4))
    np.testing.assert_allclose(half[:, :, :300], mean, rtol=1e-6)


def test_names_of_other_formats_are_refused(tmp_path):
    with pytest.raises(VirtualStainError, match=r"ends in \.ome\.tif or \.ome\.zarr"):
        write_image(stack(), tmp_path / "a.png")


def test_axes_need_no_naming(tmp_path):
    path = write_image(stack(), tmp_path / "a.ome.zarr")
    with pytest.raises(VirtualStainError, match="an OME-Zarr names its axes itself"):
        read_image(path, axes="CZYX")


def test_addresses_are_refused():
    with pytest.raises(VirtualStainError, match="is an address"):
        read_image("https://example.org/a.zarr")


def test_odd_voxel_sizes_are_ignored_and_said(tmp_path):
    path = write_image(stack(voxel_size={"Y": 1e6, "X": 0.5}), tmp_path / "a.zarr")
    with pytest.warns(VirtualStainWarning, match=r"1e\+06 µm along Y, which no microscope has"):
        assert dict(read_image(path).voxel_size) == {"X": 0.5}
