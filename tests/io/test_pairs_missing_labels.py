"""Images that lack some of the targets, and images in OME-Zarrs."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.image import Image
from napari_virtual_stain.io.images import write_image
from napari_virtual_stain.io.pairs import read_pairs, read_stacks

RANDOM = np.random.default_rng(1)


def write(path, *channels, z=0, **changes):
    shape = [max(len(channels), 1), *([z] if z else []), 12, 10]
    data = RANDOM.integers(0, 999, shape, dtype=np.uint16)
    axes = "CZYX" if z else "CYX"
    if len(channels) < 2:
        data, axes = data[0], axes[1:]
    write_image(Image(data, axes, channels=channels, **changes), path)
    return data


def test_a_file_may_lack_some_of_the_targets(tmp_path):
    write(tmp_path / "a.tif", "phase", "DNA", "ER")
    data = write(tmp_path / "b.tif", "phase", "er")
    with pytest.warns(VirtualStainWarning, match=r"1 of 2 images lack the target 'DNA' \(b\)"):
        read = read_pairs(tmp_path, inputs=["phase"], targets=["DNA", "ER"])
    assert [target.channels for _, target in read] == [("DNA", "ER"), ("er",)]
    assert [target.axes for _, target in read] == ["CYX", "YX"]
    np.testing.assert_array_equal(read[1][1].numpy(), data[1])


def test_a_file_without_any_target_is_refused(tmp_path):
    write(tmp_path / "a.tif", "phase", "DNA", "ER")
    write(tmp_path / "b.tif", "phase", "RNA")
    with pytest.raises(VirtualStainError, match=r"b: there is no channel named 'DNA'.*'RNA'"):
        read_pairs(tmp_path, inputs=["phase"], targets=["DNA", "ER"])


def test_a_target_that_no_file_has_is_refused(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.tif", "phase", "DNA")
    with pytest.raises(VirtualStainError, match="no channel named 'RNA'"):
        read_pairs(tmp_path, inputs=["phase"], targets=["DNA", "RNA"])


def test_an_input_is_never_missing(tmp_path):
    write(tmp_path / "a.tif", "phase", "DIC", "DNA")
    write(tmp_path / "b.tif", "phase", "DNA")
    with pytest.raises(VirtualStainError, match="b: there is no channel named 'DIC'"):
        read_pairs(tmp_path, inputs=["phase", "DIC"], targets=["DNA"])


def test_a_folder_of_a_target_may_lack_images(tmp_path):
    for file in ("bf/a", "bf/b", "bf/c", "dna/a", "dna/b", "er/b", "er/c"):
        write(tmp_path / f"{file}.tif")
    with pytest.warns(VirtualStainWarning) as said:
        read = read_pairs(tmp_path, inputs=["bf"], targets=["dna", "er"])
    assert [target.channels for _, target in read] == [("dna",), ("dna", "er"), ("er",)]
    assert [str(one.message).split(";")[0] for one in said] == [
        "1 of 3 images lack the target 'dna' (c)",
        "1 of 3 images lack the target 'er' (a)",
    ]


def test_an_image_without_any_target_is_refused(tmp_path):
    for file in ("bf/a", "bf/b", "dna/a", "er/a"):
        write(tmp_path / f"{file}.tif")
    with pytest.raises(VirtualStainError, match=r"bf/b\.tif has no partner .* folder 'dna'"):
        read_pairs(tmp_path, inputs=["bf"], targets=["dna", "er"])


def test_an_ome_zarr_of_several_channels(tmp_path):
    data = write(tmp_path / "slide.ome.zarr", "phase", "DNA")
    [(source, target)] = read_pairs(tmp_path / "slide.ome.zarr", inputs=["phase"], targets=["DNA"])
    assert not isinstance(source.data, np.ndarray)
    np.testing.assert_array_equal(source.numpy(), data[0])
    np.testing.assert_array_equal(target.numpy(), data[1])


def test_ome_zarrs_stand_beside_files(tmp_path):
    write(tmp_path / "b.ome.zarr", "phase", "DNA")
    write(tmp_path / "a.tif", "phase", "DNA")
    read = read_pairs(tmp_path, inputs=["phase"], targets=["DNA"])
    assert [source.name for source, _ in read] == ["a", "b"]
    write(tmp_path / "b.tif", "phase", "DNA")
    with pytest.raises(VirtualStainError, match=r"holds b\.ome\.zarr and b\.tif"):
        read_pairs(tmp_path, inputs=["phase"], targets=["DNA"])


def test_folders_of_ome_zarrs(tmp_path):
    data = write(tmp_path / "bf" / "a.zarr", z=3)
    write(tmp_path / "dna" / "a.ome.tif")
    [(source, target)] = read_pairs(tmp_path, inputs=["bf"])
    assert (source.axes, source.channels, target.channels) == ("ZYX", ("bf",), ("dna",))
    np.testing.assert_array_equal(source.numpy(), data)


def test_a_list_names_ome_zarrs(tmp_path):
    write(tmp_path / "a.ome.zarr")
    write(tmp_path / "b.tif")
    (tmp_path / "pairs.csv").write_text("input,target\na.ome.zarr,b.tif\n")
    [(source, _)] = read_pairs(tmp_path / "pairs.csv")
    assert source.name == "a"


def test_stacks_of_a_folder(tmp_path):
    for name in ("b", "a"):
        write(tmp_path / f"{name}.tif", "phase", "DNA", z=3, voxel_size={"Z": 2.0})
    read = read_stacks(tmp_path, channels=["DNA"])
    assert [(one.name, one.axes, one.channels) for one in read] == [
        ("a", "ZYX", ("DNA",)),
        ("b", "ZYX", ("DNA",)),
    ]
    [whole] = read_stacks(tmp_path / "a.tif")
    assert whole.axes == "CZYX"
    (tmp_path / "empty").mkdir()
    with pytest.raises(VirtualStainError, match="empty holds no images"):
        read_stacks(tmp_path / "empty")
