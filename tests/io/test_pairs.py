from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.io.images import write_image
from napari_virtual_stain.io.pairs import read_pairs, sides

RANDOM = np.random.default_rng(0)


def write(path, axes="YX", channels=(), **sizes):
    sizes = {"T": 2, "C": max(len(channels), 1), "Z": 3, "Y": 12, "X": 10} | sizes
    data = RANDOM.integers(0, 999, [sizes[axis] for axis in axes], dtype=np.uint16)
    write_image(Image(data, axes, voxel_size={"X": 0.5}, channels=channels), path)
    return data


# A folder of multi-channel files


def test_channels_of_each_file(tmp_path):
    names = ["phase", "DAPI", "NFH"]
    two = write(tmp_path / "b.ome.tif", "CYX", names)
    one = write(tmp_path / "a.tiff", "CYX", names)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "._a.tif").write_bytes(b"\0")
    read = read_pairs(tmp_path, inputs=["phase"], targets=["NFH", "dapi"])
    assert [image.name for image, _ in read] == ["a", "b"]
    for (image, target), data in zip(read, (one, two), strict=True):
        assert (image.axes, image.channels) == ("YX", ("phase",))
        assert (target.axes, target.channels) == ("CYX", ("NFH", "DAPI"))
        assert dict(target.voxel_size) == {"X": 0.5}
        np.testing.assert_array_equal(image.data, data[0])
        np.testing.assert_array_equal(target.data, data[[2, 1]])


@pytest.mark.parametrize("held", [0, 2**31])
def test_one_file_with_time_and_z(tmp_path, monkeypatch, held):
    monkeypatch.setattr(sides, "HELD", held)
    data = write(tmp_path / "a.ome.tif", "TCZYX", ["a", "b", "c"])
    [(image, target)] = read_pairs(tmp_path / "a.ome.tif", inputs=["b"], targets=["c", "a"])
    assert (image.axes, target.axes) == ("TZYX", "TCZYX")
    assert isinstance(target.data, np.ndarray) == bool(held)
    np.testing.assert_array_equal(image.numpy(), data[:, 1])
    np.testing.assert_array_equal(target.numpy(), data[:, [2, 0]])


def test_channels_have_to_be_named(tmp_path):
    write(tmp_path / "a.ome.tif", "CYX", ["phase", "DAPI"])
    with pytest.raises(VirtualStainError, match=r"which channels.*a\.ome\.tif has 'phase', 'DAPI'"):
        read_pairs(tmp_path, inputs=["phase"])


def test_a_file_without_the_channel_is_named(tmp_path):
    write(tmp_path / "a.ome.tif", "CYX", ["phase", "DAPI"])
    write(tmp_path / "b.ome.tif", "CYX", ["phase", "GFP"])
    with pytest.raises(VirtualStainError, match=r"b: there is no channel named 'DAPI'.*'GFP'"):
        read_pairs(tmp_path, inputs=["phase"], targets=["DAPI"])


def test_a_channel_cannot_be_both(tmp_path):
    with pytest.raises(VirtualStainError, match="'phase' is given as an input and as a target"):
        read_pairs(tmp_path, inputs="phase", targets=["DAPI", "phase"])


def test_a_channel_is_given_once(tmp_path):
    write(tmp_path / "a.tif", "CYX", ["bf", "dapi"])
    with pytest.raises(VirtualStainError, match="'bf' is given twice as an input; once is enough"):
        read_pairs(tmp_path, inputs=["bf", "bf"], targets=["dapi"])


def test_two_files_of_one_name_are_refused(tmp_path):
    write(tmp_path / "a.ome.tif", "CYX", ["a", "b"])
    write(tmp_path / "a.tif", "CYX", ["a", "b"])
    with pytest.raises(VirtualStainError, match=r"holds a\.ome\.tif and a\.tif"):
        read_pairs(tmp_path, inputs=["a"], targets=["b"])


# A folder with one folder per channel


