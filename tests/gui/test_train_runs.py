"""Trainings in the dock: how they run, are paused, stopped and cancelled, and what they leave."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.events import Losses
from napari_virtual_stain.gui.train import state, work
from napari_virtual_stain.gui.train.own_layers import HELD_OUT_TITLE
from napari_virtual_stain.gui.train.state import Stage
from napari_virtual_stain.gui.train.unfinished import unfinished_runs
from napari_virtual_stain.io import list_models, load_model

from .train_helpers import (
    LONG,
    PRESET,
    TIMEOUT,
    add,
    cells,
    made_dock,
    offered,
    ready_dock,
    said,
    scored,
    small,
    train,
    wait,
)

pytestmark = pytest.mark.gui


@pytest.fixture
def dock(qtbot, viewer):
    yield from made_dock(qtbot, viewer)


@pytest.fixture
def ready(dock, viewer, qtbot):
    return ready_dock(dock, viewer, qtbot)


def test_it_trains_and_keeps_the_model(ready, viewer, models, qtbot):
    before = [layer.data.copy() for layer in viewer.layers]
    names = []
    viewer.layers.events.inserted.connect(lambda event: names.append(event.value.name))
    ready.choices.about.name.setText("my model")
    ready.choices.about.name.textEdited.emit("my model")
    ready.choices.about.licence.setCurrentText("CC0-1.0")
    ready.choices.about.notes.setPlainText("Blobs.")
    train(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED, said(ready)
    assert said(ready)[1].startswith("Trained my model (r = ")
    assert set(names) == {"DAPI preview", HELD_OUT_TITLE}
    assert [layer.name for layer in viewer.layers] == ["phase", "DAPI"]
    for layer, pixels in zip(viewer.layers, before, strict=True):
        np.testing.assert_array_equal(layer.data, pixels)
    assert [path.name for path in models.iterdir() if path.is_file()] == ["my model.safetensors"]
    assert unfinished_runs(models) == []
    model = load_model("my model")
    origin = model.spec.provenance
    assert (origin.licence, origin.preset, origin.seed) == ("CC0-1.0", PRESET, 0)
    assert origin.data == "napari layers: phase → DAPI"
    assert origin.command == "napari, dock Train a model"
    assert model.spec.description == "Blobs."
    assert "DAPI" in origin.scores


def test_no_other_model_is_replaced(ready, models, qtbot):
    for _ in range(2):
        train(qtbot, ready)
        ready.choices.advanced.seed.setValue(1)
    assert sorted(path.name for path in models.glob("*.safetensors")) == [
        "phase to DAPI 2.safetensors",
        "phase to DAPI.safetensors",
    ]
    names = ["phase to DAPI", "phase to DAPI 2"]
    assert [entry.name for entry in list_models() if not entry.built_in] == names
    start = ready.choices.recipe.start
    assert [start.itemText(row) for row in range(start.count())][-2:] == names


def test_what_was_said_goes_when_something_else_is_chosen(ready, viewer, qtbot):
    train(qtbot, ready)
    assert ready.live.isVisible()
    add(viewer, 1, " 2")
    offered(qtbot, ready, 4)
    ready.choices.add_matching.click()
    assert said(ready)[1] == ""
    assert not ready.live.isVisible()


def test_pause_resume_stop_and_keep_the_best(ready, viewer, models, qtbot):
    small(ready, LONG)
    ready.controls.button.click()
    qtbot.waitUntil(lambda: ready.run.stage is Stage.TRAINING, timeout=TIMEOUT)
    assert not ready.controls.stop.isEnabled()
    assert not ready.choices.isVisible()
    assert ready.live.isVisible()
    scored(qtbot, ready)
    assert ready.controls.stop.isEnabled()
    qtbot.waitUntil(lambda: "DAPI preview" in viewer.layers, timeout=TIMEOUT)
    preview = viewer.layers["DAPI preview"]
    assert preview.data.shape == (64, 24)
    assert preview.translate.tolist() == [0, 96]
    ready.controls.pause.click()
    assert ready.run.stage is Stage.PAUSED
    assert ready.controls.pause.text() == "Resume"
    assert ready.controls.stage.text().startswith("Paused, ")
    qtbot.wait(500)
    step = ready.live.history.step
    qtbot.wait(500)
    assert ready.live.history.step == step
    ready.controls.pause.click()
    qtbot.waitUntil(lambda: ready.live.history.step > step, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: "left" in ready.controls.stage.text(), timeout=TIMEOUT)
    ready.controls.stop.click()
    assert ready.controls.stop.text() == "Stopping…"
    wait(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED, said(ready)
    assert len(list(models.glob("*.safetensors"))) == 1
    assert "DAPI preview" not in viewer.layers


def test_the_preview_is_one_layer_that_is_updated(ready, viewer, qtbot):
    small(ready, LONG)
    added = []
    viewer.layers.events.inserted.connect(lambda event: added.append(event.value.name))
    ready.controls.button.click()
    qtbot.waitUntil(lambda: "DAPI preview" in viewer.layers, timeout=TIMEOUT)
    layer = viewer.layers["DAPI preview"]
    first = layer.data.copy()
    qtbot.waitUntil(lambda: not np.array_equal(layer.data, first), timeout=TIMEOUT)
    assert added.count("DAPI preview") == 1
    layer.contrast_limits = (-1, 1)
    first = layer.data.copy()
    qtbot.waitUntil(lambda: not np.array_equal(layer.data, first), timeout=TIMEOUT)
    assert layer.contrast_limits == [-1, 1]  # a person has set them
    viewer.layers.remove(layer)
    step = ready.live.history.step
    qtbot.waitUntil(lambda: ready.live.history.step > step + 25, timeout=TIMEOUT)
    assert added.count("DAPI preview") == 1
    ready.controls.cancel.click()
    wait(qtbot, ready)


def test_cancel_keeps_nothing_and_it_can_be_trained_again(ready, viewer, models, qtbot):
    small(ready, LONG)
    ready.controls.button.click()
    scored(qtbot, ready)
    ready.controls.cancel.click()
    assert ready.run.stage is Stage.CANCELLING
    assert ready.controls.cancel.text() == "Cancelling…"
    wait(qtbot, ready)
    assert ready.run.stage is Stage.CANCELLED
    assert said(ready)[1] == "Cancelled. No model was kept."
    assert [path for path in models.rglob("*") if path.is_file()] == []
    assert [layer.name for layer in viewer.layers] == ["phase", "DAPI"]
    small(ready)
    train(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED


def test_cancel_in_a_pause(ready, qtbot):
    small(ready, LONG)
    ready.controls.button.click()
    scored(qtbot, ready)
    ready.controls.pause.click()
    qtbot.wait(100)
    ready.controls.cancel.click()
    wait(qtbot, ready)
    assert ready.run.stage is Stage.CANCELLED


def test_a_shift_is_found_and_corrected(dock, viewer, models, qtbot):
    rng = np.random.default_rng(0)
    light, stain = cells(0, (256, 256))
    viewer.add_image(
        np.roll(light, 9, axis=1) + rng.normal(0, 1, light.shape), name="phase", axis_labels="yx"
    )
    viewer.add_image(stain, name="DAPI", axis_labels="yx")
    qtbot.waitUntil(dock.controls.button.isEnabled)
    small(dock)
    train(qtbot, dock)
    assert dock.run.stage is Stage.ASKING
    assert "the input lies off its target" in said(dock)[1]
    assert "+9 px along X" in said(dock)[1]
    assert dock.controls.correct.isVisible()
    assert dock.controls.ignore.isVisible()
    assert not dock.controls.button.isVisible()
    dock.controls.back.click()
    assert dock.run.stage is Stage.IDLE
    assert dock.choices.isVisible()
    train(qtbot, dock)
    dock.controls.correct.click()
    wait(qtbot, dock)
    assert dock.run.stage is Stage.FINISHED, said(dock)
    assert len(list(models.glob("*.safetensors"))) == 1


def test_a_block_that_was_cut_out_is_left_out(dock, viewer, models, qtbot):
    light, stain = cells(0, (128, 192))
    noise = np.random.default_rng(0).normal(100, 2, stain.shape)
    stain = stain + noise
    stain[20:80, 20:90] = 0
    viewer.add_image(light + noise, name="phase", axis_labels="yx")
    viewer.add_image(stain, name="DAPI", axis_labels="yx")
    qtbot.waitUntil(dock.controls.button.isEnabled)
    small(dock)
    train(qtbot, dock)
    assert dock.run.stage is Stage.ASKING
    assert "as if it had been cut out" in said(dock)[1]
    assert dock.controls.correct.text() == "Leave them out and train"
    dock.controls.correct.click()
    wait(qtbot, dock)
    assert dock.run.stage is Stage.FINISHED, said(dock)
    assert len(list(models.glob("*.safetensors"))) == 1


def test_what_cannot_be_trained_is_refused_before(dock, viewer, qtbot):
    add(viewer)
    viewer.layers["DAPI"].data = np.full((64, 120), 7, np.uint16)
    qtbot.waitUntil(dock.controls.button.isEnabled)
    small(dock)
    train(qtbot, dock)
    assert dock.run.stage is Stage.ASKING
    assert "DAPI" in said(dock)[1]
    assert "constant" in said(dock)[1]
    assert not dock.controls.correct.isVisible()
    assert not dock.controls.ignore.isVisible()
    assert dock.controls.back.isVisible()


def test_an_error_ends_the_run_with_a_sentence(ready, monkeypatch, qtbot):
    def broken(*args):
        yield work.Progress("Training", 1, 3)
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(work, "train", broken)
    train(qtbot, ready)
    qtbot.waitUntil(lambda: ready.run.stage is Stage.FAILED, timeout=TIMEOUT)
    assert said(ready)[1] == "An error inside the program: RuntimeError: shapes differ"
    monkeypatch.undo()
    train(qtbot, ready)
    qtbot.waitUntil(lambda: ready.run.stage is Stage.FINISHED, timeout=TIMEOUT)


def test_a_model_folder_that_cannot_be_written_is_said_at_once(ready, models, qtbot):
    models.mkdir(exist_ok=True)
    (models / "unfinished").write_text("no folder")
    train(qtbot, ready)
    qtbot.waitUntil(lambda: ready.run.stage is Stage.FAILED, timeout=TIMEOUT)
    assert "could not be written" in said(ready)[1]
    assert "An error inside" not in said(ready)[1]


def test_cancelled_just_after_the_checks(ready, qtbot):
    request = ready.verdict.request
    ready.training.run = state.Run(Stage.CANCELLING)
    ready.training._on_prepared(work.Prepared(request, (), ()))
    assert ready.run.stage is Stage.CANCELLED
    assert ready.training.jobs == []


def test_curves_are_named_as_the_outputs_are(dock):
    dock.live.begin("x" * 300, "", ["DAPI", "GFP"])
    dock.live.add(Losses(1, 0.5))
    dock.live.add(Losses(2, 0.4, (0.1, 0.9), ("GFP", "DAPI")))
    dock.live.draw()
    assert "GFP <b>0.10" in dock.live.curves.score_title.text().replace("&nbsp;", " ")
    # A name of any length makes the dock no wider.
    assert dock.live.minimumSizeHint().width() < 300


def test_starting_from_a_model(ready, models, qtbot):
    train(qtbot, ready)
    start = ready.choices.recipe.start
    entries = {start.itemText(index): index for index in range(start.count())}
    start.setCurrentIndex(entries["phase to DAPI"])
    start.activated.emit(start.currentIndex())
    train(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED, said(ready)
    assert len(list(models.glob("*.safetensors"))) == 2
