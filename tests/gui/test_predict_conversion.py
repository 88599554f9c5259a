"""Checkpoints of other programs are converted on the way; their files are left as they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_virtual_stain import networks
from napari_virtual_stain.gui.predict.conversion import file_stem, needs_conversion
from napari_virtual_stain.gui.predict.form import Readiness
from napari_virtual_stain.gui.predict.state import Stage
from napari_virtual_stain.gui.predict_dock import PredictDock
from napari_virtual_stain.io import read_spec

pytestmark = pytest.mark.gui


@pytest.fixture
def dock(qtbot, viewer):
    made = PredictDock(viewer)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def choose(dock, qtbot):
    def run(path):
        dock.model.browsed.emit(str(path))
        qtbot.waitUntil(lambda: not dock.run.is_on, timeout=60_000)
        return dock.controls.after.text()

    return run


@pytest.fixture
def state_dict(tmp_path):
    """A bare state dict, as a training of one's own may have left it."""
    torch.manual_seed(0)
    network = networks.build("fnet", ndim=2, filters=2, depth=2)
    path = tmp_path / "mine.pth"
    torch.save(network.state_dict(), path)
    return path


def test_a_checkpoint_is_converted_chosen_and_predicts(
    dock, choose, state_dict, models, viewer, qtbot
):
    before = state_dict.read_bytes()
    viewer.add_image(np.random.default_rng(0).normal(size=(32, 40)), name="cells")
    assert "Converted mine.pth" in choose(state_dict)
    assert dock.model.entry().path.parent == models
    assert dock.model.entry().spec.network.name == "fnet"
    assert dock.verdict.readiness is Readiness.READY
    assert state_dict.read_bytes() == before
    dock.predict()
    qtbot.waitUntil(lambda: not dock.run.is_on, timeout=30_000)
    assert dock.run.stage is Stage.FINISHED


def test_the_same_checkpoint_is_stored_once_and_another_beside_it(dock, choose, state_dict, models):
    choose(state_dict)
    choose(state_dict)
    assert len(list(models.iterdir())) == 1
    torch.manual_seed(1)
    torch.save(networks.build("fnet", ndim=2, filters=2, depth=2).state_dict(), state_dict)
    first = next(models.iterdir()).read_bytes()
    choose(state_dict)
    stored = sorted(models.iterdir())
    assert len(stored) == 2
    assert first in [path.read_bytes() for path in stored]
    assert all(read_spec(path) for path in stored)


def test_a_file_that_is_no_model_says_so(dock, choose, save, tmp_path, models):
    dock.choose_model(save())
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    assert "notes.txt" in choose(path)
    assert dock.run.stage is Stage.FAILED
    assert dock.model.entry().name == "small"  # what was chosen stays chosen
    assert not list(models.iterdir())


def test_a_model_file_is_never_converted(save, tmp_path):
    assert not needs_conversion(save())
    assert not needs_conversion(tmp_path / "missing.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(save().read_bytes()[:-10])
    assert not needs_conversion(cut)


@pytest.mark.parametrize(
    ("name", "stem"),
    [("DNA", "DNA"), ("a/b: c", "a_b_ c"), ("..", "imported"), ("x" * 200, "x" * 80)],
)
def test_names_become_file_names(name, stem):
    assert file_stem(name) == stem
