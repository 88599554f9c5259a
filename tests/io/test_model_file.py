"""Model files come back as they were, and everything else is refused in a sentence."""

from __future__ import annotations

import json
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io import find_model, list_models, load_model, read_spec, save_model
from napari_virtual_stain.io.model_file import SPEC_KEY
from napari_virtual_stain.model import InputSpec, ModelSpec, NetworkSpec, OutputSpec, StainModel


@pytest.fixture
def model() -> StainModel:
    spec = ModelSpec(
        name="tiny",
        network=NetworkSpec(name="gvtnet", options={"filters": 2, "depth": 2}),
        inputs=[InputSpec(name="brightfield")],
        outputs=[OutputSpec(name="DNA", mean=10, std=2)],
    )
    torch.manual_seed(0)
    return StainModel(spec.build_network().eval(), spec)


def rewritten(path, *, spec=None, change=lambda tensors: None) -> None:
    """Write a model file again with other content."""
    from safetensors.torch import load_file

    tensors = load_file(path)
    content = json.loads(read_spec(path).model_dump_json())
    change(tensors)
    save_file(tensors, path, {SPEC_KEY: json.dumps({**content, **(spec or {})})})


def test_written_and_read_it_is_the_same(model, tmp_path):
    path = save_model(model, tmp_path / "tïny µ.safetensors")
    loaded = load_model(path)
    assert loaded.spec == model.spec == read_spec(path)
    assert len(loaded.digest) == 64
    state, again = model.network.state_dict(), loaded.network.state_dict()
    assert state.keys() == again.keys()
    assert all(torch.equal(state[name], again[name]) for name in state)
    assert not loaded.network.training


def test_half_precision_halves_the_file_and_rounds_the_weights(model, tmp_path):
    whole = save_model(model, tmp_path / "whole")
    half = save_model(model, tmp_path / "half", half=True)
    assert half.suffix == whole.suffix == ".safetensors"
    sizes = [sum(t.numel() for t in load_model(p).network.state_dict().values()) for p in (half,)]
    assert whole.stat().st_size - half.stat().st_size > 1.9 * sizes[0]
    state, rounded = model.network.state_dict(), load_model(half).network.state_dict()
    for name, tensor in state.items():
        assert torch.equal(
            rounded[name], tensor.half().float() if tensor.is_floating_point() else tensor
        )


def test_an_existing_model_is_not_overwritten(model, tmp_path):
    path = save_model(model, tmp_path / "m.safetensors")
    before = path.read_bytes()
    with pytest.raises(VirtualStainError, match=r"m\.safetensors"):
        save_model(model, path, half=True)
    assert path.read_bytes() == before
    save_model(model, path, half=True, overwrite=True)
    assert path.read_bytes() != before
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_names_files_and_the_model_folder(model, tmp_path, monkeypatch):
    monkeypatch.setenv("VSTAIN_MODELS", str(tmp_path))
    path = save_model(model, tmp_path / "file_name.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"PK\x03\x04" + b"\xff" * 60)
    mine = [entry for entry in list_models() if not entry.built_in]
    assert [entry.name for entry in mine] == ["broken", "tiny"]
    assert mine[0].spec is None
    assert "broken.safetensors is not a model file" in mine[0].problem
    assert find_model("tiny") == find_model("file_name") == find_model(str(path)) == path
    with pytest.raises(VirtualStainError, match=r"no model named 'huge'\. Models .*tiny"):
        load_model("huge")
    with pytest.raises(VirtualStainError, match="there is no model file"):
        load_model(tmp_path / "none.safetensors")


def test_models_of_one_name_are_told_apart_by_their_files(model, tmp_path, monkeypatch):
    monkeypatch.setenv("VSTAIN_MODELS", str(tmp_path))
    stems = ["tiny", "tiny 2", "tiny 10"]
    paths = [save_model(model, tmp_path / f"{stem}.safetensors") for stem in stems]
    mine = [entry for entry in list_models() if not entry.built_in]
    assert [entry.name for entry in mine] == stems
    assert [find_model(stem) for stem in stems] == paths
    paths[0].rename(tmp_path / "mine.safetensors")
    assert [entry.name for entry in list_models() if not entry.built_in] == ["mine", *stems[1:]]
    assert find_model("tiny") == tmp_path / "mine.safetensors"


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -100, -1])
def test_a_truncated_file_is_refused(model, tmp_path, kept):
    path = save_model(model, tmp_path / "m.safetensors")
    path.write_bytes(path.read_bytes()[:kept])
    sentence = "not a model file" if kept in (0, 4) else "truncated"
    for read in (read_spec, load_model):
        with pytest.raises(VirtualStainError, match=rf"m\.safetensors is {sentence}"):
            read(path)


