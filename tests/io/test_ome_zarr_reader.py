"""OME-Zarrs of others: what is read, what is refused, and in which words."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import zarr
from numcodecs import Pickle

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io import read_image
from napari_virtual_stain.io.ome_zarr.attributes import MOST_JSON, is_ome_zarr
from napari_virtual_stain.io.ome_zarr.reader import read_multiscale

PLANE = np.arange(12, dtype="u2").reshape(3, 4)


def axis(name, unit=None):
    kind = {"t": "time", "c": "channel"}.get(name, "space")
    return {"name": name, "type": kind} | ({"unit": unit} if unit else {})


def multiscale(axes="yx", units=(), scale=None, path="0", **more):
    units = dict(zip(axes[-len(units) :] if units else "", units, strict=False))
    transform = {"type": "scale", "scale": scale or [1.0] * len(axes)}
    return {
        "version": "0.4",
        "axes": [axis(name, units.get(name)) for name in axes],
        "datasets": [{"path": path, "coordinateTransformations": [transform]}],
        **more,
    }


@pytest.fixture
def store(tmp_path):
    """Return a function that makes a folder of attributes (0.4, unless they say else), pixels."""

    def make(attributes, pixels=PLANE, name="a.ome.zarr", **options):
        folder = tmp_path / name
        form = 3 if "ome" in attributes else 2
        group = zarr.create_group(folder, zarr_format=form, attributes=attributes, overwrite=True)
        if pixels is not None:
            array = group.create_array("0", shape=pixels.shape, dtype=pixels.dtype, **options)
            array[...] = pixels
        return folder

    return make


def test_units_become_micrometres_and_seconds(store):
    units = ["millisecond", "nanometer", "millimeter", "angstrom"]
    pixels = np.zeros((2, 2, 2, 2), "u1")
    read = read_image(
        store({"multiscales": [multiscale("tzyx", units, [20, 300, 1e-3, 5e3])]}, pixels)
    )
    assert read.time_step == pytest.approx(0.02)
    assert dict(read.voxel_size) == pytest.approx({"Z": 0.3, "Y": 1.0, "X": 0.5})


@pytest.mark.parametrize("unit", ["pixel", "", "furlong"])
def test_units_that_are_none_leave_the_voxel_size_unknown(store, unit):
    read = read_image(store({"multiscales": [multiscale(units=[unit, unit])]}))
    assert dict(read.voxel_size) == {}


def test_transformations_of_all_resolutions_are_applied_to_the_first(store):
    shift = {"type": "translation", "translation": [10.0, 0.0]}
    scale = multiscale(units=["micrometer"] * 2, scale=[0.5, 0.25])
    scale["datasets"][0]["coordinateTransformations"].append(shift)
    scale["coordinateTransformations"] = [{"type": "scale", "scale": [2.0, 1.0]}]
    source = read_multiscale(store({"multiscales": [scale]}))
    assert dict(source.image.voxel_size) == {"Y": 1.0, "X": 0.25}
    assert source.offset == (20.0, 0.0)


def test_channels_are_read_as_far_as_they_can_be_understood(store):
    window = {"start": 5, "end": 90, "min": 0, "max": 255}
    channels = [
        {"label": "DAPI", "color": "0000ff", "window": window},
        {"label": 3, "color": "blue", "window": {"start": "a", "end": None}},
        "nonsense",
    ]
    attributes = {"multiscales": [multiscale("cyx")], "omero": {"channels": channels}}
    source = read_multiscale(store(attributes, np.zeros((3, 4, 5), "u1")))
    assert source.image.channels == ("DAPI", "channel 2", "channel 3")
    assert source.colors == ("0000FF", None, None)
    assert source.windows == ((5.0, 90.0), None, None)


@pytest.mark.parametrize("omero", [None, 3, [], {"channels": {}}, {"channels": [{}]}])
def test_channels_that_say_nothing_are_numbered(store, omero):
    attributes = {"multiscales": [multiscale("cyx")], "omero": omero}
    read = read_image(store(attributes, np.zeros((2, 4, 5), "u1")))
    assert read.channels == ("channel 1", "channel 2")


def test_byte_orders_and_missing_chunks(store):
    folder = store(
        {"multiscales": [multiscale()]}, PLANE.astype(">u2"), chunks=(2, 2), fill_value=7
    )
    (folder / "0" / "0.0").unlink()
    read = read_image(folder)
    assert read.dtype == np.dtype("u2")
    assert read.dtype.isnative
    expected = PLANE.copy()
    expected[:2, :2] = 7
    np.testing.assert_array_equal(read.numpy(), expected)


def test_a_label_image_is_read_as_labels(store):
    attributes = {"multiscales": [multiscale()], "image-label": {}}
    assert read_image(store(attributes)).provenance == {"labels": True}


def test_of_what_bioformats2raw_made_of_one_image_the_outer_folder_will_do(store, tmp_path):
    store({"multiscales": [multiscale()]}, name="a.zarr/0")
    outer = store({"bioformats2raw.layout": 3}, None, name="b.zarr")
    (tmp_path / "a.zarr" / "0").rename(outer / "0")
    assert read_image(outer).name == "b"
    store({"multiscales": [multiscale()]}, name="c.zarr/1")
    (tmp_path / "c.zarr" / "1").rename(outer / "1")
    with pytest.raises(VirtualStainError, match=r"b\.zarr holds several images; .*b\.zarr/0\."):
        read_image(outer)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        (
            {"plate": {"wells": [{"path": "B/3"}]}},
            r"a\.ome\.zarr is a plate; open one field .*a\.ome\.zarr/B/3/0",
        ),
        ({"ome": {"version": "0.5", "plate": {}}}, r"is a plate; .*a\.ome\.zarr/A/1/0"),
        ({"well": {"images": [{"path": "2"}]}}, r"is a well; .*a\.ome\.zarr/2"),
        ({"labels": ["cells"]}, r"is a list of labels; .*a\.ome\.zarr/cells, or their image"),
        ({}, r"is a folder, but no OME-Zarr"),
        ({"ome": 3}, r"is a folder, but no OME-Zarr"),
        ({"multiscales": []}, "the metadata name no image"),
        ({"multiscales": [multiscale() | {"version": "0.1"}]}, r"an OME-Zarr of version 0\.1;"),
        ({"ome": {"version": "0.7", "multiscales": [multiscale()]}}, r"of version 0\.7;"),
        ({"multiscales": [{"axes": "yx"}]}, r"no valid OME-Zarr 0\.4 \(axes: .*\); export"),
        ({"multiscales": [multiscale() | {"datasets": []}]}, r"no valid OME-Zarr 0\.4 \(datasets:"),
        ({"multiscales": [multiscale("xy")]}, r"the axes of the image are x, y; "),
        ({"multiscales": [multiscale("cyx")]}, "have 2 axes, but the metadata name 3"),
        ({"multiscales": [multiscale("ayx")]}, "the metadata|the axes"),
        ({"multiscales": [multiscale(path="1")]}, "the pixels in '1' are missing"),
        ({"multiscales": [multiscale(path="../b/0")]}, r"'\.\./b/0' is not a valid Zarr node name"),
        ({"multiscales": [multiscale(path="/etc")]}, "The name '/etc' is not a valid"),
        ({"multiscales": [multiscale(path="..\\b")]}, "outside of the image"),
        ({"multiscales": [multiscale(path="c:/b")]}, "outside of the image"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused_in_a_sentence(store, attributes, said):
    with pytest.raises(VirtualStainError, match=said):
        read_image(store(attributes))


def test_a_link_out_of_the_image_is_not_followed(store, tmp_path):
    store({"multiscales": [multiscale()]}, name="other.zarr")
    folder = store({"multiscales": [multiscale()]}, None)
    (folder / "0").symlink_to(tmp_path / "other.zarr" / "0")
    with pytest.raises(VirtualStainError, match="outside of the image"):
        read_image(folder)


def test_missing_folders_files_and_folders_of_other_things(tmp_path):
    with pytest.raises(VirtualStainError, match="there is no folder"):
        read_image(tmp_path / "a.zarr")
    (tmp_path / "b.zarr").write_bytes(b"PK")
    with pytest.raises(VirtualStainError, match="is a file; an OME-Zarr is a folder"):
        read_image(tmp_path / "b.zarr")
    with pytest.raises(VirtualStainError, match="is a folder, but no OME-Zarr"):
        read_image(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"[" * 10**6, "is damaged"),
        (b"[]", "holds no metadata"),
        (b" " * (MOST_JSON + 1), "has more than 16 MiB"),
    ],
)
@pytest.mark.parametrize("file", [".zattrs", "0/.zarray"])
def test_damaged_metadata_are_said(store, content, said, file):
    folder = store({"multiscales": [multiscale()]})
    (folder / file).write_bytes(content)
    with pytest.raises(VirtualStainError, match=f"{said}"):
        read_image(folder)


def changed(folder, **fields):
    file = folder / "0" / ".zarray"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))
    return folder


class Harm:
    """What a pickle does when it is loaded."""

    def __reduce__(self):
        return open, ("harm done", "w")


@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_pickles_are_never_loaded(store, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    folder = store({"multiscales": [multiscale()]}, compressors=None)
    codec = Pickle().get_config()
    changed(folder, dtype="|O", **{place: [codec] if place == "filters" else codec})
    (folder / "0" / "0.0").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(VirtualStainError, match="packed with 'pickle', which is not read here"):
        read_image(folder).numpy()
    assert not (tmp_path / "harm done").exists()


def test_unknown_codecs_within_shards_are_refused(store):
    attributes = {"ome": {"version": "0.5", "multiscales": [multiscale()]}}
    folder = store(attributes, np.zeros((8, 8), "u1"), chunks=(2, 2), shards=(4, 4))
    assert read_image(folder).numpy().shape == (8, 8)
    file = folder / "0" / "zarr.json"
    file.write_text(file.read_text().replace('"zstd"', '"numcodecs.pickle"'))
    with pytest.raises(VirtualStainError, match="packed with 'pickle'"):
        read_image(folder)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"shape": [2**40, 2**40], "chunks": [2**40, 2**40]}, "a chunk of it is larger than 4 GiB"),
        ({"shape": [2**45, 2**45], "chunks": [16, 16]}, "too many to be read"),
        ({"shape": [0, 4]}, "the image is empty"),
        ({"shape": "a"}, "are damaged"),
        ({"chunks": [-1, 4]}, "are damaged|is empty"),
        ({"dtype": "<c8", "fill_value": None}, "of the type complex64"),
    ],
)
def test_sizes_and_types_are_checked_before_anything_is_read(store, fields, said):
    with pytest.raises(VirtualStainError, match=said):
        read_image(changed(store({"multiscales": [multiscale()]}), **fields))


def test_whether_a_folder_is_one_is_found_without_raising(store, tmp_path):
    assert is_ome_zarr(store({"multiscales": [multiscale()]}))
    assert is_ome_zarr(store({"plate": {}}))
    assert not is_ome_zarr(store({}, None))
    (tmp_path / "a.ome.zarr" / ".zattrs").write_bytes(b"{")
    assert not is_ome_zarr(tmp_path / "a.ome.zarr")
    assert not is_ome_zarr(tmp_path / "none")
