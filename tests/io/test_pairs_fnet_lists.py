"""Lists in the layouts of pytorch_fnet."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.image import Image
from napari_virtual_stain.io.images import write_image
from napari_virtual_stain.io.pairs import read_pairs


@pytest.fixture
def stack(tmp_path):
    """Return the pixels of ``a.tif``, four channels of three planes."""
    data = np.random.default_rng(0).integers(0, 999, (4, 3, 12, 10), dtype=np.uint16)
    write_image(Image(data, "CZYX", channels=["TD", "DNA", "ER", "7"]), tmp_path / "a.tif")
    write_image(Image(data[0], "ZYX"), tmp_path / "signal.tif")
    write_image(Image(data[1], "ZYX"), tmp_path / "target.tif")
    return data


def listing(folder, *lines):
    path = folder / "list.csv"
    path.write_text("\n".join(lines))
    return path


def test_two_files(tmp_path, stack):
    path = listing(
        tmp_path,
        ",path_signal,path_target,structureProteinName",
        "0,signal.tif,target.tif,lamin B1",
        '1,signal.tif,target.tif,"tubulin, alpha"',
    )
    read = read_pairs(path)
    assert len(read) == 2
    for source, target in read:
        np.testing.assert_array_equal(source.numpy(), stack[0])
        np.testing.assert_array_equal(target.numpy(), stack[1])


@pytest.mark.parametrize(
    ("signal", "target", "channels"),
    [
        ("0", "1", ("DNA",)),
        ("[0]", '"[1, 2]"', ("DNA", "ER")),
        ("TD", "ER", ("ER",)),
        ("0", "\"['DNA', '2']\"", ("DNA", "ER")),
    ],
)
def test_channels_of_one_file(tmp_path, stack, signal, target, channels):
    path = listing(tmp_path, "path_tiff,channel_signal,channel_target", f"a.tif,{signal},{target}")
    [(source, stain)] = read_pairs(path)
    assert (source.channels, stain.channels) == (("TD",), channels)
    np.testing.assert_array_equal(source.numpy(), stack[0])
    last = ["TD", "DNA", "ER"].index(channels[-1])
    np.testing.assert_array_equal(stain.channel(channels[-1]).numpy(), stack[last])


def test_lines_may_have_different_targets(tmp_path, stack):
    path = listing(
        tmp_path, "path_tiff,channel_signal,channel_target", "a.tif,0,1", 'a.tif,0,"[1,2]"'
    )
    read = read_pairs(path)
    assert [target.channels for _, target in read] == [("DNA",), ("DNA", "ER")]
    with pytest.warns(VirtualStainWarning, match="1 of 2 images lack the target 'ER'"):
        read_pairs(path, targets=["ER", "DNA"])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["path_signal,path_target", "signal.tif,"], "line 2: a pair is two paths, path_signal"),
        (["path_signal,path_target", "signal.tif,nan.tif"], r"no file .*nan\.tif"),
        (["path_signal,path_signal,path_target", "a,b,c"], "first line of a list"),
        (["path_signal,path_target,path_weight_map", "a,b,c"], "weight maps .* are not read"),
        (["path_czi,channel_signal,channel_target", "a.czi,0,1"], "CZI files.*save them as OME"),
        (["path_tiff,channel_signal,channel_target", "a.tif,0"], "a path and two channels"),
        (["path_tiff,channel_signal,channel_target", "a.tif,0,4"], "line 2: '4' is not a channel"),
        (["path_tiff,channel_signal,channel_target", "a.tif,0,RNA"], "'RNA'.*numbered from 0"),
        (["path_tiff,channel_signal,channel_target", 'a.tif,0,"[1,1]"'], "named twice"),
    ],
)
def test_lists_that_are_wrong(tmp_path, stack, lines, said):
    with pytest.raises(VirtualStainError, match=rf"list\.csv.*({said})"):
        read_pairs(listing(tmp_path, *lines))
