"""Measurements outlive the process, and nothing that happens to their files does harm."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from napari_virtual_stain.inference import remembered
from napari_virtual_stain.inference.remembered import machine_key, recall, remember

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VSTAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "measured"


def forget(monkeypatch) -> None:
    """Be as a new process."""
    monkeypatch.setattr(remembered, "_known", {})


def test_what_was_remembered_is_recalled(monkeypatch):
    assert recall("memory", "a") is None
    remember("memory", "a", {"fixed": 3, "share": 0.5})
    assert recall("memory", "a") == {"fixed": 3, "share": 0.5}
    forget(monkeypatch)
    assert recall("memory", "a") == {"fixed": 3, "share": 0.5}
    assert recall("memory", "b") is None
    assert recall("precision", "a") is None
    remember("memory", "a", {"fixed": 4})
    forget(monkeypatch)
    assert recall("memory", "a") == {"fixed": 4}


def test_what_is_recalled_is_the_callers_own():
    remember("memory", "a", {"fixed": 3})
    found = recall("memory", "a")
    found["fixed"] = 4
    assert recall("memory", "a") == {"fixed": 3}


def test_another_process_recalls_it():
    remember("memory", "a", {"fixed": 3})
    code = (
        "from napari_virtual_stain.inference.remembered import recall; print(recall('memory','a'))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "{'fixed': 3}"


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe{", b"[1]", b'{"key": "a"}', b'{"key": "b", "value": {}}']
)
def test_damaged_files_are_as_if_absent(folder, monkeypatch, content):
    remember("memory", "a", {"fixed": 3})
    (file,) = folder.iterdir()
    file.write_bytes(content)
    forget(monkeypatch)
    assert recall("memory", "a") is None
    remember("memory", "a", {"fixed": 5})
    forget(monkeypatch)
    assert recall("memory", "a") == {"fixed": 5}


def test_where_nothing_can_be_written_it_lasts_as_long_as_the_process(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("VSTAIN_CACHE", str(tmp_path / "file"))  # cannot become a folder
    remember("memory", "a", {"fixed": 3})
    assert recall("memory", "a") == {"fixed": 3}
    forget(monkeypatch)
    assert recall("memory", "a") is None


def test_writers_at_the_same_time_leave_whole_files(folder, monkeypatch):
    def write(i: int) -> None:
        remember("memory", f"key {i % 3}", {"i": i, "long": "x" * 10_000})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(60)))
    assert len(list(folder.iterdir())) == 3
    forget(monkeypatch)
    assert all(recall("memory", f"key {i}")["i"] % 3 == i for i in range(3))


def test_the_oldest_are_forgotten(folder, monkeypatch):
    monkeypatch.setattr(remembered, "MOST", 10)
    for i in range(10):
        remember("memory", str(i), {"i": i})
        (file,) = (f for f in folder.iterdir() if json.loads(f.read_text())["key"] == str(i))
        os.utime(file, (i, i))
    remember("memory", "last", {"i": 10})
    assert len(list(folder.iterdir())) == 5
    forget(monkeypatch)
    assert recall("memory", "last") == {"i": 10}
    assert recall("memory", "9") == {"i": 9}
    assert recall("memory", "0") is None


def test_a_key_changes_with_weights_and_layers(make_model):
    network = make_model("fnet").network
    key = machine_key(network, CPU)
    assert key == machine_key(copy.deepcopy(network), CPU)
    changed = copy.deepcopy(network)
    with torch.no_grad():
        next(changed.parameters()).view(-1)[0] += 1e-6
    assert machine_key(changed, CPU) != key
    assert machine_key(make_model("fnet", seed=1).network, CPU) != key
    relu, relu6 = (make_model("unet", activation=name).network for name in ("relu", "relu6"))
    relu.load_state_dict(relu6.state_dict())
    assert machine_key(relu, CPU) != machine_key(relu6, CPU)
    assert machine_key(network.bfloat16(), CPU) != key


def test_a_key_changes_with_the_number_of_threads(make_model):
    network = make_model("fnet").network
    key, threads = machine_key(network, CPU), torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert machine_key(network, CPU) != key
    finally:
        torch.set_num_threads(threads)
