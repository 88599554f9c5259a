"""Folders of files of one channel, told apart by their names, and pairs that would be copies."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.image import Image
from napari_virtual_stain.io.images import write_image
from napari_virtual_stain.io.pairs import read_pairs

TWO, ONE = "input,target", "path_tiff,channel_signal,channel_target"
RANDOM = np.random.default_rng(2)


def write(path, *channels):
    shape = (len(channels), 12, 10) if len(channels) > 1 else (12, 10)
    data = RANDOM.integers(0, 999, shape, dtype=np.uint16)
    write_image(Image(data, "CYX"[3 - data.ndim :], channels=channels), path)
    return data


@pytest.mark.parametrize("pattern", ["{}_{}.tif", "{1}-{0}.tiff", "{}.{}_s1.ome.tif"])
def test_files_named_after_their_channels_are_pairs(tmp_path, pattern):
    pixels = {
        (well, channel): write(tmp_path / pattern.format(well, channel))
        for well in ("well0", "well1")
        for channel in ("BF", "dapi", "gfp")
    }
    write(tmp_path / "overview.tif")
    read = read_pairs(tmp_path, inputs=["bf"], targets=["dapi"])
    assert len(read) == 2
    for (source, target), well in zip(read, ("well0", "well1"), strict=True):
        assert (source.channels, target.channels) == (("bf",), ("dapi",))
        np.testing.assert_array_equal(source.numpy(), pixels[well, "BF"])
        np.testing.assert_array_equal(target.numpy(), pixels[well, "dapi"])
    [(_, target), _] = read_pairs(tmp_path, inputs=["bf"], targets=["gfp", "dapi"])
    assert (target.axes, target.channels) == ("CYX", ("gfp", "dapi"))


def test_images_may_lack_some_of_the_targets(tmp_path):
    for file in ("a_bf", "b_bf", "a_dapi", "a_gfp", "b_gfp"):
        write(tmp_path / f"{file}.tif")
    with pytest.warns(VirtualStainWarning, match="1 of 2 images lack the target 'dapi'"):
        read = read_pairs(tmp_path, inputs=["bf"], targets=["dapi", "gfp"])
    assert [target.channels for _, target in read] == [("dapi", "gfp"), ("gfp",)]
    with pytest.raises(VirtualStainError, match=r"b_bf\.tif has no partner.*but for 'dapi'"):
        read_pairs(tmp_path, inputs=["bf"], targets=["dapi"])


def test_two_files_of_one_channel_and_place(tmp_path):
    for file in ("a_bf", "a_BF", "a_dapi"):
        write(tmp_path / f"{file}.tif")
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("names differ in upper and lower case alone")
    with pytest.raises(VirtualStainError, match="same channel of the same place"):
        read_pairs(tmp_path, inputs=["bf"], targets=["dapi"])


def test_parts_of_words_are_no_channels(tmp_path):
    for file in ("abf", "adapi"):
        write(tmp_path / f"{file}.tif")
    with pytest.raises(VirtualStainError, match=r"abf\.tif has a single channel.*A1_bf\.tif"):
        read_pairs(tmp_path, inputs=["bf"], targets=["dapi"])


def test_files_of_several_channels_may_be_named_after_one(tmp_path):
    for name in ("a_bf", "b_dapi"):
        write(tmp_path / f"{name}.tif", "bf", "dapi")
    assert len(read_pairs(tmp_path, inputs=["bf"], targets=["dapi"])) == 2


@pytest.mark.parametrize("channels", [(), ("bf",)])
def test_a_file_of_one_channel_is_no_pair(tmp_path, channels):
    write(tmp_path / "a.ome.tif", *channels)
    for path in (tmp_path, tmp_path / "a.ome.tif"):
        with pytest.raises(VirtualStainError, match=r"a\.ome\.tif has a single channel.*CSV"):
            read_pairs(path, inputs=["bf"], targets=["dapi"])
    write(tmp_path / "b.ome.tif", "bf", "dapi")
    with pytest.raises(VirtualStainError, match=r"a\.ome\.tif has a single channel.*take it away"):
        read_pairs(tmp_path, inputs=["bf"], targets=["dapi"])


def test_one_channel_by_two_names_is_no_pair(tmp_path):
    write(tmp_path / "a.tif", "bf", "dapi")
    with pytest.raises(VirtualStainError, match=r"a\.tif: the channel 'bf' would be input and"):
        read_pairs(tmp_path, inputs=["bf"], targets=["BF"])


def test_folders_that_are_asked_for_go_before_what_lies_beside_them(tmp_path):
    write(tmp_path / "overview.tif")
    source, target = write(tmp_path / "in" / "1.tif"), write(tmp_path / "out" / "1.tif")
    for roles in ({"inputs": ["in"], "targets": ["out"]}, {"targets": ["out"]}):
        with pytest.warns(VirtualStainWarning, match=r"beside them \(overview\.tif\) is not used"):
            [pair] = read_pairs(tmp_path, **roles)
        np.testing.assert_array_equal(pair[0].numpy(), source)
        np.testing.assert_array_equal(pair[1].numpy(), target)


def test_folders_beside_files_of_several_channels_are_not_taken_by_half(tmp_path):
    write(tmp_path / "a.tif", "bf", "dapi")
    write(tmp_path / "dapi" / "old.tif")
    [(source, _)] = read_pairs(tmp_path, inputs=["bf"], targets=["dapi"])
    assert source.name == "a"


@pytest.mark.parametrize(
    ("header", "line", "options", "said"),
    [
        (TWO, "a.tif,a.tif", {}, r"a\.tif would be"),
        (
            "input,target",
            "a.tif,./a.tif",
            {"inputs": ["bf"], "targets": ["dapi"]},
            r"a\.tif would be",
        ),
        (TWO, "b.tif,b.tif", {}, r"b\.tif, channel 'bf', would be"),
        (TWO, "b.tif,b.tif", {"targets": ["bf"]}, r"b\.tif, channel 'bf', would be"),
        (
            "path_tiff,channel_signal,channel_target",
            "b.tif,0,bf",
            {},
            r"b\.tif, channel 'bf', would",
        ),
        (ONE, "a.tif,0,0", {}, r"a\.tif would be"),
    ],
)
def test_a_line_of_a_list_is_no_copy(tmp_path, header, line, options, said):
    write(tmp_path / "a.tif")
    write(tmp_path / "b.tif", "bf", "dapi")
    (tmp_path / "pairs.csv").write_text(f"{header}\n{line}\n")
    with pytest.raises(VirtualStainError, match=rf"pairs\.csv, line 2: {said}.*input and target"):
        read_pairs(tmp_path / "pairs.csv", **options)


def test_channels_of_one_file_in_a_list_are_no_copies(tmp_path):
    pixels = write(tmp_path / "b.tif", "EGFP", "EGFP", "dapi")
    (tmp_path / "two.csv").write_text("path_tiff,channel_signal,channel_target\nb.tif,0,1\n")
    [(source, target)] = read_pairs(tmp_path / "two.csv")
    np.testing.assert_array_equal(source.numpy(), pixels[0])
    np.testing.assert_array_equal(target.numpy(), pixels[1])
    write(tmp_path / "c.tif", "bf", "dapi")
    (tmp_path / "one.csv").write_text("input,target\nc.tif,c.tif\n")
    [(source, target)] = read_pairs(tmp_path / "one.csv", inputs=["bf"], targets=["dapi"])
    assert (source.channels, target.channels) == (("bf",), ("dapi",))
