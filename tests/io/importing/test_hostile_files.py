"""Files made to mislead, to exhaust memory or time, or that are no files of data at all."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
import torch

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io import import_model
from napari_virtual_stain.io.importing import sources
from napari_virtual_stain.io.importing.sources import opened
from napari_virtual_stain.io.importing.torch_files import read_torch
from napari_virtual_stain.networks import build

from .bundle_writer import entry, header, masked_crc, table
from .test_train_options import prepared

EMPTY = b"\x80\x02}."
LARGE = b"\x80\x02}X\x01\x00\x00\x00acbuiltins\nbytearray\nJ\x00\x00\x00\x70\x85Rs."
"""A pickle that asks for a gibibyte and more."""


def archive(path: Path, *parts: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in (*parts, ("m/version", b"3\n"), ("m/byteorder", b"little")):
            file.writestr(name, content)
    return path


def refused(path, sentence, *, mib=8):
    """Assert that importing fails with a sentence, and takes hardly any memory."""
    tracemalloc.start()
    try:
        with pytest.raises(VirtualStainError, match=sentence) as found:
            import_model(path)
        assert tracemalloc.get_traced_memory()[1] < mib * 2**20
    finally:
        tracemalloc.stop()
    assert str(found.value).isprintable()


def local(name: bytes, content: bytes) -> bytes:
    head = (b"PK\3\4", 20, 0, 0, 0, 0, zlib.crc32(content), len(content), len(content), len(name))
    return struct.pack("<4sHHHHHIIIHH", *head, 0) + name + content


def central(name: bytes, content: bytes, offset: int) -> bytes:
    head = (b"PK\1\2", 20, 20, 0, 0, 0, 0, zlib.crc32(content), len(content), len(content))
    return struct.pack("<4sHHHHHHIIIHHHHHII", *head, len(name), 0, 0, 0, 0, 0, offset) + name


def test_an_archive_with_two_directories_is_refused(tmp_path):
    """One lies before the end, where Python looks; the other where the end says that it lies."""
    first = local(b"m/data.pkl", LARGE)
    second = local(b"m/data.pkl", EMPTY)
    shown = central(b"m/data.pkl", LARGE, 0)
    at = len(first) + len(second)
    # Python adds the difference between the two places to every offset.
    found = central(b"m/data.pkl", EMPTY, len(first) - len(shown))
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(found), at, 0)
    path = tmp_path / "two.pt"
    path.write_bytes(first + second + shown + found + end)
    with zipfile.ZipFile(path) as file:
        assert file.read("m/data.pkl") == EMPTY, "the file did not mislead in the first place"
    refused(path, r"two\.pt is damaged: its directory is missing or broken")


@pytest.mark.parametrize("order", [1, -1])
def test_parts_that_differ_by_case_alone_are_refused(tmp_path, order):
    parts = [("m/data.pkl", EMPTY), ("m/DATA.PKL", LARGE)][::order]
    refused(archive(tmp_path / "case.pt", *parts), "directory names two parts alike")


def test_a_comment_or_a_gap_is_refused(tmp_path):
    path = archive(tmp_path / "m.pt", ("m/data.pkl", EMPTY))
    content = path.read_bytes()
    path.write_bytes(b"MZ" + content)
    refused(path, "of another kind")
    path.write_bytes(content[:4] + b"\0" + content[4:])
    refused(path, "directory is missing or broken")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("m/data.pkl", EMPTY)
        file.comment = b"more"
    refused(path, "directory is missing or broken")


def test_an_archive_of_very_many_parts_is_refused_before_they_are_listed(tmp_path):
    with zipfile.ZipFile(tmp_path / "many.pt", "w") as file:
        for i in range(30_000):
            file.writestr(zipfile.ZipInfo(f"m/{i}"), b"")
    refused(tmp_path / "many.pt", "too many entries", mib=1)


def doubled(levels: int) -> bytes:
    """Instructions for a tuple that, written out, has 2**levels parts."""
    made = b")q\x00"
    for i in range(levels):
        made += b"h" + bytes([i]) + b"\x86q" + bytes([i + 1])
    return made


@pytest.mark.parametrize(
    ("pickled", "sentence"),
    [
        (b"}" + doubled(40) + b"K\x01s.", "nested too deeply"),
        (b"]" + doubled(40) + b"a.", "nested too deeply"),
        (b"}" + doubled(3) + b"K\x01s.", "a key in it is neither a text nor a whole number"),
        (b"}]K\x01s.", "a key in it is neither"),
        (b"}\x8a\x09" + (2**61 - 1).to_bytes(9, "little") + b"K\x01s.", "a key in it is neither"),
        (b"}(" + b")\x85" * 150_000 + b"u.", "longer than any network's"),
        (b"}" + b"X\x00\x00\x50\x00" + b"a" * 5_242_880 + b"K\x01s.", "larger than any network's"),
        (b"}U\x01\xe9K\x01s.", "a text in it is none"),
        (b"}T\x01\x00\x00\x00\xe9K\x01s.", "a text in it is none"),
        (b"}K\x01\x85s.", "contradict"),
        (b"}(K\x01u.", "contradict"),
        (b"\x86.", "contradict"),
        (b"(\x85.", "contradict"),
        (b"}}.", "contradict"),
        (b"(.", "contradict"),
        (b"K\x01Na.", "contradict"),
        (b"U\x07storageQ.", "refers to a tensor in an unknown way"),
        (b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuNtQ.", "a size in it is none"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R.", "describes a tensor in an unknown way"),
        (b"ctorch._utils\n_rebuild_parameter\n)R.", "describes a tensor in an unknown way"),
        (b"ctorch._utils\n_rebuild_tensor\n(K\x01K\x01K\x01K\x01tR.", "describes a tensor"),
        (b"ctorch\nSize\n)R.", "contradict"),
        (b"ctorch\nSize\n]R.", "contradict"),
        (b"ccollections\nOrderedDict\n]\x85R.", "the form of Python 2"),
        (b"cos\nsy\x1bstem\n.", r"Python objects beside weights \('os\.sy stem'\)"),
    ],
)
def test_pickles_that_mislead_are_refused(tmp_path, pickled, sentence):
    path = archive(tmp_path / "m.pt", ("m/data.pkl", b"\x80\x02" + pickled))
    refused(path, sentence, mib=80)


def rebuilt(shape: bytes, strides: bytes, offset: int = 0) -> bytes:
    """A dictionary with one tensor in six stored values."""
    storage = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x06tQ"
    numbers = storage + b"K" + bytes([offset]) + shape + strides
    return b"\x80\x02}U\x01actorch._utils\n_rebuild_tensor_v2\n(" + numbers + b"\x89NtRs."


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        (b"K\x07\x85", b"K\x01\x85", 0),
        (b"K\x02\x85", b"K\x06\x85", 0),
        (b"K\x06\x85", b"K\x01\x85", 1),
        (b"J\xff\xff\xff\xff\x85", b"K\x01\x85", 0),
        (b"K\x06\x85", b"J\xff\xff\xff\xff\x85", 0),
        (b"K\x06\x85", b")", 0),
        (b"K\x06", b"K\x01", 0),
        (b"U\x01a\x85", b"K\x01\x85", 0),
    ],
)
def test_a_tensor_beyond_its_data_is_refused(tmp_path, shape, strides, offset):
    parts = (("m/data.pkl", rebuilt(shape, strides, offset)), ("m/data/0", bytes(24)))
    refused(archive(tmp_path / "m.pt", *parts), "m.pt is damaged")


def test_views_are_read_as_they_are_meant(tmp_path):
    whole = torch.arange(24.0).reshape(4, 6)
    content = {"view": whole[1:3, 2:5], "turned": whole.T, "none": whole[:0], "one": whole[3, 5]}
    for zipped in (True, False):
        torch.save(content, tmp_path / "v.pt", _use_new_zipfile_serialization=zipped)
        with opened(tmp_path / "v.pt") as source:
            found = read_torch(source)
            assert all(torch.equal(found[name].read(), content[name]) for name in content)


def test_variables_that_share_their_data_are_refused(tmp_path):
    """An index can multiply what the data holds."""
    content = bytes(2**16)
    one = entry(1, (2**14,), 0, 2**16, masked_crc(content))
    pairs = [(f"encoding_block_{i}/res_0/convolution_1/kernel".encode(), one) for i in range(1, 9)]
    (tmp_path / "m.index").write_bytes(table([(b"", header()), *pairs]))
    (tmp_path / "m.data-00000-of-00001").write_bytes(content)
    refused(tmp_path, r"m\.index is damaged: the variable '.*' overlaps with another one", mib=1)


unix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files on Windows")


@unix
@pytest.mark.parametrize("name", ["model.p", "m.safetensors", "m.index", "m.data-00000-of-00001"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_pipes_and_devices_are_refused(tmp_path, name, kind):
    """Reading them would wait or go on without end."""
    if name.startswith("m."):
        (tmp_path / "m.index").write_bytes(table([(b"", header())]))
        (tmp_path / "m.data-00000-of-00001").write_bytes(b"")
    path = tmp_path / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    refused(path, rf"{name} cannot be read: it is a device or a pipe", mib=1)


@unix
def test_options_that_are_a_pipe_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "train_options.json")
    with pytest.raises(FileExistsError):
        os.mkfifo(tmp_path / "train_options.json")
    from napari_virtual_stain.io.importing.train_options import read_preparation

    assert "could not be read" in read_preparation(tmp_path / "model.p").notes[0]
    (tmp_path / "train_options.json").unlink()
    assert prepared(tmp_path, {"transform_signal": []}).normalization == {"method": "none"}


@pytest.mark.parametrize("path", ["a\0b", "a" * 5000, "a\ud800b", "", "/", "..", "none/x.pt"])
def test_paths_that_are_none_are_refused_with_a_sentence(path):
    refused(path, ".")


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", denied)
    with pytest.raises(VirtualStainError, match="cannot be read: Permission denied"):
        import_model(tmp_path)


STATE = build("gvtnet", ndim=2, filters=2, depth=2).state_dict()


@pytest.mark.skipif(os.name != "posix", reason="names are text there")
@pytest.mark.parametrize("name", [b"we\xffird.pt", b"esc\x1b[31m.pt", b"new\nline.pt", b" .pt"])
def test_any_name_of_a_file_will_do(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    try:
        with open(path, "wb") as file:
            torch.save(STATE, file)
    except OSError:
        pytest.skip("this disk takes text alone")
    spec = import_model(os.fsdecode(path)).spec
    assert spec.name.isprintable()
    assert spec.provenance.notes.isprintable()


def test_names_of_a_file_are_shown_without_control_characters(tmp_path):
    for content in (
        {**STATE, "a\x1b[31m\n" + "z" * 3000: torch.zeros(1)},
        {"nn_module": "a\x1b[31m\n" + "z" * 3000, "nn_state": {"a\nb": torch.zeros(1)}},
        {"a\nb": 3},
        {"fnet_model_class": "x", "fnet_model_kwargs": {"paths_model": ["a\nb", 3, [1]]}},
    ):
        torch.save(content, tmp_path / "m.pt")
        with pytest.raises(VirtualStainError) as found:
            import_model(tmp_path / "m.pt")
        assert str(found.value).isprintable()
        assert len(str(found.value)) < 600


@pytest.mark.parametrize("change", ["deleted", "truncated"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch, change, zipped):
    """What was opened is read on, and what is gone is said."""
    path = tmp_path / "m.pt"
    torch.save(STATE, path, _use_new_zipfile_serialization=zipped)
    digest = sources.sha256

    def meanwhile(opened_files):
        result = digest(opened_files)
        if change == "deleted":
            path.unlink()
        else:
            os.truncate(path, path.stat().st_size // 2)
        return result

    monkeypatch.setattr("napari_virtual_stain.io.importing.assembly.sha256", meanwhile)
    if change == "deleted" and os.name == "posix":
        assert import_model(path).spec.network.name == "gvtnet"
    else:
        refused(path, r"m\.pt is damaged: it ends too early|cannot be read")
