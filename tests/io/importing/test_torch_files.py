"""Files of torch.save: loaded without running anything, and refused when they lie."""

from __future__ import annotations

import io
import os
import pickle
import random
import tarfile
import tracemalloc
import zipfile
from collections import OrderedDict

import pytest
import torch

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io import import_model
from napari_virtual_stain.io.importing.sources import opened
from napari_virtual_stain.io.importing.tensors import Stored
from napari_virtual_stain.io.importing.torch_files import LEGACY_START, read_torch

CONTENT = {
    "weights": OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.ones(()).half()),
    "size": torch.Size((2, 3)),
    "shared": torch.nn.Parameter(torch.zeros(2)),
    "betas": (0.5, 0.999),
    "steps": 140_234_234_234_234,
    "more": [None, True, 2.5, "µ", {1: torch.tensor(3)}],
}


def loaded(path):
    """What a file holds, the tensors of it read."""
    with opened(path) as source:
        return in_memory(read_torch(source))


def in_memory(content):
    if isinstance(content, dict):
        return {key: in_memory(value) for key, value in content.items()}
    if isinstance(content, list):
        return [in_memory(value) for value in content]
    return content.read() if isinstance(content, Stored) else content


@pytest.fixture(params=["archive", "legacy"])
def file(request, tmp_path):
    path = tmp_path / "model.p"
    archive = request.param == "archive"
    torch.save(CONTENT, path, _use_new_zipfile_serialization=archive)
    return path


