"""The dock by itself: what is chosen, what is trained, and what a person does meanwhile."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit

from napari_virtual_stain.events import Losses
from napari_virtual_stain.gui.train import state, work
from napari_virtual_stain.gui.train.own_layers import HELD_OUT_TITLE
from napari_virtual_stain.gui.train.state import Stage
from napari_virtual_stain.gui.train.unfinished import unfinished_runs
from napari_virtual_stain.gui.train.verdict import Readiness
from napari_virtual_stain.gui.train_dock import TrainDock
from napari_virtual_stain.io import list_models, load_model

from .train_helpers import (
    LONG,
    PRESET,
    TIMEOUT,
    add,
    cells,
    offered,
    pick,
    said,
    scored,
    small,
    train,
    wait,
)

pytestmark = pytest.mark.gui


@pytest.fixture
def dock(qtbot, viewer):
    made = TrainDock(viewer)
    qtbot.addWidget(made)
    made.resize(340, 900)
    made.show()
    made.side._timer.setInterval(10**6)  # what is measured beside the run is tested by itself
    yield made
    made.side.cancel()
    made.training.cancel()
    wait(qtbot, made)


@pytest.fixture
def ready(dock, viewer, qtbot):
    add(viewer)
    qtbot.waitUntil(dock.controls.button.isEnabled)
    small(dock)
    return dock


def test_empty(dock):
    assert dock.verdict.readiness is Readiness.EMPTY
    assert not dock.controls.button.isEnabled()
    assert said(dock)[0].startswith("Open images and what is to be predicted")
    assert not dock.live.isVisible()


def test_colours_are_said_to_be_none_to_learn_from(dock, viewer, qtbot):
    viewer.add_image(np.zeros((64, 120, 3), np.uint8), name="phase", rgb=True)
    viewer.add_image(cells()[1], name="DAPI", axis_labels="yx")
    qtbot.waitUntil(lambda: "Choose a target" in said(dock)[0])
    assert "phase is an RGB image" in said(dock)[0]


def test_ready_as_soon_as_there_are_two_layers(dock, viewer, qtbot):
    viewer.add_image(cells()[0], name="phase", axis_labels="yx")
    qtbot.waitUntil(lambda: "Choose a target" in said(dock)[0])
    viewer.add_image(cells()[1], name="DAPI", axis_labels="yx")
    qtbot.waitUntil(dock.controls.button.isEnabled)
    assert said(dock)[0] == "Learns phase → DAPI from one pair (Y 64 × X 120)."
    assert dock.choices.about.name.placeholderText() == "phase to DAPI"
    (box,) = dock.choices.pairs.boxes
    assert [row.label.text() for row in (*box.inputs, *box.targets)] == ["phase", "DAPI"]
    assert not box.remove.isVisible()


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


def test_the_keyboard_stays_with_what_can_be_pressed(ready, qtbot):
    controls = ready.controls
    small(ready, LONG)
    controls.button.setFocus()
    qtbot.keyClick(controls.button, Qt.Key.Key_Space)
    assert ready.focusWidget() is controls  # while pairs are checked, a second Space does nothing
    qtbot.waitUntil(lambda: ready.run.stage is Stage.TRAINING, timeout=TIMEOUT)
    assert ready.focusWidget() is controls.pause
    scored(qtbot, ready)
    controls.stop.setFocus()
    qtbot.keyClick(controls.stop, Qt.Key.Key_Space)
    wait(qtbot, ready)
    assert ready.focusWidget() is controls.button


def test_a_question_gets_the_keyboard(ready, viewer, qtbot):
    viewer.layers["DAPI"].data = np.full((64, 120), 7, np.uint16)
    ready.controls.button.setFocus()
    qtbot.keyClick(ready.controls.button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: ready.run.stage is Stage.ASKING, timeout=TIMEOUT)
    assert ready.focusWidget() is ready.controls.back
    qtbot.keyClick(ready.controls.back, Qt.Key.Key_Space)
    assert ready.focusWidget() is ready.controls.button


def test_no_focus_is_taken_from_elsewhere(ready, viewer, qtbot):
    other = QLineEdit(ready)
    other.show()
    other.setFocus()
    small(ready)
    train(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED
    assert ready.focusWidget() is other


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


def interrupted(qtbot, dock):
    """Leave an unfinished run, as a window that is closed does."""
    small(dock, LONG)
    dock.controls.button.click()
    scored(qtbot, dock)
    qtbot.waitUntil(lambda: dock.training.file.exists(), timeout=TIMEOUT)
    qtbot.wait(200)
    for job in dock.training.jobs:
        job.quit()
    wait(qtbot, dock)


def test_an_unfinished_run_is_offered_and_its_best_is_kept(ready, kept_often, models, qtbot):
    assert not ready.unfinished.isVisible()
    interrupted(qtbot, ready)
    assert said(ready)[1] == "Interrupted. What it had learned is kept: see above."
    assert ready.unfinished.isVisible()
    assert ready.unfinished.text.text().startswith("phase to DAPI was not finished. It was kept on")
    ready.hide()
    ready.show()
    ready.unfinished.keep.click()
    wait(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED, said(ready)
    assert "is in the model folder (phase to DAPI.safetensors)" in said(ready)[1]
    assert load_model("phase to DAPI").spec.provenance.preset == PRESET
    assert not ready.unfinished.isVisible()
    assert unfinished_runs(models) == []


def test_an_unfinished_run_is_discarded(ready, kept_often, models, qtbot):
    interrupted(qtbot, ready)
    ready.unfinished.discard.click()
    assert not ready.unfinished.isVisible()
    assert [path for path in models.rglob("*") if path.is_file()] == []


def test_an_unfinished_run_goes_on(ready, kept_often, models, qtbot):
    interrupted(qtbot, ready)
    (left,) = unfinished_runs(models)
    ready.unfinished.go_on.click()
    assert ready.controls.button.text() == "Go on training"
    assert "is continued by Train" in ready.unfinished.text.text()
    ready.controls.button.click()
    qtbot.waitUntil(lambda: ready.run.stage is Stage.TRAINING, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: ready.live.history.step > 0, timeout=TIMEOUT)
    steps, _, _ = ready.live.history.losses()
    assert steps[0] > 1
    assert ready.training.file == left.path
    ready.controls.cancel.click()
    wait(qtbot, ready)


def test_cancelling_what_goes_on_leaves_what_was_learned(ready, kept_often, models, qtbot):
    interrupted(qtbot, ready)
    (left,) = unfinished_runs(models)
    before = left.path.stat().st_size
    ready.unfinished.go_on.click()
    ready.controls.button.click()
    qtbot.waitUntil(lambda: ready.run.stage is Stage.TRAINING, timeout=TIMEOUT)
    ready.controls.cancel.click()
    wait(qtbot, ready)
    assert said(ready)[1] == "Interrupted. What it had learned is kept: see above."
    assert [run.path for run in unfinished_runs(models)] == [left.path]
    assert left.path.stat().st_size >= before // 2
    assert ready.unfinished.isVisible()


def test_what_cannot_be_deleted_holds_nothing_up(ready, kept_often, models, monkeypatch, qtbot):
    small(ready, LONG)
    ready.controls.button.click()
    scored(qtbot, ready)
    qtbot.waitUntil(lambda: ready.training.file.exists(), timeout=TIMEOUT)

    def refused(self, missing_ok=False):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(ready.training.file), "unlink", refused)
    ready.controls.cancel.click()
    wait(qtbot, ready)
    assert ready.run.stage is Stage.CANCELLED
    assert ready.controls.button.isEnabled()
    ready.unfinished.discard.click()
    assert "cannot be deleted: Permission denied" in ready.unfinished.text.text()
    monkeypatch.undo()
    ready.unfinished.discard.click()
    assert not ready.unfinished.isVisible()


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


def test_the_curves_of_another_run_do_not_stand_above_what_is_kept(ready, kept_often, qtbot):
    interrupted(qtbot, ready)
    ready.unfinished.keep.click()
    wait(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED, said(ready)
    assert not ready.live.isVisible()


def test_an_unfinished_run_of_other_choices_says_what_differs(ready, kept_often, models, qtbot):
    interrupted(qtbot, ready)
    ready.unfinished.go_on.click()
    ready.choices.advanced.seed.setValue(7)
    train(qtbot, ready)
    qtbot.waitUntil(lambda: ready.run.stage is Stage.FAILED, timeout=TIMEOUT)
    assert "seed was 0 and is now 7" in said(ready)[1]
    assert ready.unfinished.isVisible()
    assert len(unfinished_runs(models)) == 1


def test_pairs_come_and_go(ready, viewer, qtbot):
    choices = ready.choices
    add(viewer, 1, " 2")
    add(viewer, 2, " 3")
    offered(qtbot, ready, 6)
    choices.add_pair.click()
    assert len(choices.pairs.boxes) == 2
    assert choices.pairs.boxes[1].inputs[0].layer.currentText() == "phase 2"
    assert choices.pairs.boxes[1].targets[0].layer.currentText() == "DAPI 2"
    choices.add_matching.click()
    assert [box.title.text() for box in choices.pairs.boxes] == ["Pair 1", "Pair 2", "Pair 3"]
    assert said(ready)[0].startswith("Learns phase → DAPI from 3 pairs")
    choices.add_matching.click()
    assert choices.said.text() == "No further layers are named like those of pair 1."
    choices.pairs.boxes[2].validates.setChecked(True)
    assert "from 2 pairs (Y 64 × X 120), scored on another." in said(ready)[0]
    assert not choices.regions.show_held_out.isVisible()
    choices.pairs.boxes[1].remove.click()
    assert "from one pair" in said(ready)[0]
    viewer.layers.remove("phase 3")
    qtbot.waitUntil(lambda: not ready.controls.button.isEnabled())
    assert said(ready)[0] == "Choose the input phase of pair 2."


def test_channels_come_and_go(ready, viewer, qtbot):
    choices = ready.choices
    viewer.add_image(cells(3)[1], name="MAP2", axis_labels="yx")
    choices.channels.add_target.click()
    (box,) = choices.pairs.boxes
    assert [row.layer.currentText() for row in box.targets] == ["DAPI", "MAP2"]
    assert said(ready)[0].startswith("Learns phase → DAPI and MAP2 from one pair")
    choices.channels.targets[0].name.setText("nuclei")
    choices.channels.targets[0].name.textEdited.emit("nuclei")
    assert said(ready)[0].startswith("Learns phase → nuclei and MAP2")
    choices.channels.targets[0].remove.click()
    assert [row.layer.currentText() for row in box.targets] == ["MAP2"]
    assert said(ready)[0].startswith("Learns phase → MAP2 from one pair")
    choices.channels.add_input.click()
    assert len(box.inputs) == 2


def tab_stops(dock):
    """Return what the Tab key goes through."""
    chain, widget = [], dock.nextInFocusChain()
    while widget is not dock:
        if widget.isVisibleTo(dock) and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            chain.append(widget)
        widget = widget.nextInFocusChain()
    return chain


def test_the_tab_key_goes_as_one_reads(ready, viewer, qtbot):
    choices, channels = ready.choices, ready.choices.channels
    add(viewer, 1, " 2")
    offered(qtbot, ready, 4)
    channels.add_target.click()
    channels.add_input.click()
    choices.add_pair.click()
    channels.inputs[0].remove.click()
    channels.add_input.click()
    ready.choices.advanced.expand(animate=False)
    qtbot.waitUntil(channels.inputs[1].name.isVisible)
    stops = tab_stops(ready)
    pickers = [row.layer for box in choices.pairs.boxes for row in (*box.inputs, *box.targets)]
    expected = [
        *(row.name for row in (*channels.inputs, *channels.targets)),
        channels.add_input,
        *pickers,
        choices.add_pair,
        choices.recipe.preset,
        choices.about.name,
        choices.advanced.steps,
        choices.advanced.seed,
        ready.controls.button,
    ]
    assert [stop for stop in stops if stop in expected] == expected


def test_labels_ask_what_unpainted_pixels_are(ready, viewer, qtbot):
    painted = np.zeros((64, 120), int)
    painted[10:20] = 1
    painted[30:40] = 2
    labels = viewer.add_labels(painted, name="cells", axis_labels="yx")
    row = ready.choices.channels.targets[0]
    assert not row.painted.isVisible()
    (box,) = ready.choices.pairs.boxes
    qtbot.waitUntil(lambda: box.targets[0].layer.findText("cells") >= 0)
    pick(box.targets[0].layer, labels)
    assert row.painted.isVisible()
    assert "whatever its label" in row.hint.text()
    pick(row.unpainted, "not annotated")
    assert "Label 1 is background" in row.hint.text()
    train(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED, said(ready)
    spec = load_model("phase to cells").spec
    assert spec.outputs[0].kind == "mask"


def test_what_is_held_out_is_shown_and_goes_away(ready, viewer, qtbot):
    show = ready.choices.regions.show_held_out
    show.setChecked(True)
    layer = viewer.layers[HELD_OUT_TITLE]
    corners = layer.data[0]
    assert corners.min(axis=0).tolist() == [-0.5, 95.5]
    assert corners.max(axis=0).tolist() == [63.5, 119.5]
    assert viewer.layers.selection.active != layer
    ready.hide()
    assert HELD_OUT_TITLE not in viewer.layers
    ready.show()
    assert HELD_OUT_TITLE in viewer.layers
    show.setChecked(False)
    assert HELD_OUT_TITLE not in viewer.layers


def test_shapes_mark_where_it_is_scored(ready, viewer, qtbot):
    box = np.array([[0, 0], [0, 40], [63, 40], [63, 0]])
    shapes = viewer.add_shapes([box], shape_type="polygon", name="here")
    regions = ready.choices.regions
    qtbot.waitUntil(lambda: regions.score_in.count() == 2)
    pick(regions.score_in, shapes)
    assert not regions.show_held_out.isVisible()
    small(ready, LONG)
    ready.controls.button.click()
    qtbot.waitUntil(lambda: "DAPI preview" in viewer.layers, timeout=TIMEOUT)
    preview = viewer.layers["DAPI preview"]
    assert preview.translate.tolist() == [0, 0]
    assert preview.data.shape[1] == 41
    ready.controls.cancel.click()
    wait(qtbot, ready)


def test_a_batch_can_be_looked_at(ready, qtbot):
    ready.choices.look.click()
    assert not ready.choices.look.isEnabled()
    qtbot.waitUntil(ready.choices.batch.isVisible, timeout=TIMEOUT)
    assert ready.choices.batch.height() > 50
    qtbot.waitUntil(ready.choices.look.isEnabled, timeout=TIMEOUT)
    ready.choices.advanced.seed.setValue(1)
    assert not ready.choices.batch.isVisible()


def test_the_time_it_takes_is_measured(ready, qtbot):
    ready.side._timer.setInterval(10)
    ready.choices.advanced.steps.setValue(5000)
    assert ready.controls.estimate.text() == "Measuring how long it will take…"
    qtbot.waitUntil(lambda: ready.controls.estimate.text().startswith("About "), timeout=TIMEOUT)
    assert ready.controls.estimate.text().endswith("on this machine (5,000 steps).")
    known = ready.controls.estimate.text()
    ready.choices.advanced.seed.setValue(3)  # of which it does not depend
    assert ready.controls.estimate.text() == known
    (key,) = ready.side._known
    ready.side._known[key] = 72.0  # with 50 scores, of more than five steps each
    ready.choices.advanced.seed.setValue(4)
    assert ready.controls.estimate.text() == "About 4.4 days on this machine (5,000 steps)."


def test_starting_from_a_model(ready, models, qtbot):
    train(qtbot, ready)
    start = ready.choices.recipe.start
    entries = {start.itemText(index): index for index in range(start.count())}
    start.setCurrentIndex(entries["phase to DAPI"])
    start.activated.emit(start.currentIndex())
    train(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED, said(ready)
    assert len(list(models.glob("*.safetensors"))) == 2


def test_it_is_narrow_and_nothing_is_cut_off(ready, viewer, qtbot):
    labels = viewer.add_labels(np.zeros((64, 120), int), name="cells", axis_labels="yx")
    target = ready.choices.pairs.boxes[0].targets[0].layer
    qtbot.waitUntil(lambda: target.findText("cells") >= 0)
    pick(target, labels)
    assert ready.choices.channels.targets[0].painted.isVisible()
    ready.live.begin("a", "b", ["cells"])
    ready.live.show()
    assert ready.minimumSizeHint().width() <= 320
    ready.choices.advanced.expand()
    ready.resize(320, 900)
    qtbot.wait(50)
    parts = (
        ready.choices.channels,
        *ready.choices.pairs.boxes,
        ready.choices.about,
        ready.controls,
        ready.live.curves.score,
    )
    for widget in parts:
        right = widget.mapTo(ready, widget.rect().topRight()).x()
        assert right <= ready.width()


def test_everything_has_a_tooltip(ready):
    choices, controls = ready.choices, ready.controls
    (box,) = choices.pairs.boxes
    widgets = [
        choices.channels.add_input,
        choices.channels.add_target,
        choices.channels.inputs[0].name,
        choices.channels.targets[0].unpainted,
        choices.channels.targets[0].remove,
        box.inputs[0].layer,
        box.targets[0].layer,
        box.validates,
        box.remove,
        choices.add_pair,
        choices.add_matching,
        choices.regions.learn_in,
        choices.regions.score_in,
        choices.regions.show_held_out,
        choices.recipe.preset,
        choices.recipe.start,
        choices.look,
        choices.batch,
        choices.about.name,
        choices.about.licence,
        choices.about.notes,
        choices.advanced.steps,
        choices.advanced.batch,
        choices.advanced.rate,
        choices.advanced.device,
        choices.advanced.precision,
        choices.advanced.seed,
        choices.advanced.turns,
        controls.button,
        controls.stop,
        controls.pause,
        controls.cancel,
        controls.correct,
        controls.ignore,
        controls.back,
        controls.predict,
        ready.unfinished.keep,
        ready.unfinished.go_on,
        ready.unfinished.discard,
    ]
    assert all(widget.toolTip() for widget in widgets)


def test_the_theme_is_followed(ready, qtbot):
    from napari.settings import get_settings

    train(qtbot, ready)
    appearance = get_settings().appearance
    before = appearance.theme
    dark = ready.live.curves.loss.backgroundBrush().color().name()
    try:
        appearance.theme = "light"
        assert ready.live.curves.loss.backgroundBrush().color().name() != dark
    finally:
        appearance.theme = before


def test_opening_it_loads_no_torch():
    code = (
        "import sys\n"
        "from qtpy.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "from napari.components import ViewerModel\n"
        "from napari_virtual_stain.gui.train_dock import TrainDock\n"
        "dock = TrainDock(ViewerModel())\n"
        "print('torch' in sys.modules, 'pyqtgraph' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
