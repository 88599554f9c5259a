from __future__ import annotations

import importlib.util
import os
import shutil
import threading

import numpy as np
import pytest
import tifffile

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.io import _lazy
from napari_virtual_stain.io._names import image_name
from napari_virtual_stain.io.images import read_image

STACK = np.random.default_rng(0).integers(0, 4096, (5, 2, 20, 17), dtype=np.uint16)
"""Five z planes of two channels."""


def write_ome(path, data=STACK, axes="ZCYX", **metadata):
    tifffile.imwrite(path, data, ome=True, metadata={"axes": axes, **metadata})
    return path


def write_imagej(path, data=STACK, axes="ZCYX", resolution=(4, 2), **metadata):
    tifffile.imwrite(
        path, data, imagej=True, resolution=resolution, metadata={"axes": axes, **metadata}
    )
    return path


# Axes


def test_axes_are_put_in_order(tmp_path):
    image = read_image(write_ome(tmp_path / "a.ome.tif"))
    assert image.axes == "CZYX"
    np.testing.assert_array_equal(image.data, STACK.swapaxes(0, 1))
    assert isinstance(image.data, np.ndarray)


@pytest.mark.parametrize("lazy_above", [0, 2**26])
def test_axes_of_length_one_are_dropped_and_the_name_of_the_channel_stays(tmp_path, lazy_above):
    path = write_ome(
        tmp_path / "a.ome.tif", STACK[None, :1, :1], "TZCYX", Channel={"Name": ["phase"]}
    )
    image = read_image(path, lazy_above=lazy_above)
    assert image.axes == "YX"
    assert image.channels == ("phase",)
    np.testing.assert_array_equal(image.numpy(), STACK[0, 0])


@pytest.mark.parametrize("metadata", [None, {}])
def test_a_3d_tiff_without_axes_is_a_z_stack_and_says_so(tmp_path, metadata):
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, STACK[:, 0], metadata=metadata)
    with pytest.warns(VirtualStainWarning, match=r"plain\.tif.* 5 planes .* z stack.*--axes"):
        image = read_image(path)
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, STACK[:, 0])


def test_a_2d_tiff_needs_no_axes(tmp_path):
    tifffile.imwrite(tmp_path / "plain.tif", STACK[0, 0], metadata=None)
    assert read_image(tmp_path / "plain.tif").axes == "YX"


@pytest.mark.parametrize("lazy_above", [0, 2**26])
def test_the_user_names_axes_in_the_order_of_the_file(tmp_path, lazy_above):
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, STACK, metadata={})
    image = read_image(path, axes="zcyx", lazy_above=lazy_above)
    assert image.axes == "CZYX"
    np.testing.assert_array_equal(image.numpy(), STACK.swapaxes(0, 1))


def test_the_user_is_believed_against_the_file(tmp_path):
    image = read_image(write_ome(tmp_path / "a.ome.tif"), axes="TCYX")
    assert image.axes == "TCYX"


@pytest.mark.parametrize("axes", ["ZYX", "TZCYX", "TZYX"])
def test_axes_of_length_one_may_be_named_or_left_out(tmp_path, axes):
    path = tmp_path / "plain.tif"
    data = STACK[:, 0]
    tifffile.imwrite(path, data[None, :, None] if len(axes) == 5 else data[None], metadata={})
    assert read_image(path, axes=axes).axes == "ZYX"


def test_axes_that_cannot_be_told_apart_are_refused(tmp_path):
    path = tmp_path / "four.tif"
    tifffile.imwrite(path, STACK, metadata={})
    sentence = r'four\.tif: .* shape 5 × 2 × 20 × 17 cannot be told apart.*axes="CZYX".*--axes'
    with pytest.raises(VirtualStainError, match=sentence):
        read_image(path)


def test_more_than_five_axes_are_refused(tmp_path):
    path = tmp_path / "six.tif"
    tifffile.imwrite(path, np.zeros((2, 2, 2, 2, 16, 16), np.uint8), metadata={})
    with pytest.raises(VirtualStainError, match="at most the five axes"):
        read_image(path)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ("CZYX", r"CZYX are 4, .* shape 5 × 20 × 17 has 3"),
        ("AYX", "are not some of the letters TCZYX"),
        ("ZZX", "are not some of the letters TCZYX"),
    ],
)
def test_axes_that_do_not_fit_are_refused(tmp_path, axes, said):
    tifffile.imwrite(tmp_path / "a.tif", STACK[:, 0], metadata={})
    with pytest.raises(VirtualStainError, match=said):
        read_image(tmp_path / "a.tif", axes=axes)