class Payload:
    """Would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize(
    "content",
    [b"", b"II*\x00" + bytes(100), b"\xff" * 64, b"\x02" + bytes(7) + b"[]", b"\x40" + bytes(80)],
)
def test_a_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "foreign.bin"
    path.write_bytes(content)
    with pytest.raises(VirtualStainError, match=r"foreign\.bin is not a model file"):
        load_model(path)


def test_a_pickle_is_refused_and_not_executed(tmp_path):
    evidence = tmp_path / "executed"
    path = tmp_path / "model.p"
    path.write_bytes(pickle.dumps(Payload(str(evidence))))
    with pytest.raises(VirtualStainError, match=r"model\.p is not a model file"):
        load_model(path)
    assert not evidence.exists()


def test_weights_without_a_specification_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(VirtualStainError, match="holds weights, but no model specification"):
        load_model(path)


@pytest.mark.parametrize(
    ("spec", "change", "sentence"),
    [
        ({"format_version": 9}, None, "model format 9"),
        (
            {"network": {"name": "os.system"}},
            None,
            "m.safetensors cannot be loaded: there is no network named 'os.system'",
        ),
        (
            {"network": {"name": "gvtnet", "options": {"filters": 99, "depth": 2}}},
            None,
            "has the shape",
        ),
        ({"network": {"name": "gvtnet", "options": {"filters": 10**9}}}, None, "from 1 to 1024"),
        ({}, lambda t: t.pop("first.weight"), "lacks the tensor 'first.weight'"),
        ({}, lambda t: t.update(extra=torch.zeros(2)), "has the tensor 'extra'"),
        (
            {},
            lambda t: t.update({"output.bias": torch.zeros(5)}),
            r"'output.bias' has the shape \(5,\), but its network needs \(1,\)",
        ),
        (
            {},
            lambda t: t.update({"output.bias": torch.zeros(1, dtype=torch.int64)}),
            "'output.bias' has the type I64, but its network needs one of F16, BF16, F32",
        ),
        (
            {},
            lambda t: t.update({"output.bias": torch.zeros(1, dtype=torch.complex64)}),
            "'output.bias' has the type C64",
        ),
        (
            {},
            lambda t: t["first.weight"].fill_(torch.nan),
            "'first.weight' holds NaN or infinite weights",
        ),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(model, tmp_path, spec, change, sentence):
    path = save_model(model, tmp_path / "m.safetensors")
    rewritten(path, spec=spec, change=change or (lambda tensors: None))
    with pytest.raises(VirtualStainError, match=sentence):
        load_model(path)


def with_header(path, change):
    """Change the header of a model file, and nothing else of it."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda h: h["output.bias"].update(data_offsets=[0, 4]), "damaged|truncated"),
        (lambda h: h["output.bias"].update(data_offsets=[-4, 0]), "not a model file"),
        (lambda h: h["output.bias"].update(data_offsets=[0, 2**70]), "truncated"),
        (lambda h: h["output.bias"].update(shape=[-1]), "not a model file"),
        (lambda h: h["output.bias"].update(shape=[True]), "not a model file"),
        (lambda h: h["output.bias"].pop("dtype"), "not a model file"),
        (lambda h: h["output.bias"].update(dtype="F128"), "has the type F128"),
        (lambda h: h["__metadata__"].update({SPEC_KEY: 5}), "no model specification"),
        (lambda h: h["__metadata__"].update({SPEC_KEY: "[" * 100_000}), "cannot be read"),
    ],
)
def test_a_header_that_lies_is_refused(model, tmp_path, change, sentence):
    path = save_model(model, tmp_path / "m.safetensors")
    with_header(path, change)
    with pytest.raises(VirtualStainError, match=rf"m\.safetensors.*({sentence})"):
        load_model(path)


def test_what_follows_the_weights_is_refused(model, tmp_path):
    path = save_model(model, tmp_path / "m.safetensors")
    path.write_bytes(path.read_bytes() + bytes(10))
    with pytest.raises(VirtualStainError, match="is damaged"):
        load_model(path)


def test_reading_a_specification_loads_no_torch(model, tmp_path):
    import subprocess
    import sys

    path = save_model(model, tmp_path / "m.safetensors")
    code = (
        "import sys; from napari_virtual_stain.io import read_spec; "
        f"read_spec({str(path)!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
