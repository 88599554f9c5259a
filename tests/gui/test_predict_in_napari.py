"""The dock as napari docks it from the manifest, with the viewer that plugins are given."""

from __future__ import annotations

import time

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from napari_virtual_stain.gui import predict_dock
from napari_virtual_stain.gui.predict.state import Stage

pytestmark = pytest.mark.gui

PLUGIN, WIDGET = "napari-virtual-stain", "Predict fluorescence"
TIMEOUT = 30_000


@pytest.fixture
def window(make_napari_viewer_proxy, save, pixels):
    """Return a viewer with an image, and the dock with a model, ready to predict."""
    viewer = make_napari_viewer_proxy()
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    dock.choose_model(save())
    viewer.add_image(
        pixels(4, 32, 40), name="cells", axis_labels="tyx", scale=(1, 0.5, 0.5), units="um"
    )
    return viewer, dock


def wait(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.run.is_on, timeout=TIMEOUT)


def slow(closed):
    def work(request):
        try:
            while True:
                time.sleep(0.01)
                yield predict_dock.Progress("waiting", 0, 0)
        finally:
            closed.append(True)

    return work


def manager(viewer):
    window = getattr(viewer.window, "__wrapped__", viewer.window)
    return window._task_status_manager


def test_it_predicts(window, qtbot):
    viewer, dock = window
    qtbot.waitUntil(dock.controls.button.isEnabled)
    dock.outputs.masks.setChecked(True)
    dock.controls.button.click()
    wait(qtbot, dock)
    assert dock.run.stage is Stage.FINISHED
    layer = viewer.layers["nuclei predicted"]
    assert layer.data.shape == (4, 32, 40)
    assert layer.scale.tolist() == [1, 0.5, 0.5]
    assert layer.units == viewer.layers["cells"].units
    assert viewer.layers["nuclei predicted mask"].data.max() == 1
    assert viewer.layers.selection.active == layer
    qtbot.waitUntil(lambda: not manager(viewer).is_busy())


def test_again_it_updates_in_place(window, qtbot):
    viewer, dock = window
    for _ in range(2):
        dock.predict()
        wait(qtbot, dock)
        assert dock.run.stage is Stage.FINISHED, dock.run.lines
    assert len(viewer.layers) == 2


def test_napari_knows_that_it_runs(window, monkeypatch, qtbot):
    viewer, dock = window
    monkeypatch.setattr(predict_dock, "predict_request", slow([]))
    dock.predict()
    qtbot.waitUntil(lambda: any(WIDGET in text for text in manager(viewer).get_status()))
    dock.cancel()
    wait(qtbot, dock)
    qtbot.waitUntil(lambda: not manager(viewer).is_busy())


def test_the_window_answers_while_it_runs(window, monkeypatch, qtbot):
    viewer, dock = window
    viewer.layers["cells"].data = np.random.default_rng(0).random((60, 256, 256))
    dock.predict()
    ticks = []
    while dock.run.is_on and len(ticks) < 3000:
        start = time.monotonic()
        qtbot.wait(10)
        ticks.append(time.monotonic() - start)
    assert dock.run.stage is Stage.FINISHED
    assert max(ticks) < 1


def test_closing_the_window_ends_the_work(window, monkeypatch, qtbot):
    viewer, dock = window
    closed = []
    monkeypatch.setattr(predict_dock, "predict_request", slow(closed))
    dock.predict()
    qtbot.waitUntil(lambda: dock.controls.stage.text() == "Waiting…")
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(2000)
    assert closed == [True]
    qtbot.wait(50)


def test_closing_the_window_over_a_real_prediction_ends_cleanly(window, qtbot):
    viewer, dock = window
    viewer.layers["cells"].data = np.random.default_rng(0).random((40, 512, 512))
    dock.predict()
    qtbot.waitUntil(lambda: dock.controls.stage.text().startswith("Predicting"), timeout=TIMEOUT)
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(2000)
    qtbot.wait(50)


def test_destroying_the_dock_ends_the_work(window, monkeypatch, qtbot):
    viewer, dock = window
    closed = []
    monkeypatch.setattr(predict_dock, "predict_request", slow(closed))
    dock.predict()
    qtbot.waitUntil(lambda: dock.controls.stage.text() == "Waiting…")
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()  # as Python does when nobody holds it
    qtbot.waitUntil(lambda: closed == [True])
    viewer.layers["cells"].name = "renamed"
    viewer.add_image(np.zeros((4, 4)))
    qtbot.wait(50)


def test_hiding_the_dock_does_not(window, monkeypatch, qtbot):
    _, dock = window
    monkeypatch.setattr(predict_dock, "predict_request", slow([]))
    dock.predict()
    dock.parent().hide()
    qtbot.wait(100)
    assert dock.run.stage is Stage.RUNNING
    dock.cancel()
    wait(qtbot, dock)


def test_deleting_every_layer_meanwhile_harms_nothing(window, qtbot):
    viewer, dock = window
    dock.predict()
    viewer.layers.clear()
    wait(qtbot, dock)
    assert dock.run.stage is Stage.FINISHED
    assert [layer.name for layer in viewer.layers] == ["nuclei predicted"]


def test_from_disk_to_disk_and_into_memory_while_it_is_looked_at(window, tmp_path, pixels, qtbot):
    viewer, dock = window
    viewer.layers.clear()
    viewer.add_image(pixels(2, 300, 320), name="cells", axis_labels="tyx")
    destination = dock.advanced.result
    destination.choice.choose(True)
    destination.pick(tmp_path)
    for on_disk in (True, True, False):
        destination.choice.choose(on_disk)
        destination.choice.picked.emit()
        if dock.controls.replace.isVisibleTo(dock):
            dock.controls.replace.click()
        dock.predict()
        wait(qtbot, dock)
        assert dock.run.stage is Stage.FINISHED, dock.run.lines
        layer = viewer.layers["nuclei predicted"]
        assert layer.multiscale == on_disk
        assert layer.visible
        viewer.dims.set_current_step(0, 1)
        viewer.dims.set_current_step(0, 0)
    assert len(viewer.layers) == 2