def test_samples_of_grey_pixels_are_channels(tmp_path):
    path = tmp_path / "a.tif"
    data = np.random.default_rng(1).integers(0, 99, (20, 17, 5), dtype=np.uint8)
    tifffile.imwrite(path, data, photometric="minisblack", planarconfig="contig", metadata=None)
    image = read_image(path)
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.data, np.moveaxis(data, -1, 0))


# Metadata


@pytest.mark.parametrize(
    ("unit", "micrometres"), [("µm", 1), ("nm", 1e-3), ("mm", 1e3), ("Å", 1e-4), ("m", 1e6)]
)
def test_ome_voxel_sizes_become_micrometres(tmp_path, unit, micrometres):
    sizes = {"X": 0.1 / micrometres, "Y": 0.2 / micrometres, "Z": 0.7 / micrometres}
    metadata = {f"PhysicalSize{axis}": size for axis, size in sizes.items()}
    metadata |= {f"PhysicalSize{axis}Unit": unit for axis in sizes}
    image = read_image(write_ome(tmp_path / "a.ome.tif", **metadata))
    assert dict(image.voxel_size) == pytest.approx({"X": 0.1, "Y": 0.2, "Z": 0.7})


@pytest.mark.parametrize("unit", ["pixel", "reference frame"])
def test_units_that_are_none_leave_the_voxel_size_unknown(tmp_path, unit):
    path = write_ome(tmp_path / "a.ome.tif", PhysicalSizeX=1.0, PhysicalSizeXUnit=unit)
    assert dict(read_image(path).voxel_size) == {}


@pytest.mark.parametrize("size", [0.0, -0.5, 1e9, 1e-9])
def test_voxel_sizes_of_no_microscope_are_ignored_and_said(tmp_path, size):
    path = write_ome(tmp_path / "a.ome.tif", PhysicalSizeX=0.1, PhysicalSizeZ=size)
    with pytest.warns(VirtualStainWarning, match=r"µm along Z, which no microscope has"):
        image = read_image(path)
    assert dict(image.voxel_size) == {"X": 0.1}


def test_the_size_of_an_axis_that_is_dropped_is_not_said(tmp_path):
    path = write_ome(tmp_path / "a.ome.tif", STACK[:1], PhysicalSizeX=0.1, PhysicalSizeZ=0.0)
    assert dict(read_image(path).voxel_size) == {"X": 0.1}


def test_ome_channel_names_and_time_step(tmp_path):
    path = write_ome(
        tmp_path / "a.ome.tif",
        axes="TCYX",
        Channel={"Name": ["Phasenkontrast", "DAPI β"]},
        TimeIncrement=250.0,
        TimeIncrementUnit="ms",
    )
    image = read_image(path)
    assert image.channels == ("Phasenkontrast", "DAPI β")
    assert image.time_step == pytest.approx(0.25)


def test_imagej_hyperstacks(tmp_path):
    path = write_imagej(
        tmp_path / "a.tif",
        STACK[None].repeat(2, 0),
        "TZCYX",
        unit=r"\u00B5m",
        spacing=1.5,
        finterval=2.0,
        tunit="min",
        Labels=["phase", "nuclei"] * 10,
    )
    image = read_image(path)
    assert image.axes == "TCZYX"
    assert dict(image.voxel_size) == pytest.approx({"X": 0.25, "Y": 0.5, "Z": 1.5})
    assert image.channels == ("phase", "nuclei")
    assert image.time_step == pytest.approx(120)
    np.testing.assert_array_equal(image.data[1], STACK.swapaxes(0, 1))


def test_imagej_labels_of_slices_are_no_channel_names(tmp_path):
    labels = [f"c:{c}/2 z:{z}/5" for z in range(5) for c in range(2)]
    image = read_image(write_imagej(tmp_path / "a.tif", Labels=labels))
    assert image.channels == ("channel 1", "channel 2")


@pytest.mark.parametrize(("unit", "size"), [("nm", 0.25e-3), ("mm", 250.0), ("micron", 0.25)])
def test_imagej_units(tmp_path, unit, size):
    image = read_image(write_imagej(tmp_path / "a.tif", unit=unit))
    assert image.voxel_size["X"] == pytest.approx(size)


@pytest.mark.parametrize(("unit", "per_unit"), [("pixel", 1), ("inch", 72), ("cm", 28.35)])
def test_imagej_units_of_nothing_leave_the_voxel_size_unknown(tmp_path, unit, per_unit):
    path = write_imagej(tmp_path / "a.tif", resolution=(per_unit,) * 2, unit=unit, spacing=1.0)
    assert dict(read_image(path).voxel_size) == {}


