"""The dock by itself: what is chosen, what is trained, and what a person does meanwhile."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit

from napari_virtual_stain.gui.train.own_layers import HELD_OUT_TITLE
from napari_virtual_stain.gui.train.state import Stage
from napari_virtual_stain.gui.train.verdict import Readiness
from napari_virtual_stain.io import load_model

from .train_helpers import (
    LONG,
    TIMEOUT,
    add,
    cells,
    made_dock,
    offered,
    pick,
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


def test_the_keyboard_stays_with_what_can_be_pressed(ready, qtbot):
    controls = ready.controls
    small(ready, LONG)
    controls.button.setFocus()
    qtbot.keyClick(controls.button, Qt.Key.Key_Space)
    assert ready.focusWidget() is controls  # while pairs are checked, a second Space does nothing
    qtbot.waitUntil(controls.pause.isEnabled, timeout=TIMEOUT)
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