def test_folders_are_channels(tmp_path):
    data = {
        (folder, name): write(tmp_path / folder / f"{name}.tif")
        for folder in ("bf", "dapi", "gfp")
        for name in ("b", "a")
    }
    (tmp_path / "empty").mkdir()
    read = read_pairs(tmp_path, inputs=["bf"], targets=["gfp", "dapi"])
    assert [image.name for image, _ in read] == ["a", "b"]
    for image, target in read:
        assert (image.axes, image.channels) == ("YX", ("bf",))
        assert (target.axes, target.channels) == ("CYX", ("gfp", "dapi"))
        np.testing.assert_array_equal(image.data, data["bf", image.name])
        np.testing.assert_array_equal(target.data[0], data["gfp", image.name])
        np.testing.assert_array_equal(target.data[1], data["dapi", image.name])


@pytest.mark.parametrize("roles", [{"inputs": ["bf"]}, {"targets": ["dapi"]}])
def test_of_two_folders_one_needs_a_name(tmp_path, roles):
    write(tmp_path / "bf" / "a.ome.tif", "ZYX")
    write(tmp_path / "dapi" / "a.tif")
    [(image, target)] = read_pairs(tmp_path, **roles)
    assert (image.axes, image.channels) == ("ZYX", ("bf",))
    assert (target.axes, target.channels) == ("YX", ("dapi",))


def test_a_folder_may_hold_multi_channel_files(tmp_path):
    write(tmp_path / "bf" / "a.tif")
    write(tmp_path / "stains" / "a.tif", "CYX", ["DAPI", "GFP"])
    write(tmp_path / "more" / "a.tif")
    [(_, target)] = read_pairs(tmp_path, inputs=["bf"], targets=["stains"])
    assert target.channels == ("DAPI", "GFP")
    [(_, target)] = read_pairs(tmp_path, inputs=["bf"], targets=["stains", "more"])
    assert target.channels == ("stains DAPI", "stains GFP", "more")
    assert target.shape == (3, 12, 10)


def test_folders_have_to_be_named_and_to_exist(tmp_path):
    for folder in ("bf", "dapi", "gfp"):
        write(tmp_path / folder / "a.tif")
    with pytest.raises(VirtualStainError, match=r"which folders .* 'bf', 'dapi', 'gfp'"):
        read_pairs(tmp_path, inputs=["bf"])
    with pytest.raises(VirtualStainError, match=r"no folder 'gpf' .* 'bf', 'dapi', 'gfp'"):
        read_pairs(tmp_path, inputs=["bf"], targets=["gpf"])


def test_a_file_without_partner_is_named(tmp_path):
    for file in ("bf/a.tif", "bf/b.tif", "dapi/a.tif"):
        write(tmp_path / file)
    with pytest.raises(VirtualStainError, match=r"bf/b\.tif has no partner .* folder 'dapi'"):
        read_pairs(tmp_path, inputs=["bf"])


def test_folders_of_other_sizes_cannot_be_channels_of_one_image(tmp_path):
    write(tmp_path / "bf" / "a.tif")
    write(tmp_path / "one" / "a.tif")
    write(tmp_path / "two" / "a.tif", X=9)
    with pytest.raises(
        VirtualStainError, match=r"one/a\.tif \(Y 12 × X 10\) and two/a\.tif \(Y 12 × X 9\) cannot"
    ):
        read_pairs(tmp_path, inputs=["bf"], targets=["one", "two"])


