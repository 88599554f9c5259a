"""The dock by itself: pickers, states, and what a person does to it."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import dask.array as da
import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, Progress, raise_if_stopped
from napari_virtual_stain.gui import predict_dock
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.predict.form import Readiness
from napari_virtual_stain.gui.predict.state import Stage
from napari_virtual_stain.gui.predict_dock import PredictDock
from napari_virtual_stain.inference.precision_choice import TOLERANCE
from napari_virtual_stain.io import save_model
from napari_virtual_stain.model import InputSpec

from .conftest import small_model

pytestmark = pytest.mark.gui

TIMEOUT = 30_000


@pytest.fixture
def dock(qtbot, viewer):
    made = PredictDock(viewer)
    qtbot.addWidget(made)
    made.resize(340, 800)
    made.show()
    return made


@pytest.fixture
def plane(viewer, pixels):
    return viewer.add_image(
        pixels(32, 40), name="cells", axis_labels="yx", units="um", scale=(2, 2)
    )


@pytest.fixture
def ready(dock, save, plane, qtbot):
    dock.choose_model(save())
    return dock


def wait(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.run.is_on, timeout=TIMEOUT)


def predict(qtbot, dock):
    dock.controls.button.click()
    wait(qtbot, dock)


def said(dock):
    return dock.controls.before.text(), dock.controls.after.text()


def texts(choice):
    return [choice.itemText(index) for index in range(choice.count())]


def stand_in(monkeypatch, work):
    """Let the button start other work."""
    monkeypatch.setattr(predict_dock, "predict_request", lambda request: work())


def test_empty(dock, qtbot):
    dock.refresh()
    assert dock.verdict.readiness is Readiness.EMPTY
    assert not dock.controls.button.isEnabled()
    assert said(dock)[0] in ("Choose a model.", "Open an image to predict from.")
    assert said(dock)[0] in dock.controls.button.toolTip()


def test_ready_as_soon_as_there_is_an_image(dock, save, viewer, pixels, qtbot):
    dock.choose_model(save())
    assert said(dock)[0] == "Open an image to predict from."
    viewer.add_image(pixels(32, 40), name="cells")
    qtbot.waitUntil(dock.controls.button.isEnabled)
    assert dock.inputs[0].layer.currentText() == "cells"
    assert said(dock)[0].startswith("The image fits the model")


def test_it_predicts_and_says_so(ready, viewer, qtbot):
    predict(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED
    assert said(ready)[1].startswith("Predicted nuclei in ")
    assert "nuclei predicted" in viewer.layers
    qtbot.wait(50)  # what the new layer has set off
    assert said(ready)[1].startswith("Predicted nuclei in ")
    assert ready.inputs[0].layer.currentText() == "cells"


def test_predicting_again_updates_in_place(ready, viewer, qtbot):
    predict(qtbot, ready)
    layer = viewer.layers["nuclei predicted"]
    layer.contrast_limits = (1, 2)
    layer.data = np.zeros_like(layer.data)
    predict(qtbot, ready)
    assert len(viewer.layers) == 2
    assert layer.data.any()
    assert layer.contrast_limits == [1, 2]


def test_two_models_give_two_layers(ready, save, viewer, qtbot):
    predict(qtbot, ready)
    ready.choose_model(save("other", description="the same weights, another file"))
    predict(qtbot, ready)
    assert len(viewer.layers) == 3


def test_refused(ready, viewer, qtbot):
    photo = viewer.add_image(np.zeros((32, 40, 3), np.uint8), rgb=True, name="photo")
    qtbot.waitUntil(lambda: "photo" in texts(ready.inputs[0].layer))
    ready.inputs[0].layer.choose(photo)
    ready.inputs[0].layer.activated.emit(0)
    assert ready.verdict.readiness is Readiness.REFUSED
    assert said(ready)[0].startswith("photo is an RGB image")
    assert not ready.controls.button.isEnabled()
    assert ready.controls.button.toolTip().startswith("photo is an RGB image")


def test_a_sentence_of_the_work_is_shown_without_a_traceback(ready, monkeypatch, qtbot):
    from napari.utils.notifications import ErrorNotification, notification_manager

    def work():
        yield Progress("first", 0, 0)
        raise VirtualStainError("the disk is full.")

    stand_in(monkeypatch, work)
    notification_manager.records.clear()
    predict(qtbot, ready)
    assert ready.run.stage is Stage.FAILED
    assert said(ready)[1] == "The disk is full."
    (shown,) = notification_manager.records
    assert shown.message == "The disk is full."
    assert not isinstance(shown, ErrorNotification)


def test_a_runtime_error_is_shown(ready, monkeypatch, viewer, qtbot):
    from napari.utils.notifications import ErrorNotification, notification_manager

    def work():
        yield Progress("first", 0, 0)
        raise RuntimeError("shapes differ")

    stand_in(monkeypatch, work)
    predict(qtbot, ready)
    assert ready.run.stage is Stage.FAILED
    assert said(ready)[1] == "An error inside the program: RuntimeError: shapes differ"
    assert isinstance(notification_manager.records[-1], ErrorNotification)
    monkeypatch.undo()
    predict(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED


def test_an_image_that_turns_out_unusable_fails_with_nothing_added(ready, viewer, plane, qtbot):
    plane.data = np.full((32, 40), 7, np.uint16)
    predict(qtbot, ready)
    assert ready.run.stage is Stage.FAILED
    assert "cells" in said(ready)[1]
    assert len(viewer.layers) == 1


def test_an_error_while_layers_are_added_ends_the_run(ready, monkeypatch, qtbot):
    def broken(viewer, outcome):
        yield
        raise TypeError("no layer")

    monkeypatch.setattr(predict_dock, "show_outcome", broken)
    predict(qtbot, ready)
    assert ready.run.stage is Stage.FAILED
    assert "TypeError: no layer" in said(ready)[1]


def endless():
    """Work that only ends if it is cancelled, in the middle of a step."""
    yield Progress("predicting", 1, 3)
    yield Notice("Predicting on the CPU (2 threads).")
    while True:
        time.sleep(0.01)
        raise_if_stopped()


def test_running(ready, monkeypatch, qtbot):
    stand_in(monkeypatch, endless)
    ready.controls.button.click()
    qtbot.waitUntil(lambda: "CPU" in said(ready)[1])
    assert ready.run.stage is Stage.RUNNING
    assert not ready.controls.button.isEnabled()
    assert not ready.inputs[0].isEnabled()
    assert ready.controls.cancel.isVisible()
    assert ready.controls.stage.text() == "Predicting, 1 of 3"
    assert (ready.controls.bar.value(), ready.controls.bar.maximum()) == (1, 3)
    ready.predict()  # a second time does nothing
    ready.controls.cancel.click()
    assert ready.run.stage is Stage.CANCELLING
    assert ready.controls.cancel.text() == "Cancelling…"
    assert not ready.controls.cancel.isEnabled()
    wait(qtbot, ready)
    assert ready.run.stage is Stage.CANCELLED
    assert said(ready)[1] == "Cancelled. Nothing was added or changed."
    assert not ready.controls.cancel.isVisible()


def test_writing_shows_that_it_is_busy(ready, qtbot):
    ready.controls.show_progress(Progress("Predicting", 3, 3))
    ready.controls.show_progress(Progress("Writing", 0, 0))
    assert ready.controls.stage.text() == "Writing…"
    assert (ready.controls.bar.minimum(), ready.controls.bar.maximum()) == (0, 0)


def test_precision_is_chosen_from_what_the_library_knows(ready):
    precision = ready.advanced.precision
    assert texts(precision) == ["automatic", "fp32", "bf16", "fp16"]
    assert f"{TOLERANCE} σ" in precision.toolTip()
    assert ready.verdict.request.options.precision == "auto"


def test_what_it_was_computed_on_is_said_in_the_end(ready, qtbot):
    ready.advanced.precision.choose("bf16")
    ready.advanced.precision.activated.emit(0)
    predict(qtbot, ready)
    assert re.search(r" on the CPU \(\d+ threads?\) in bf16\.", said(ready)[1])


def test_cancel_within_two_seconds_and_predict_again(ready, save, viewer, plane, qtbot):
    viewer.layers.remove(plane)
    big = da.random.default_rng(0).integers(0, 1000, (1500, 1600), chunks=500)
    viewer.add_image(big, name="big", axis_labels="yx")
    small = viewer.add_image(np.random.default_rng(0).random((32, 40)), name="tiny")
    ready.choose_model(save("slow", inputs=[InputSpec(name="big")]))
    qtbot.waitUntil(ready.controls.button.isEnabled)
    assert ready.inputs[0].layer.currentText() == "big"
    ready.controls.button.click()
    qtbot.waitUntil(lambda: "Predicting on" in said(ready)[1], timeout=TIMEOUT)
    qtbot.wait(300)
    start = time.monotonic()
    ready.controls.cancel.click()
    wait(qtbot, ready)
    assert time.monotonic() - start < 2
    assert ready.run.stage is Stage.CANCELLED
    assert len(viewer.layers) == 2
    ready.inputs[0].layer.choose(small)
    ready.inputs[0].layer.activated.emit(0)
    predict(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED


def test_deleting_the_input_meanwhile_harms_nothing(ready, monkeypatch, viewer, plane, qtbot):
    real, gate = predict_dock.predict_request, []

    def slow(request):
        while not gate:
            time.sleep(0.01)
            yield Progress("waiting", 0, 0)
        return (yield from real(request))

    monkeypatch.setattr(predict_dock, "predict_request", slow)
    ready.controls.button.click()
    qtbot.waitUntil(lambda: ready.controls.stage.text() == "Waiting…")
    viewer.layers.remove(plane)
    gate.append(True)
    wait(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED
    (layer,) = viewer.layers
    assert layer.scale.tolist() == [2, 2]
    assert "cells was removed meanwhile; the prediction was added." in said(ready)[1]


def test_moving_and_renaming_the_input_meanwhile_harms_nothing(
    ready, monkeypatch, viewer, plane, qtbot
):
    stand_in(monkeypatch, endless)
    ready.controls.button.click()
    plane.name = "renamed"
    viewer.add_image(np.zeros((8, 8)))
    qtbot.wait(50)
    assert ready.run.stage is Stage.RUNNING
    ready.controls.cancel.click()
    wait(qtbot, ready)
    assert ready.inputs[0].layer.currentText() == "renamed"


def test_what_was_said_goes_when_something_else_is_chosen(ready, viewer, plane, pixels, qtbot):
    predict(qtbot, ready)
    plane.data = pixels(16, 20)
    qtbot.waitUntil(lambda: said(ready)[1] == "")
    assert "Y 16 × X 20" in said(ready)[0]


def test_pickers_follow_the_layers(ready, viewer, plane, pixels, qtbot):
    row = ready.inputs[0]
    other = viewer.add_image(pixels(32, 40), name="other")
    qtbot.waitUntil(lambda: texts(row.layer) == ["other", "cells"])
    row.layer.choose(other)
    row.layer.activated.emit(0)
    other.name = "renamed"
    qtbot.waitUntil(lambda: texts(row.layer) == ["renamed", "cells"])
    assert row.pick().layer == other
    viewer.add_image(pixels(32, 40), name="brightfield")
    qtbot.waitUntil(lambda: row.layer.count() == 3)
    assert row.pick().layer == other  # what a person picked stays
    viewer.layers.remove(other)
    qtbot.waitUntil(lambda: row.layer.currentText() == "brightfield")


def test_the_channel_is_chosen_by_its_name(ready, save, viewer, pixels, qtbot):
    well = viewer.add_image(
        pixels(3, 32, 40),
        name="well",
        axis_labels="cyx",
        metadata={METADATA: {"channels": ["DAPI", "phase", "nuclei"]}},
    )
    ready.choose_model(save("phase to nuclei", inputs=[InputSpec(name="phase")]))
    qtbot.waitUntil(lambda: ready.inputs[0].pick().layer == well)
    row, observed = ready.inputs[0], ready.observed[0]
    qtbot.waitUntil(row.channel.isVisible)
    assert row.channel.currentText() == "phase"
    assert (observed.layer.currentText(), observed.channel.currentText()) == ("well", "nuclei")
    ready.outputs.errors.setChecked(True)
    ready.outputs.masks.setChecked(True)
    predict(qtbot, ready)
    assert "nuclei r = " in said(ready)[1]
    names = {layer.name for layer in viewer.layers}
    assert {
        "nuclei predicted",
        "nuclei observed − predicted",
        "nuclei predicted − observed",
        "nuclei absolute error",
        "nuclei observed mask",
        "nuclei predicted mask",
    } < names


def test_error_maps_need_an_observed_layer(ready, viewer, pixels, qtbot):
    outputs = ready.outputs
    assert not outputs.errors.isEnabled()
    assert outputs.hint.isVisible()
    viewer.add_image(pixels(32, 40), name="nuclei")
    qtbot.waitUntil(outputs.errors.isEnabled)
    assert outputs.match.isVisible()
    assert texts(outputs.match) == ["no match", "match z-scores", "match by fit"]
    ready.observed[0].layer.choose(None)
    ready.observed[0].layer.activated.emit(0)
    assert not outputs.errors.isEnabled()
    qtbot.wait(20)
    assert ready.observed[0].pick().layer is None  # it is not suggested again


def test_axes_are_asked_for_where_they_are_unknown(ready, viewer, plane, pixels, qtbot):
    row = ready.inputs[0]
    assert not row.axes.isVisible()
    viewer.layers.remove(plane)
    movie = viewer.add_image(pixels(2, 3, 32, 40), name="movie")
    qtbot.waitUntil(row.axes.isVisible)
    assert row.axes.currentText() == "choose…"
    assert ready.verdict.readiness is Readiness.REFUSED
    row.axes.choose("TZYX")
    row.axes.activated.emit(0)
    assert ready.verdict.readiness is Readiness.READY
    assert texts(row.axes) == [
        "TZYX (time points, z-stack)",
        "CZYX (channels, z-stack)",
        "TCYX (time points, channels)",
    ]
    assert not row.channel.isVisible()
    row.axes.choose("TCYX")
    row.axes.activated.emit(0)
    assert row.channel.isVisible()
    movie.axis_labels = ("t", "z", "y", "x")
    qtbot.waitUntil(lambda: not row.axes.isVisible())
    assert ready.verdict.readiness is Readiness.READY


def test_models_of_the_folder_and_opened_ones(dock, models, save, qtbot):
    save_model(small_model("in the folder"), models / "one")
    dock.model.combo.showPopup()
    dock.model.combo.hidePopup()
    assert "in the folder" in texts(dock.model.combo)
    assert "Model folder" in texts(dock.model.combo)
    path = save("elsewhere")
    dock.choose_model(str(path))
    assert dock.model.entry().path == path
    dock.choose_model(path)
    assert texts(dock.model.combo).count("elsewhere") == 1
    dock.choose_model(models / "one.safetensors")
    assert texts(dock.model.combo).count("in the folder") == 1
    assert dock.model.entry().name == "in the folder"


def test_a_model_that_was_trained_again_is_seen(dock, save, qtbot):
    dock.choose_model(save("mine", outputs=("DAPI",)))
    assert [row.label.text() for row in dock.observed] == ["DAPI"]
    dock.choose_model(save("mine", outputs=("MAP2", "NFH")))
    assert [row.label.text() for row in dock.observed] == ["MAP2", "NFH"]


def test_what_the_model_expects_is_said(ready):
    assert "2D: brightfield → nuclei" in ready.model.text()
    assert ready.model.combo.toolTip().startswith("small")


def test_options_reach_the_work(ready, qtbot):
    ready.advanced.expand()
    ready.advanced.device.choose("cpu")
    ready.advanced.device.activated.emit(0)
    ready.advanced.memory.setValue(1.5)
    ready.advanced.tile.setValue(128)
    ready.advanced.units.choose("z-score")
    ready.advanced.units.activated.emit(0)
    ready.advanced.precision.choose("bf16")
    ready.advanced.precision.activated.emit(0)
    assert not ready.verdict.request.options.tta
    ready.advanced.tta.click()
    options = ready.verdict.request.options
    assert (options.precision, options.tta) == ("bf16", True)
    assert (options.device, options.memory, options.tile) == ("cpu", 1.5, 128)
    assert options.units == "z-score"


def test_other_options_do_not_keep_the_preferences_from_being_taken(ready, monkeypatch):
    ready.advanced.tta.click()
    monkeypatch.setattr(predict_dock.settings, "device", lambda: "cpu")
    ready.hide()
    ready.show()
    assert ready.verdict.request.options.device == "cpu"


def test_preferences_are_the_defaults_until_something_is_chosen(ready, monkeypatch, qtbot):
    monkeypatch.setattr(predict_dock.settings, "device", lambda: "cpu")
    monkeypatch.setattr(predict_dock.settings, "memory", lambda: 2.0)
    ready.hide()
    ready.show()
    assert ready.verdict.request.options.device == "cpu"
    assert ready.verdict.request.options.memory == 2
    ready.advanced.memory.setValue(3)
    ready.hide()
    ready.show()
    assert ready.verdict.request.options.memory == 3


def test_nothing_of_the_user_is_changed(ready, viewer, plane, qtbot):
    before = (plane.data.copy(), plane.visible, plane.blending, dict(plane.metadata), plane.name)
    ready.outputs.masks.setChecked(True)
    predict(qtbot, ready)
    np.testing.assert_array_equal(plane.data, before[0])
    assert (plane.visible, plane.blending, dict(plane.metadata), plane.name) == before[1:]


def test_it_is_narrow_and_nothing_is_cut_off(ready, qtbot):
    assert ready.minimumSizeHint().width() <= 320
    ready.resize(320, 900)
    qtbot.wait(50)
    for widget in (*ready.inputs, *ready.observed, ready.outputs, ready.advanced, ready.controls):
        right = widget.mapTo(ready, widget.rect().topRight()).x()
        assert right <= ready.width()


def test_everything_has_a_tooltip(ready):
    widgets = [
        ready.model.combo,
        ready.model.browse,
        ready.inputs[0].layer,
        ready.inputs[0].channel,
        ready.inputs[0].axes,
        ready.observed[0].layer,
        ready.outputs.prediction,
        ready.outputs.errors,
        ready.outputs.masks,
        ready.outputs.match,
        ready.advanced.result.choice,
        ready.advanced.result.shown,
        ready.advanced.result.browse,
        ready.advanced.device,
        ready.advanced.precision,
        ready.advanced.tta,
        ready.advanced.memory,
        ready.advanced.tile,
        ready.advanced.units,
        ready.controls.replace,
        ready.controls.button,
        ready.controls.cancel,
    ]
    assert all(widget.toolTip() for widget in widgets)


def test_the_theme_is_followed(ready):
    from napari.settings import get_settings

    appearance = get_settings().appearance
    before, dark = appearance.theme, ready.controls.button.styleSheet()
    try:
        appearance.theme = "light"
        assert ready.controls.button.styleSheet() != dark
    finally:
        appearance.theme = before


def test_opening_it_loads_no_torch():
    code = (
        "import sys\n"
        "from qtpy.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "from napari.components import ViewerModel\n"
        "from napari_virtual_stain.gui.predict_dock import PredictDock\n"
        "dock = PredictDock(ViewerModel())\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
