"""``vstain train``: what a training leaves that was stopped, and how it goes on."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain import io
from napari_virtual_stain.events import Losses
from napari_virtual_stain.image import Image
from napari_virtual_stain.io.training_run import RunFile
from napari_virtual_stain.training import fitting


@pytest.fixture
def slide(tmp_path):
    values = np.random.default_rng(0).integers(0, 4000, (2, 40, 50)).astype(np.uint16)
    image = Image(values, "CYX", {"Y": 0.5, "X": 0.5}, channels=("phase", "DNA"))
    return io.write_image(image, tmp_path / "slide.ome.tif")


@pytest.fixture
def train(vstain, slide, tmp_path):
    """Train a tiny model for four steps; returns (status, stderr)."""

    def run(*more, name="m"):
        small = ["--preset", "gvtnet-2d-small", "--option", "filters=2"]
        channels = ["--input", "phase", "--target", "DNA", *small]
        quick = ["--steps", "4", "--batch", "2", "--device", "cpu", "--validate-every", "2"]
        status, _, stderr = vstain(
            "train", slide, "--output", tmp_path / name, *channels, *quick, *more
        )
        return status, " ".join(stderr.split())

    return run


@pytest.fixture
def interrupted(monkeypatch):
    """Keep every step, and press Ctrl-C when one is about to begin."""
    monkeypatch.setattr(fitting, "KEEP_EVERY", 0.0)
    kept = RunFile.keep

    def at(step):
        def keep(self, snapshot):
            kept(self, snapshot)
            if snapshot.values["step"] == step:
                raise KeyboardInterrupt

        monkeypatch.setattr(RunFile, "keep", keep)

    return at


def weights(path):
    return {name: t.numpy() for name, t in io.load_model(path).network.state_dict().items()}


def test_a_training_that_was_stopped_goes_on_to_the_same_end(train, interrupted, tmp_path):
    run = tmp_path / "m.vstain-run"
    interrupted(3)
    status, stderr = train()
    assert status == 130
    assert f"kept in {run}; the same command with --resume goes on" in stderr
    assert run.exists()
    assert not (tmp_path / "m.safetensors").exists()

    status, stderr = train()
    assert status == 1
    assert "m.vstain-run is an unfinished training of m.safetensors" in stderr
    assert "(--resume), or discard it (--overwrite)" in stderr

    interrupted(9)
    status, stderr = train("--resume")
    assert status == 0, stderr
    assert "after step 3 of 4" in stderr
    assert not run.exists()

    status, _ = train(name="whole")
    assert status == 0
    one, whole = weights(tmp_path / "m.safetensors"), weights(tmp_path / "whole.safetensors")
    for name, values in whole.items():
        np.testing.assert_array_equal(one[name], values)


def test_a_training_that_was_stopped_may_be_discarded(train, interrupted, tmp_path):
    interrupted(3)
    assert train()[0] == 130
    interrupted(9)
    status, stderr = train("--overwrite")
    assert status == 0, stderr
    assert "Going on" not in stderr
    assert not (tmp_path / "m.vstain-run").exists()


def test_what_fails_discards_nothing(train, interrupted, tmp_path):
    interrupted(3)
    assert train()[0] == 130
    before = (tmp_path / "m.vstain-run").read_bytes()
    status, stderr = train("--overwrite", "--train-crop", "X=0:500")
    assert status == 1, stderr
    assert (tmp_path / "m.vstain-run").read_bytes() == before


def test_other_options_are_not_gone_on_with(train, interrupted, tmp_path):
    interrupted(3)
    assert train()[0] == 130
    status, stderr = train("--resume", "--seed", "5")
    assert status == 1
    assert "begun otherwise: seed was 0 and is now 5. Resume it" in stderr
    assert (tmp_path / "m.vstain-run").exists()


def test_with_nothing_to_resume_it_begins(train, tmp_path):
    status, stderr = train("--resume")
    assert status == 0
    assert "there is no unfinished training of m.safetensors; it begins anew" in stderr
    status, stderr = train("--resume")
    assert status == 1
    assert "m.safetensors exists already" in stderr


def test_the_log_goes_on_too(train, interrupted, tmp_path):
    interrupted(3)
    more = ["--log", "csv", "--save-config", tmp_path / "saved.yaml"]
    assert train(*more)[0] == 130
    interrupted(9)
    status, stderr = train("--resume", *more)
    assert status == 0, stderr
    lines = (tmp_path / "m.logs" / "losses.csv").read_text().splitlines()
    assert lines[0] == "step,training_loss,validation_r DNA"
    rows = [line.split(",") for line in lines[1:]]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert [bool(row[2]) for row in rows] == [False, True, False, True]


def test_an_earlier_log_is_kept(train, tmp_path):
    folder = tmp_path / "elsewhere"
    log = io.TrainingLog(folder, "csv", ["DNA"])
    log.add(Losses(1, 1.0))
    log.close()
    status, stderr = train("--log", "csv", "--log-folder", folder)
    assert status == 1
    assert "losses.csv exists already" in stderr


def test_a_model_that_is_there_is_kept(train, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"mine")
    status, stderr = train()
    assert status == 1
    assert "exists already" in stderr
    assert (tmp_path / "m.safetensors").read_bytes() == b"mine"
