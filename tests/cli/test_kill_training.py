"""A training that was killed and resumed saves the same model as one that was not, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from napari_virtual_stain.image import Image
from napari_virtual_stain.io import write_image

TRAIN = [
    *("--input", "phase", "--target", "DNA", "--preset", "gvtnet-2d-small"),
    *("--option", "filters=8", "--option", "depth=2", "--steps", "60", "--batch", "2"),
    *("--validate-every", "5", "--averaging", "0.9", "--augment", "noise=0.2", "--device", "cpu"),
]


def command(folder: Path, output: str, *more: str) -> list[str]:
    train = [sys.executable, "-W", "ignore", "-m", "napari_virtual_stain.cli", "train"]
    return [*train, str(folder / "pair.ome.tif"), "--output", str(folder / output), *TRAIN, *more]


def weights(path: Path) -> dict[str, np.ndarray]:
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX systems")
def test_killed_and_resumed_is_the_same_to_the_bit(tmp_path):
    rng = np.random.default_rng(0)
    pixels = np.cumsum(rng.integers(0, 200, (2, 64, 96)), axis=2).astype(np.uint16)
    write_image(Image(pixels, "CYX", channels=("phase", "DNA")), tmp_path / "pair.ome.tif")
    subprocess.run(command(tmp_path, "unbroken.safetensors"), check=True, capture_output=True)
    run = tmp_path / "killed.vstain-run"
    training = subprocess.Popen(
        command(tmp_path, "killed.safetensors"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not run.exists() and training.poll() is None:
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.2))
    os.killpg(training.pid, signal.SIGKILL)
    training.wait()
    assert run.exists()
    assert not (tmp_path / "killed.safetensors").exists()
    resumed = subprocess.run(
        command(tmp_path, "killed.safetensors", "--resume"),
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Going on with an earlier training" in resumed.stdout + resumed.stderr
    assert not run.exists()
    one, other = (weights(tmp_path / f"{name}.safetensors") for name in ("unbroken", "killed"))
    assert set(one) == set(other)
    for name, values in one.items():
        assert np.array_equal(values, other[name]), name


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a signal of POSIX systems here")
def test_an_interrupt_keeps_all_that_was_learned(tmp_path):
    rng = np.random.default_rng(0)
    pixels = np.cumsum(rng.integers(0, 200, (2, 64, 96)), axis=2).astype(np.uint16)
    write_image(Image(pixels, "CYX", channels=("phase", "DNA")), tmp_path / "pair.ome.tif")
    more = ["--steps", "100000", "--log", "csv"]
    training = subprocess.Popen(
        command(tmp_path, "left.safetensors", *more),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    run, rows = tmp_path / "left.vstain-run", tmp_path / "left.logs" / "losses.csv"
    while not run.exists() and training.poll() is None:
        time.sleep(0.01)
    first = len(rows.read_text().splitlines())
    while len(rows.read_text().splitlines()) < first + 3 and training.poll() is None:
        time.sleep(0.01)
    training.send_signal(signal.SIGINT)
    _, said = training.communicate(timeout=60)
    assert training.returncode == 130, said
    assert "the same command with --resume goes on" in " ".join(said.split())
    assert "Traceback" not in said
    # What is kept is the last step, not that of the last minute.
    last = int(rows.read_text().splitlines()[-1].split(",")[0])
    with safe_open(run, "np") as file:
        kept = json.loads(file.metadata()["napari_virtual_stain_training"])
    assert kept["values"]["step"] == last > first
