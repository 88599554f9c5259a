"""Unfinished trainings on disk."""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io import list_models, load_model_file, save_model
from napari_virtual_stain.io.training_run import (
    RUN_KEY,
    RunFile,
    recover_model,
    run_file,
    run_writer,
)
from napari_virtual_stain.keeping import Snapshot
from napari_virtual_stain.model import ModelSpec, StainModel

KEY = {"options": {"steps": 500, "preset": "quick", "patch": (64, 64)}, "pairs": ["a1", "b2"]}


@pytest.fixture
def model():
    spec = ModelSpec(
        name="tiny",
        network={"name": "fnet", "options": {"depth": 1, "filters": 2, "ndim": 2}},
        inputs=[{"name": "phase"}],
        outputs=[{"name": "DNA"}],
    )
    torch.manual_seed(0)
    return StainModel(spec.build_network().eval(), spec)


def snapshot(model=None, step=100, **arrays):
    values = {"step": step, "score": 0.5, "name": "ü", "history": [1.0, None]}
    if model is not None:
        values["spec"] = model.spec.model_dump(mode="json")
        arrays |= {f"best/{name}": t.numpy() for name, t in model.network.state_dict().items()}
    return Snapshot(arrays, values)


def test_what_is_kept_comes_back(tmp_path):
    arrays = {
        "weights": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "count": np.array(7, dtype=np.int64),
        "half": np.ones(3, np.float16),
        "random": np.arange(5, dtype=np.uint8),
        "flags": np.array([True, False]),
        "double": np.array([np.nan, 1e300]),
    }
    run = RunFile(tmp_path / "new folder" / "m.vstain-run")
    assert run.earlier(KEY) is None
    run.keep(snapshot(**arrays))
    again = RunFile(tmp_path / "new folder" / "m.vstain-run")
    assert again.exists
    found = again.earlier(json.loads(json.dumps(KEY)))
    assert found.values == snapshot().values
    assert found.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array, strict=True)


def test_the_last_snapshot_counts_and_is_forgotten_at_the_end(tmp_path):
    run = RunFile(tmp_path / "m.vstain-run")
    run.earlier(KEY)
    for step in (1, 2, 3):
        run.keep(snapshot(step=step))
    assert RunFile(run.path).earlier(KEY).values["step"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["m.vstain-run"]
    run.done()
    run.done()
    assert not list(tmp_path.iterdir())
    assert RunFile(run.path).earlier(KEY) is None


def test_a_training_that_was_begun_otherwise_is_not_gone_on_with(tmp_path):
    run = RunFile(tmp_path / "m.vstain-run")
    run.earlier(KEY)
    run.keep(snapshot())
    other = {"options": {"steps": 900, "preset": "quick", "patch": (64, 64), "batch": 4}}
    with pytest.raises(
        VirtualStainError,
        match=r"m\.vstain-run .*begun otherwise: options\.steps was 500 and is now 900; pairs was "
        r'\["a1", "b2"\] and is now not given; options\.batch was not given and is now 4\. Resume',
    ):
        RunFile(run.path).earlier(other)
    assert run.exists


def test_differences_are_named_shortly(tmp_path):
    run = RunFile(tmp_path / "m.vstain-run")
    run.earlier({str(i): "x" * 999 for i in range(9)})
    run.keep(snapshot())
    with pytest.raises(VirtualStainError, match="and 6 more differ") as error:
        run.earlier({})
    assert len(str(error.value)) < 600


def test_the_best_model_is_recovered(tmp_path, model):
    run = RunFile(tmp_path / "m.vstain-run")
    run.earlier(KEY)
    run.keep(snapshot(model, optimizer=np.zeros(9)))
    found = recover_model(run.path)
    assert found.spec.name == "tiny"
    assert not found.network.training
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], tensor)
    run.done()
    again = load_model_file(save_model(found, tmp_path / "m.safetensors"))
    assert again.spec == found.spec


def test_before_the_first_score_there_is_no_model(tmp_path):
    run = RunFile(tmp_path / "m.vstain-run")
    run.keep(snapshot(weights=np.zeros(3)))
    with pytest.raises(VirtualStainError, match="no model yet: the training ended before its fir"):
        recover_model(run.path)


def test_weights_that_are_not_the_networks(tmp_path, model):
    run = RunFile(tmp_path / "m.vstain-run")
    whole = snapshot(model)
    name = next(iter(whole.arrays))
    run.keep(Snapshot({k: v for k, v in whole.arrays.items() if k != name}, whole.values))
    with pytest.raises(VirtualStainError, match="lacks the tensor"):
        recover_model(run.path)
    run.keep(
        Snapshot({**whole.arrays, name: np.full_like(whole.arrays[name], np.nan)}, whole.values)
    )
    with pytest.raises(VirtualStainError, match="NaN or infinite"):
        recover_model(run.path)