def test_content_comes_back(file):
    with opened(file) as source:
        found = read_torch(source)
        for name, tensor in CONTENT["weights"].items():
            assert found["weights"][name].shape == tuple(tensor.shape)
            assert found["weights"][name].nbytes == tensor.nbytes
            assert torch.equal(found["weights"][name].read(), tensor)
        assert found["more"][-1][1].read().item() == 3
        assert torch.equal(found["shared"].read(), torch.zeros(2))
    assert found["more"][:4] == CONTENT["more"][:4]
    assert found["size"] == (2, 3)
    assert found["betas"] == (0.5, 0.999)
    assert found["steps"] == CONTENT["steps"]


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("archive", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_would_execute_code_is_refused_and_does_not(tmp_path, archive, protocol):
    mark, path = tmp_path / "executed", tmp_path / "model.p"
    content = {"nn_state": {"conv_out.weight": torch.ones(1)}, "more": Harmful(str(mark))}
    torch.save(content, path, _use_new_zipfile_serialization=archive, pickle_protocol=protocol)
    with pytest.raises(
        VirtualStainError, match=r"model\.p (holds Python objects|is a Python pickle)"
    ):
        import_model(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the file was not harmful in the first place"


def test_neither_pytorch_nor_python_loads_the_file(file, monkeypatch):
    """A second reader could see something else in it than the one that checked it."""

    def never(*_, **__):
        raise AssertionError

    for name in ("torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler"):
        monkeypatch.setattr(name, never)
    assert loaded(file)["weights"]["a"].shape == (2, 3)


def test_a_plain_pickle_is_not_opened(tmp_path):
    mark, path = tmp_path / "executed", tmp_path / "model.p"
    path.write_bytes(pickle.dumps(Harmful(str(mark))))
    with pytest.raises(
        VirtualStainError, match=r"model\.p is a Python pickle that PyTorch did not"
    ):
        import_model(path)
    assert not mark.exists()


@pytest.mark.parametrize("archive", [True, False])
def test_a_whole_network_is_refused_with_a_remedy(tmp_path, archive):
    path = tmp_path / "network.pt"
    torch.save(torch.nn.Conv2d(1, 1, 1), path, _use_new_zipfile_serialization=archive)
    with pytest.raises(VirtualStainError, match=r"Conv2d.*torch\.save\(network\.state_dict\(\)"):
        import_model(path)


def test_every_truncation_is_refused(file, tmp_path):
    whole, cut = file.read_bytes(), tmp_path / "cut.p"
    for length in [*range(64), *range(64, len(whole), 29), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(VirtualStainError, match=r"cut\.p (is|cannot)"):
            import_model(cut)


def test_damage_is_refused_or_harmless(file, tmp_path):
    """Whatever is flipped, there is an error of ours or a result, and nothing else."""
    whole, changed = file.read_bytes(), tmp_path / "changed.p"
    generator = random.Random(0)
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        changed.write_bytes(content)
        try:
            loaded(changed)
        except VirtualStainError:
            refused += 1
    assert refused > 50


def test_a_wrong_checksum_is_noticed(tmp_path):
    """PyTorch itself would load the weights as they are."""
    path = tmp_path / "model.p"
    torch.save({"a": torch.full((4,), 1.0)}, path)
    content = path.read_bytes()
    assert content.count(b"\x00\x00\x80\x3f" * 4) == 1
    path.write_bytes(content.replace(b"\x00\x00\x80\x3f" * 4, b"\x00\x00\x80\x40" * 4))
    assert torch.load(path, weights_only=True)["a"][0] == 4
    with pytest.raises(VirtualStainError, match=r"checksum of its part 'model/data/0' is wrong"):
        loaded(path)


def test_a_file_written_without_checksums_is_read(tmp_path):
    computed = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(CONTENT, tmp_path / "model.p")
    finally:
        torch.serialization.set_crc32_options(computed)
    assert loaded(tmp_path / "model.p")["betas"] == (0.5, 0.999)


def rewritten(path, *, compression=zipfile.ZIP_STORED, change=lambda name, content: content):
    """Write an archive again with other content, its directory and checksums right."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))


def numbered(content: bytes, old: int, new: int) -> bytes:
    """Replace a number below 256 in a pickle by one of four bytes."""
    assert content.count(b"K" + bytes([old])) >= 1
    return content.replace(b"K" + bytes([old]), b"J" + new.to_bytes(4, "little"))


def test_a_compressed_archive_is_refused(tmp_path):
    path = tmp_path / "bomb.p"
    torch.save({"a": torch.zeros(2**20)}, path)
    rewritten(path, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**16
    with pytest.raises(VirtualStainError, match=r"bomb\.p is damaged: its content is compressed"):
        import_model(path)


def test_tensors_that_claim_more_than_there_is_are_refused(tmp_path):
    """In either format, before anything is allocated for them."""
    path = tmp_path / "liar.p"
    weights = {"a": torch.zeros(201)}
    torch.save(weights, path)
    rewritten(
        path,
        change=lambda name, content: (
            numbered(content, 201, 2**31 - 1) if name.endswith(".pkl") else content
        ),
    )
    tracemalloc.start()
    with pytest.raises(VirtualStainError, match="tensor data of it has another size than it says"):
        loaded(path)
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    path.write_bytes(numbered(path.read_bytes(), 201, 2**31 - 1))
    with pytest.raises(VirtualStainError, match="shorter than its tensors"):
        loaded(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_repeated_values_are_not_spread_out(tmp_path):
    """One stored value can pose as a tensor of any size; as weights that is refused."""
    from napari_virtual_stain.networks import build

    with torch.device("meta"):
        state = build("gvtnet", ndim=2, filters=1024, depth=2).state_dict()
    state = {name: torch.zeros(()).expand(tensor.shape) for name, tensor in state.items()}
    torch.save(state, tmp_path / "thin.pt")
    assert (tmp_path / "thin.pt").stat().st_size < 2**16
    with pytest.raises(VirtualStainError, match="tensors claim more values than it holds"):
        import_model(tmp_path / "thin.pt")


def test_nesting_without_end_is_refused(tmp_path):
    nested = b"\x80\x02" + b")" + b"\x85" * 100_000 + b"."
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {})]
    path = tmp_path / "deep.p"
    path.write_bytes(b"".join(parts) + nested + pickle.dumps([], 2))
    assert path.read_bytes().startswith(LEGACY_START)
    with pytest.raises(VirtualStainError, match=r"deep\.p is damaged: .* nested too deeply"):
        import_model(path)


def archive(**members) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/").replace("_pkl", ".pkl"), content)
    return buffer.getvalue()


def saved(content) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        file.addfile(tarfile.TarInfo("storages"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cannot be imported: it is empty"),
        (b"II*\x00" + bytes(60), "cannot be imported: it is a file of another kind"),
        (tar(), "cannot be imported: it is a file of another kind"),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), "an HDF5 file, as Keras writes them"),
        (archive(readme="hello"), "a ZIP archive, but not one of torch.save"),
        (archive(m__data_pkl=b"\x80\x02}.", m__constants_pkl=b""), "a program of TorchScript"),
        (archive(m__data_pkl=b"\x80\x02}"), "cut off or garbled"),
        (archive(m__data_pkl=b"\x80\x02t."), "contradict each other"),
        (archive(m__data_pkl=b"\x80\x02a."), "contradict each other"),
        (archive(m__data_pkl=b"\x80\x02h\x07."), "contradict each other"),
        (archive(m__data_pkl=b"\x80\x02K\x01Q."), "refers to a tensor in an unknown way"),
        (archive(m__data_pkl=b"\x80\x02K\x01)R."), "a call of something that is no name"),
        (archive(m__data_pkl=b"\x80\x02cos\nsystem\n."), r"\('os\.system'\)"),
        (saved([1, 2]), r"holds one object \(list\)"),
        (saved({}), "without a state dict; it holds nothing"),
    ],
)
def test_other_files_are_refused(tmp_path, content, sentence):
    path = tmp_path / "other.bin"
    path.write_bytes(content)
    with pytest.raises(VirtualStainError, match=rf"^other\.bin .*{sentence}"):
        import_model(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(VirtualStainError, match=r"there is no file .*none\.p"):
        import_model(tmp_path / "none.p")