def test_a_folder_without_images(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.png").write_bytes(b"")
    with pytest.raises(VirtualStainError, match="holds no pairs"):
        read_pairs(tmp_path, inputs=["a"], targets=["b"])


# A list


def listing(tmp_path, *lines, header="input,target", encoding="utf-8"):
    path = tmp_path / "pairs.csv"
    path.write_bytes("\n".join([header, *lines]).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_list_of_pairs(tmp_path, encoding):
    phase = write(tmp_path / "für" / "phase.tif", "ZYX")
    stains = write(tmp_path / "stains.ome.tif", "CYX", ["DAPI", "GFP", "NFH"])
    other = write(tmp_path / "a.tif")
    path = listing(
        tmp_path,
        "für/phase.tif, stains.ome.tif",
        "",
        f'"{tmp_path}/a.tif",stains.ome.tif',
        header="Input, target",
        encoding=encoding,
    )
    read = read_pairs(path)
    assert [image.axes for image, _ in read] == ["ZYX", "YX"]
    np.testing.assert_array_equal(read[0][0].data, phase)
    np.testing.assert_array_equal(read[1][0].data, other)
    assert read[0][1].channels == ("DAPI", "GFP", "NFH")

    read = read_pairs(path, inputs=["phase"], targets=["NFH", "DAPI"])
    assert read[0][0].channels == ("phase",)
    np.testing.assert_array_equal(read[0][1].data, stains[[2, 0]])
    with pytest.raises(VirtualStainError, match="stains: there is no channel named 'CFP'"):
        read_pairs(path, targets=["CFP"])


@pytest.mark.parametrize(
    ("header", "lines", "said"),
    [
        ("", [], "first line .* input,target or .*; (it is ''|the file is empty)"),
        ("input;target", ["a.tif;b.tif"], "first line .*input,target or .*; it is 'input;target'"),
        ("target,input", ["a.tif,a.tif"], "first line"),
        ("input,target", [], "lists no pairs"),
        ("input,target", ["a.tif,a.tif", "a.tif,"], r"line 3: a pair is two paths.*'a\.tif,'"),
        ("input,target", ["a.tif"], "line 2: a pair is two paths"),
        ("input,target", ["a.tif,a.tif,a.tif"], "line 2: a pair is two paths"),
        ("input,target", ["a.tif,b.tif"], r"line 2: there is no file .*b\.tif; paths are relative"),
    ],
)
def test_lists_that_are_wrong(tmp_path, header, lines, said):
    write(tmp_path / "a.tif")
    with pytest.raises(VirtualStainError, match=rf"pairs\.csv.*({said})"):
        read_pairs(listing(tmp_path, *lines, header=header))


def test_a_list_that_is_not_utf_8(tmp_path):
    path = listing(tmp_path, "für.tif,für.tif", encoding="latin-1")
    with pytest.raises(VirtualStainError, match="could not be read as CSV in UTF-8"):
        read_pairs(path)


def test_what_is_not_there(tmp_path):
    for name in ("nope", "nope.csv", "nope.tif"):
        with pytest.raises(VirtualStainError, match=f"there is no file .*{name}"):
            read_pairs(tmp_path / name, inputs=["a"], targets=["b"])


# Sizes


@pytest.mark.parametrize(
    ("axes", "sizes", "said"),
    [
        ("YX", {"Y": 11}, r"a\.tif \(Z 3 × Y 12 × X 10\) and b\.tif \(Y 11 × X 10\) .* along Y"),
        ("CYX", {"Y": 9, "X": 9}, "along Y and X"),
        ("ZYX", {"Z": 4}, "along Z"),
    ],
)
def test_pairs_of_different_sizes_are_refused(tmp_path, axes, sizes, said):
    write(tmp_path / "a.tif", "ZYX")
    write(tmp_path / "b.tif", axes, channels=["c", "d"] if "C" in axes else [], **sizes)
    with pytest.raises(VirtualStainError, match=said):
        read_pairs(listing(tmp_path, "a.tif,b.tif"))


def test_many_files_do_not_fill_the_memory(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.ome.tif", "CYX", ["x", "y"])
    one_file = 2 * 12 * 10 * 2
    monkeypatch.setattr(sides, "HELD", 3 * one_file)
    assert all(
        isinstance(image.data, np.ndarray)
        for image, _ in read_pairs(tmp_path, inputs=["x"], targets=["y"])
    )
    monkeypatch.setattr(sides, "HELD", 3 * one_file - 1)
    assert not any(
        isinstance(image.data, np.ndarray)
        for image, _ in read_pairs(tmp_path, inputs=["x"], targets=["y"])
    )


# Real files


@pytest.mark.data
def test_a_real_list(tmp_path, data_folder):
    folder = data_folder / "isl_condition_b"
    path = listing(tmp_path, f"{folder}/phase.ome.tif,{folder}/fluorescence.ome.tif")
    [(phase, stains)] = read_pairs(path, inputs=["phase"], targets=["DAPI", "NFH"])
    assert (phase.axes, phase.shape, phase.channels) == ("ZYX", (13, 1024, 800), ("phase",))
    assert (stains.axes, stains.shape, stains.channels) == ("CYX", (2, 1024, 800), ("DAPI", "NFH"))


@pytest.mark.data
def test_a_real_folder(data_folder):
    read = read_pairs(
        data_folder / "deepcell_phase_nuclei" / "train", inputs=["phase"], targets=["nuclei"]
    )
    assert len(read) == 10
    assert {(image.axes, target.axes) for image, target in read} == {("YX", "YX")}
