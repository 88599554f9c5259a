"""Several processes train as one does with all of their batches together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_virtual_stain.training.parallel import is_first_process

PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np, torch
from napari_virtual_stain.training import TrainOptions, TrainingPair, train_events
from napari_virtual_stain.training.parallel import is_first_process
from napari_virtual_stain.events import run
from small import blobs
torch.set_num_threads(1)
# No batch normalization, whose statistics are those of each process. One of the pairs lacks a
# target, and of the other some pixels do not count.
source, target = blobs(0, (48, 96))
counts = np.random.default_rng(0).random((48, 96)) > 0.4
partly = TrainingPair(source, target, counts=target.select("C", 0).replace(data=counts))
lone, stained = blobs(1, (48, 96), ("DNA",))
options = TrainOptions(
    "unet-2d", network_options=dict(norm=False, filters=4, depth=2),
    steps=3, batch={batch}, devices={devices}, validate_every=3, device="cpu",
)
model = run(train_events([partly, (lone, stained)], options))
if is_first_process():
    np.savez({file!r}, **{{n: v.numpy() for n, v in model.network.state_dict().items()}})
"""


@pytest.mark.parametrize(
    ("variables", "is_first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"RANK": "1", "LOCAL_RANK": "0", "GROUP_RANK": "1"}, False),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, True),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}, False),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_JOB_NAME": "bash"}, True),
    ],
)
def test_the_first_process_is_known_whoever_started_it(monkeypatch, variables, is_first):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_NTASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() is is_first


def weights(folder: Path, devices: int, batch: int) -> dict[str, np.ndarray]:
    file = folder / f"{devices}.npz"
    program = folder / f"train_on_{devices}.py"
    tests = str(Path(__file__).parent)
    program.write_text(PROGRAM.format(tests=tests, file=str(file), devices=devices, batch=batch))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Error" not in done.stderr, done.stderr[-3000:]
    with np.load(file) as found:
        return dict(found)


@pytest.mark.skipif(not torch.distributed.is_available(), reason="PyTorch is built without")
def test_two_processes_equal_one_with_the_doubled_batch(tmp_path):
    one, two = weights(tmp_path, 1, 4), weights(tmp_path, 2, 2)
    assert set(one) == set(two)
    for name, values in one.items():
        assert np.allclose(values, two[name], rtol=1e-4, atol=1e-5), name
