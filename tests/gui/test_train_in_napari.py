"""The dock as napari docks it from the manifest, with the viewer that plugins are given."""

from __future__ import annotations

import time

import pytest
from qtpy.QtCore import QEvent, QThreadPool
from qtpy.QtWidgets import QApplication

from napari_virtual_stain.gui.commands import open_predict_dock
from napari_virtual_stain.gui.train.own_layers import HELD_OUT_TITLE
from napari_virtual_stain.gui.train.state import Stage
from napari_virtual_stain.gui.train.unfinished import unfinished_runs

from .train_helpers import LONG, TIMEOUT, add, scored, small, train

pytestmark = pytest.mark.gui

PLUGIN, WIDGET = "napari-virtual-stain", "Train a model"


@pytest.fixture
def window(make_napari_viewer_proxy, qtbot):
    """Return a viewer with a pair, and the dock, ready to train."""
    viewer = make_napari_viewer_proxy()
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    dock.side._timer.setInterval(10**6)
    add(viewer)
    qtbot.waitUntil(dock.controls.button.isEnabled)
    small(dock)
    return viewer, dock


def names(choice):
    return [choice.itemText(index) for index in range(choice.count())]


def test_a_model_that_is_finished_can_be_picked_at_once(window, qtbot):
    viewer, dock = window
    predict = open_predict_dock(viewer)
    assert "phase to DAPI" not in names(predict.model.combo)
    train(qtbot, dock)
    assert dock.run.stage is Stage.FINISHED, dock.run.lines
    assert "phase to DAPI" in names(predict.model.combo)
    chosen = predict.model.entry()
    assert chosen is None or chosen.path != dock.trained.path  # what was chosen stays
    dock.controls.predict.click()
    assert predict.model.entry().path == dock.trained.path
    assert [layer.name for layer in viewer.layers] == ["phase", "DAPI"]


@pytest.mark.parametrize("chosen", [(), ("phase",), ("DAPI",), ("phase", "DAPI")])
def test_what_is_selected_stays_selected(window, chosen, qtbot):
    viewer, dock = window
    selection = viewer.layers.selection
    selection.clear()
    for name in chosen:
        selection.add(viewer.layers[name])
    seen = []
    viewer.layers.events.inserted.connect(lambda event: seen.append(event.value.name))
    train(qtbot, dock)
    assert dock.run.stage is Stage.FINISHED, dock.run.lines
    assert HELD_OUT_TITLE in seen
    assert "DAPI preview" in seen
    assert sorted(layer.name for layer in selection) == sorted(chosen)
    assert selection.active == (viewer.layers[chosen[0]] if len(chosen) == 1 else None)


def test_the_window_answers_while_it_trains(window, qtbot):
    _, dock = window
    small(dock, LONG)
    dock.controls.button.click()
    scored(qtbot, dock)
    ticks = []
    for _ in range(100):
        start = time.monotonic()
        qtbot.wait(10)
        ticks.append(time.monotonic() - start)
    dock.controls.cancel.click()
    qtbot.waitUntil(lambda: not dock.run.is_on, timeout=TIMEOUT)
    assert max(ticks) < 1


def test_closing_the_window_ends_the_training_and_keeps_it(window, kept_often, models, qtbot):
    viewer, dock = window
    small(dock, LONG)
    dock.controls.button.click()
    scored(qtbot, dock)
    run_file = dock.training.file
    qtbot.waitUntil(run_file.exists, timeout=TIMEOUT)
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(5000)
    assert [run.path for run in unfinished_runs(models)] == [run_file]


def test_closing_the_window_in_a_pause_ends_the_training(window, qtbot):
    viewer, dock = window
    small(dock, LONG)
    dock.controls.button.click()
    scored(qtbot, dock)
    dock.controls.pause.click()
    qtbot.wait(100)
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(5000)


@pytest.mark.parametrize("what", ["batch", "time"])
def test_closing_the_window_while_something_is_made_beside(window, what, qtbot):
    viewer, dock = window
    if what == "batch":
        dock.choices.look.click()
    else:
        dock.side.estimate(dock.verdict.request)
        dock.side._timer.start(0)
        qtbot.waitUntil(lambda: bool(dock.side.jobs))
    ended = []
    (job,) = dock.side.jobs
    job.finished.connect(lambda: ended.append(job))
    with qtbot.captureExceptions() as raised:
        viewer.close()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        assert QThreadPool.globalInstance().waitForDone(TIMEOUT)
        qtbot.waitUntil(lambda: bool(ended))
        qtbot.wait(50)
    assert raised == []