@pytest.mark.parametrize(
    ("unit", "per_unit", "known"),
    [
        ("INCH", 72, {}),
        ("INCH", 96, {}),
        ("INCH", 2400, {}),
        ("CENTIMETER", 28.35, {}),
        ("NONE", 40000, {}),
        ("INCH", 50800, {"X": 0.5, "Y": 0.5}),
        ("CENTIMETER", 40000, {"X": 0.25, "Y": 0.25}),
    ],
)
def test_resolution_tags_are_believed_where_they_are_finer_than_print(
    tmp_path, unit, per_unit, known
):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, STACK[0, 0], metadata=None, resolution=(per_unit,) * 2, resolutionunit=unit
    )
    assert dict(read_image(path).voxel_size) == pytest.approx(known)


def test_ome_xml_that_is_not_valid_is_read_all_the_same(tmp_path):
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2010-06">'
        '<Image Name="x"><Pixels DimensionOrder="XYZCT" Type="uint16" SizeX="17" SizeY="20" '
        'SizeZ="5" SizeC="1" SizeT="1" PhysicalSizeX="0.1" PhysicalSizeY="oops">'
        '<Channel Name="phase"/><TiffData/></Pixels></Image></OME>'
    )
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK[:, 0], description=xml, metadata=None)
    image = read_image(path)
    assert (image.axes, image.channels, dict(image.voxel_size)) == ("ZYX", ("phase",), {"X": 0.1})


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.b.ome.tif", "a.b"),
        ("a.OME.TIFF", "a"),
        ("a.tif", "a"),
        ("a.ome", "a.ome"),
        ("µ 象.tiff", "µ 象"),
    ],
)
def test_the_name_is_that_of_the_file(file, name):
    assert image_name(f"folder/{file}") == name


def test_the_user_may_name_the_image_and_paths_need_not_be_ascii(tmp_path):
    folder = tmp_path / "Zellen µ 細胞"
    folder.mkdir()
    path = write_ome(folder / "größe.ome.tif")
    assert read_image(path).name == "größe"
    assert read_image(str(path), name="x").name == "x"


# Pixels


@pytest.mark.parametrize("lazy_above", [0, 2**26])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64"]
)
def test_data_types_and_byte_orders(tmp_path, dtype, byteorder, lazy_above):
    data = (STACK[0, 0] % 2).astype(dtype) if dtype == "bool" else STACK[0, 0].astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, byteorder=byteorder)
    image = read_image(tmp_path / "a.tif", lazy_above=lazy_above)
    assert image.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.numpy(), data)


@pytest.mark.parametrize("storage", [{}, {"rowsperstrip": 7}, {"tile": (16, 16)}])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_lazy_pixels_slice_like_numpy(tmp_path, storage, compression):
    data = np.random.default_rng(0).normal(size=(4, 50, 41)).astype("f4")
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, data, metadata={"axes": "ZYX"}, compression=compression, **storage)
    lazy = read_image(path, lazy_above=0).data
    assert not isinstance(lazy, np.ndarray)
    for key in (
        2,
        -1,
        (1, 3),
        (slice(1, 3), slice(None), 5),
        (..., slice(40, 3, -4)),
        (slice(None, None, -1), slice(5, 45)),
        (0, [4, 1, 30]),
        (slice(None), np.array([7, 3]), slice(2, 9)),
    ):
        np.testing.assert_array_equal(np.asarray(lazy[key]), data[key])
    np.testing.assert_array_equal(np.asarray(lazy), data)