def test_an_unfinished_training_is_no_model_to_choose(tmp_path, model):
    run = RunFile(run_file(tmp_path / "m.safetensors"))
    assert run.path == tmp_path / "m.vstain-run"
    run.keep(snapshot(model))
    assert not [entry for entry in list_models(tmp_path) if not entry.built_in]


def damage(path, how):
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[:-1])
    elif how == "longer":
        path.write_bytes(content + b"x")
    elif how == "begun":
        path.write_bytes(content[:40])
    elif how == "foreign":
        path.write_bytes(b"hello")
    elif how == "without key":
        save_file({"a": np.zeros(3)}, path)
    elif how == "no json":
        save_file({"a": np.zeros(3)}, path, {RUN_KEY: "{"})
    elif how == "values":
        text = json.dumps({"format_version": 1, "key": [], "values": {}})
        save_file({"a": np.zeros(3)}, path, {RUN_KEY: text})
    elif how == "version":
        save_file({"a": np.zeros(3)}, path, {RUN_KEY: json.dumps({"format_version": 2})})
    elif how == "overlap":
        path.write_bytes(content.replace(b'"data_offsets":[0,24]', b'"data_offsets":[1,24]'))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("cut", "is damaged.*--overwrite"),
        ("longer", "is damaged"),
        ("begun", "is damaged"),
        ("overlap", "is damaged"),
        ("no json", "is damaged"),
        ("values", "is damaged"),
        ("foreign", "is not an unfinished training"),
        ("without key", "is not an unfinished training"),
        ("version", "another version"),
    ],
)
def test_damaged_files_are_said_to_be(tmp_path, how, said):
    run = RunFile(tmp_path / "m.vstain-run")
    run.earlier(KEY)
    run.keep(snapshot(a=np.zeros(3)))
    damage(run.path, how)
    with pytest.raises(VirtualStainError, match=rf"m\.vstain-run .*{said}"):
        RunFile(run.path).earlier(KEY)
    if how != "overlap":  # of which only a reader of all arrays learns
        with pytest.raises(VirtualStainError, match=said):
            recover_model(run.path)


def test_what_is_not_there(tmp_path):
    with pytest.raises(VirtualStainError, match=r"there is no unfinished training .*m\.vstain"):
        recover_model(tmp_path / "m.vstain-run")


def test_where_it_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VirtualStainError, match="could not be written"):
        RunFile(tmp_path / "file" / "m.vstain-run").keep(snapshot())


def test_a_full_disk_leaves_the_last_snapshot(tmp_path, monkeypatch):
    run = RunFile(tmp_path / "m.vstain-run")
    run.keep(snapshot(step=1))

    def full(descriptor):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VirtualStainError, match="the disk is full"):
        run.keep(snapshot(step=2))
    assert RunFile(run.path).earlier({}).values["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m.vstain-run"]


def test_what_begins_anew_leaves_an_earlier_one_until_there_is_something_to_keep(tmp_path):
    earlier = RunFile(tmp_path / "m.vstain-run")
    earlier.earlier({"seed": 0})
    earlier.keep(snapshot(step=1))
    anew = RunFile(earlier.path, anew=True)
    assert anew.earlier({"seed": 1}) is None
    assert RunFile(earlier.path).earlier({"seed": 0}).values["step"] == 1
    anew.keep(snapshot(step=2))
    assert RunFile(earlier.path).earlier({"seed": 1}).values["step"] == 2


def test_who_has_written_it_is_known(tmp_path):
    run = RunFile(tmp_path / "m.vstain-run")
    assert run_writer(run.path) is None
    run.keep(snapshot())
    assert run_writer(run.path) == (platform.node(), os.getpid())
    run.path.write_bytes(b"no")
    assert run_writer(run.path) is None


KILLED = """
import sys, numpy as np
from napari_virtual_stain.io.training_run import RunFile
from napari_virtual_stain.keeping import Snapshot
run = RunFile(sys.argv[1])
run.earlier({})
for step in range(10**6):
    run.keep(Snapshot({"a": np.full(50_000, step)}, {"step": step}))
    print(step, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills with a signal")
def test_a_process_that_is_killed_leaves_a_whole_file(tmp_path):
    path = tmp_path / "m.vstain-run"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    for _ in range(5):
        child.stdout.readline()
    child.kill()
    child.wait()
    child.stdout.close()
    found = RunFile(path).earlier({})
    assert found.values["step"] >= 4
    assert (found.arrays["a"] == found.values["step"]).all()
    # What was being written lies beside, is written over by the next run, and goes with it.
    run = RunFile(path)
    run.keep(snapshot())
    assert load_file(path) == {}
    run.done()
    assert not list(tmp_path.iterdir())
