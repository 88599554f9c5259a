"""Patches in ``.npz`` files as CSBDeep writes them."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.pairs import read_pairs, sides

RANDOM = np.random.default_rng(0)


def patches(*shape):
    return RANDOM.random(shape, dtype=np.float32)


def save(folder, x, y, axes, write=np.savez):
    path = folder / "patches.npz"
    write(path, X=x, Y=y, axes=axes)
    return path


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_patches_lie_along_t(tmp_path, write, order):
    x, y = (np.asarray(patches(5, 1, 4, 8, 6), order=order) for _ in "xy")
    [(source, target)] = read_pairs(save(tmp_path, x, y, "SCZYX", write))
    assert source.name == "patches"
    assert (source.axes, target.axes) == ("TZYX", "TZYX")
    np.testing.assert_array_equal(source.numpy(), x[:, 0])
    np.testing.assert_array_equal(target.numpy(), y[:, 0])


def mapped(image):
    data = image.data
    while data is not None and not isinstance(data, np.memmap):
        data = data.base
    return data is not None


def test_what_is_not_compressed_is_mapped(tmp_path):
    x = patches(3, 8, 6)
    [(source, _)] = read_pairs(save(tmp_path, x, x, "SYX"))
    assert mapped(source)
    [(source, _)] = read_pairs(save(tmp_path, x, x, "SYX", np.savez_compressed))
    assert not mapped(source)


def test_channels_stand_where_the_axes_say(tmp_path):
    x, y = patches(2, 8, 6, 2), patches(2, 8, 6, 3)
    path = save(tmp_path, x, y, list("SYXC"))
    read = read_pairs(path, targets=["channel 3"])
    [(source, target)] = read
    assert source.axes == "TCYX"
    np.testing.assert_array_equal(source.numpy(), x.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(target.numpy(), y[..., 2])


@pytest.mark.parametrize("shape", [(2, 1, 8, 6), (2, 1, 1, 8, 6)])
def test_targets_that_are_projections(tmp_path, shape):
    [(source, target)] = read_pairs(
        save(tmp_path, patches(2, 1, 5, 8, 6), patches(*shape), "SCZYX")
    )
    assert (source.axes, target.axes) == ("TZYX", "TYX")


def test_integers_of_another_byte_order(tmp_path):
    x = RANDOM.integers(0, 999, (2, 8, 6)).astype(">u2")
    [(source, _)] = read_pairs(save(tmp_path, x, x, "SYX"))
    np.testing.assert_array_equal(source.numpy(), x)
    assert source.dtype.isnative


def test_a_single_channel_takes_a_name(tmp_path):
    x = patches(1, 8, 6)
    [(source, target)] = read_pairs(save(tmp_path, x, x, "SYX"), inputs=["raw"], targets=["sharp"])
    assert (source.channels, target.channels) == (("raw",), ("sharp",))


@pytest.mark.parametrize(
    ("x", "y", "axes", "said"),
    [
        (patches(3, 8, 6), patches(2, 8, 6), "SYX", "3 patches in X and 2 in Y"),
        (patches(3, 8, 6), patches(3, 8, 5), "SYX", "differ in size along X"),
        (patches(3, 8, 6), patches(3, 8, 6), "ZYX", "axes of the patches are 'ZYX'"),
        (patches(3, 8, 6), patches(3, 8, 6), "SYXX", "axes of the patches are 'SYXX'"),
        (patches(3, 8, 6), patches(3, 8, 6), "SCYX", "X has 3 dimensions"),
        (patches(3, 8, 6), patches(3, 8, 6), "S" * 99, "axes of the patches are ''"),
        (patches(3, 8, 6), patches(3, 8, 6), np.arange(3), "'axes' .* which is no text"),
        (patches(3, 8, 6), patches(3, 8, 6).astype(complex), "SYX", "'Y' .* not a grey value"),
        (np.array([[None]]), patches(3, 8, 6), "SYX", "'X' is of the type object"),
        (patches(0, 8, 6), patches(0, 8, 6), "SYX", "not as large as it says"),
    ],
)
def test_patches_that_are_wrong(tmp_path, x, y, axes, said):
    with pytest.raises(VirtualStainError, match=rf"patches\.npz.*{said}"):
        read_pairs(save(tmp_path, x, y, axes))


def test_files_that_are_wrong(tmp_path):
    path = tmp_path / "patches.npz"
    np.savez(path, X=patches(2, 8, 6))
    with pytest.raises(VirtualStainError, match=r"has no array 'Y'"):
        read_pairs(path)
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(VirtualStainError, match=r"is damaged, or no \.npz file"):
        read_pairs(path)
    with pytest.raises(VirtualStainError, match=r"there is no file .*none\.npz"):
        read_pairs(tmp_path / "none.npz")


def test_a_header_that_claims_more_than_there_is(tmp_path):
    path = save(tmp_path, patches(2, 8, 6), patches(2, 8, 6), "SYX")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    header = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 8, 6)}
    np.lib.format.write_array_header_1_0(header, claim)
    parts["X.npy"] = header.getvalue() + bytes(100)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(VirtualStainError, match="'X' is not as large as it says"):
        read_pairs(path)


def test_compressed_patches_have_to_fit(tmp_path, monkeypatch):
    x = patches(2, 8, 6)
    path = save(tmp_path, x, x, "SYX", np.savez_compressed)
    monkeypatch.setattr(sides, "HELD", x.nbytes)
    with pytest.raises(VirtualStainError, match=r"compressed, .* write it with numpy\.savez"):
        read_pairs(path)
    assert len(read_pairs(save(tmp_path, x, x, "SYX"))) == 1