def test_lazy_pixels_hold_no_file_open_and_stay_readable_from_threads(tmp_path):
    path = write_ome(tmp_path / "a.ome.tif")
    lazy = read_image(path, lazy_above=0).data
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(np.asarray(lazy[0]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert all((plane == STACK[:, 0]).all() for plane in seen)
    if os.path.isdir("/proc/self/fd"):
        held = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
        assert str(path) not in held


def test_only_what_is_asked_for_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.ones((8, 64, 64), "u2"), metadata={"axes": "ZYX"}, compression="zlib")
    image = read_image(path, lazy_above=0)
    keys, read = [], _lazy._Source.__getitem__
    monkeypatch.setattr(
        _lazy._Source, "__getitem__", lambda self, key: keys.append(key) or read(self, key)
    )
    plane = image.select("Z", 3)
    assert keys == []
    plane.numpy()
    assert len(keys) == 1


def test_large_files_are_lazy(tmp_path):
    path = tmp_path / "a.ome.tif"
    data = np.zeros((5, 2600, 2600), np.uint16)
    tifffile.imwrite(path, data, metadata={"axes": "ZYX"}, compression="zlib")
    image = read_image(path)
    assert not isinstance(image.data, np.ndarray)
    assert image.shape == data.shape


def test_a_file_that_changes_after_it_was_opened_is_refused(tmp_path):
    path = write_ome(tmp_path / "a.ome.tif")
    lazy = read_image(path, lazy_above=0).data
    write_ome(path, STACK[:, :, :10])
    with pytest.raises(VirtualStainError, match="changed since it was opened"):
        np.asarray(lazy[0])
    path.unlink()
    with pytest.raises(VirtualStainError, match="could be opened but not read"):
        np.asarray(lazy[0])


def test_pyramids_are_read_at_full_resolution(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(STACK, subifds=1, metadata={"axes": "ZCYX"}, tile=(16, 16))
        tiff.write(STACK[..., ::2, ::2], subfiletype=1, tile=(16, 16))
    for lazy_above in (0, 2**26):
        image = read_image(path, lazy_above=lazy_above)
        np.testing.assert_array_equal(image.numpy(), STACK.swapaxes(0, 1))


def test_of_several_images_the_largest_is_read_and_said(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(STACK[0, 0, :8, :8], metadata={"axes": "YX", "Name": "overview"})
        tiff.write(
            STACK,
            metadata={"axes": "ZCYX", "PhysicalSizeX": 0.3, "Channel": {"Name": ["a", "b"]}},
        )
    with pytest.warns(VirtualStainWarning, match="holds 2 images; the largest"):
        image = read_image(path)
    assert image.axes == "CZYX"
    assert image.channels == ("a", "b")
    assert dict(image.voxel_size) == {"X": 0.3}


# What is refused


@pytest.mark.parametrize("suffix", ["tif", "ome.tif"])
def test_colour_is_refused_unless_its_colours_are_called_channels(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    data = np.random.default_rng(1).integers(0, 99, (20, 17, 3), dtype=np.uint8)
    tifffile.imwrite(path, data, photometric="rgb")
    with pytest.raises(VirtualStainError, match=r'colour \(RGB\).*split.*axes="YXC"'):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, axes="YXC").data, np.moveaxis(data, -1, 0))


def test_colour_stacks_with_alpha_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    data = np.zeros((2, 20, 17, 4), np.uint8)
    tifffile.imwrite(path, data, photometric="rgb", extrasamples=["unassalpha"])
    with pytest.raises(VirtualStainError, match=r"colour \(RGB\)"):
        read_image(path)


def test_three_planes_that_could_be_colours_are_refused_unless_the_file_names_them(tmp_path):
    # tifffile stores three planes as red, green and blue, one after the other, if not told else.
    path = tmp_path / "a.tif"
    data = STACK[:3, 0]
    with pytest.warns(DeprecationWarning, match="stored as RGB"):
        tifffile.imwrite(path, data)
    with pytest.raises(VirtualStainError, match='axes="CYX"'):
        read_image(path)
    with pytest.warns(DeprecationWarning, match="stored as RGB"):
        tifffile.imwrite(path, data, metadata={"axes": "ZYX"})
    image = read_image(path)
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, data)


def test_complex_pixels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 17), complex))
    with pytest.raises(VirtualStainError, match="type complex128, which is not a grey value"):
        read_image(tmp_path / "a.tif")


def test_missing_files_folders_empty_and_foreign_files(tmp_path):
    with pytest.raises(VirtualStainError, match=r"there is no file .*nope\.tif"):
        read_image(tmp_path / "nope.tif")
    with pytest.raises(VirtualStainError, match="is a folder"):
        read_image(tmp_path)
    (tmp_path / "empty.tif").write_bytes(b"")
    with pytest.raises(VirtualStainError, match=r"empty\.tif: the file is empty"):
        read_image(tmp_path / "empty.tif")
    for content in (b"\x89PNG\r\n\x1a\n" + bytes(64), b"II", b"hello"):
        (tmp_path / "foreign.tif").write_bytes(content)
        with pytest.raises(VirtualStainError, match=r"foreign\.tif: this is not a TIFF file"):
            read_image(tmp_path / "foreign.tif")
    (tmp_path / "damaged.tif").write_bytes(b"II*\0" + bytes(range(200)))
    with pytest.raises(VirtualStainError, match=r"damaged\.tif: the file"):
        read_image(tmp_path / "damaged.tif")


def write_plain(path, data):
    tifffile.imwrite(path, data, metadata=None, compression="zlib")


def write_shaped(path, data):
    tifffile.imwrite(path, data, metadata={"axes": "ZYX"})


def write_hyperstack(path, data):
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": "ZYX"})


def write_ome_compressed(path, data):
    tifffile.imwrite(path, data, ome=True, metadata={"axes": "ZYX"}, compression="zlib")


@pytest.mark.parametrize(
    "write", [write_plain, write_shaped, write_hyperstack, write_ome_compressed]
)
@pytest.mark.parametrize("lazy_above", [0, 2**26])
@pytest.mark.filterwarnings("ignore::napari_virtual_stain.errors.VirtualStainWarning")
def test_a_file_cut_anywhere_is_refused(tmp_path, write, lazy_above):
    whole, cut = tmp_path / "whole.tif", tmp_path / "cut.tif"
    write(whole, STACK[:, 0])
    content = whole.read_bytes()
    np.testing.assert_array_equal(read_image(whole).data, STACK[:, 0])
    for length in [*range(8, len(content), 97), len(content) - 1]:
        cut.write_bytes(content[:length])
        try:
            image = read_image(cut, lazy_above=lazy_above)
        except VirtualStainError:
            continue
        # The last byte may be one that only pads.
        assert length == len(content) - 1
        np.testing.assert_array_equal(image.numpy(), STACK[:, 0])


def test_truncated_says_so(tmp_path):
    path = tmp_path / "a.tif"
    write_shaped(path, STACK[:, 0])
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(VirtualStainError, match=r"a\.tif: the file is truncated"):
        read_image(path)


@pytest.mark.parametrize("lazy_above", [0, 2**26])
def test_damaged_pixels_are_said_when_they_are_read(tmp_path, lazy_above):
    path = tmp_path / "a.ome.tif"
    write_ome_compressed(path, STACK[:, 0])
    with tifffile.TiffFile(path) as tiff:
        start = tiff.pages[1].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 64)
    with pytest.raises(VirtualStainError, match="damaged"):
        read_image(path, lazy_above=lazy_above).numpy()


@pytest.mark.parametrize("lazy_above", [0, 2**26])
def test_an_unknown_compression_names_the_package_that_is_missing(tmp_path, lazy_above):
    if importlib.util.find_spec("imagecodecs"):
        pytest.skip("imagecodecs is installed")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0, 0], metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags["Compression"].overwrite(5)
    with pytest.raises(VirtualStainError, match=r"LZW.*imagecodecs"):
        read_image(path, lazy_above=lazy_above).numpy()


def test_sets_of_files_work_and_missing_companions_are_said(tmp_path):
    for channel in range(2):
        blocks = "".join(
            f'<TiffData FirstC="{c}" IFD="0" PlaneCount="1">'
            f'<UUID FileName="c{c}.ome.tif">urn:uuid:{c}</UUID></TiffData>'
            for c in range(2)
        )
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{channel}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYCZT" Type="uint16" SizeX="17" SizeY="20" SizeZ="1" SizeC="2" '
            'SizeT="1"><Channel ID="Channel:0" Name="a"/><Channel ID="Channel:1" Name="b"/>'
            f"{blocks}</Pixels></Image></OME>"
        )
        tifffile.imwrite(
            tmp_path / f"c{channel}.ome.tif", STACK[0, channel], description=xml, metadata=None
        )
    for lazy_above in (0, 2**26):
        image = read_image(tmp_path / "c0.ome.tif", lazy_above=lazy_above)
        assert image.channels == ("a", "b")
        np.testing.assert_array_equal(image.numpy(), STACK[0])

    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(tmp_path / "c0.ome.tif", alone)
    with pytest.raises(VirtualStainError, match=r"1 of the 2 planes .* missing.*companion files"):
        read_image(alone / "c0.ome.tif")


# Real files


@pytest.mark.data
def test_real_files_are_read_as_tifffile_describes_them(data_folder):
    files = sorted(data_folder.glob("**/*.tif"))
    assert files
    for path in files:
        image = read_image(path)
        with tifffile.TiffFile(path) as tiff:
            stored = tiff.series[0].axes
            expected = tiff.asarray().transpose([stored.index(axis) for axis in image.axes])
        np.testing.assert_array_equal(image.data, expected)


@pytest.mark.data
def test_real_voxel_sizes_and_channels(data_folder):
    embryo = read_image(data_folder / "idr0062_3d_laminb1_dapi" / "embryo.ome.tif")
    assert embryo.axes == "CZYX"
    assert embryo.shape == (2, 48, 275, 208)
    assert dict(embryo.voxel_size) == {"Z": 0.5002, "Y": 0.3604, "X": 0.3604}
    assert embryo.channels == ("LaminB1", "DAPI")
    phase = read_image(data_folder / "isl_condition_b" / "phase.ome.tif")
    assert (phase.axes, phase.shape, phase.channels) == ("ZYX", (13, 1024, 800), ())
