"""The dock when something has changed since the last time: units, files, layers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.gui.layer_data import layer_data
from napari_virtual_stain.gui.predict.form import Readiness
from napari_virtual_stain.gui.predict.state import Stage
from napari_virtual_stain.gui.predict_dock import PredictDock
from napari_virtual_stain.io import read_image
from napari_virtual_stain.model import InputSpec

pytestmark = pytest.mark.gui

PLACE = {"axis_labels": "yx", "units": "um", "scale": (2, 2)}


@pytest.fixture
def dock(qtbot, viewer):
    made = PredictDock(viewer)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def cells(viewer, pixels):
    return viewer.add_image(pixels(32, 40), name="cells", **PLACE)


@pytest.fixture
def predict(qtbot, dock):
    def run():
        dock.predict()
        qtbot.waitUntil(lambda: not dock.run.is_on, timeout=30_000)
        assert dock.run.stage is Stage.FINISHED
        return dock.controls.after.text()

    return run


def test_other_units_bring_other_limits(dock, save, cells, viewer, predict):
    dock.choose_model(save())
    predict()
    layer = viewer.layers["nuclei predicted"]
    assert layer.contrast_limits[1] > 100
    dock.advanced.units.setCurrentIndex(1)
    predict()
    low, high = layer.contrast_limits
    assert layer.data.min() <= low < high <= layer.data.max()


def test_a_prediction_that_was_saved_is_not_taken_as_observed(
    dock, save, cells, viewer, predict, tmp_path, qtbot
):
    dock.choose_model(save())
    predict()
    saved = viewer.layers["nuclei predicted"].save(
        str(tmp_path / "p.ome.tif"), plugin="napari-virtual-stain"
    )
    viewer.layers.remove("nuclei predicted")
    for data, attributes, _ in layer_data(read_image(saved[0])):
        viewer.add_image(data, **{**attributes, "name": "nuclei"})
    qtbot.wait(50)
    assert dock.observed[0].pick().layer is None
    assert dock.inputs[0].pick().layer is cells


def test_maps_of_an_earlier_prediction_that_are_left_are_said(
    dock, save, cells, viewer, pixels, predict, qtbot
):
    viewer.add_image(pixels(32, 40), name="nuclei", **PLACE)
    dock.choose_model(save())
    qtbot.waitUntil(lambda: dock.observed[0].pick().layer is not None)
    dock.outputs.errors.setChecked(True)
    dock.outputs.masks.setChecked(True)
    assert "left as they were" not in predict()
    dock.outputs.masks.setChecked(False)
    assert "2 maps or masks of an earlier prediction were left" in predict()
    dock.outputs.errors.setChecked(False)
    assert "5 maps or masks of an earlier prediction were left" in predict()


def test_one_layer_is_not_suggested_for_two_inputs(dock, save, cells, viewer, pixels, qtbot):
    dock.choose_model(save("two", inputs=[InputSpec(name="phase"), InputSpec(name="DIC")]))
    assert dock.verdict.readiness is Readiness.EMPTY
    assert dock.verdict.text == "Choose a layer for DIC."
    other = viewer.add_image(pixels(32, 40), name="DIC", **PLACE)
    qtbot.waitUntil(lambda: dock.verdict.readiness is Readiness.READY)
    assert [row.pick().layer for row in dock.inputs] == [cells, other]


def test_layers_that_do_not_lie_on_each_other_are_said(dock, save, cells, viewer, pixels, qtbot):
    dock.choose_model(save())
    observed = viewer.add_image(pixels(32, 40), name="nuclei", **PLACE)
    qtbot.waitUntil(lambda: dock.observed[0].pick().layer is observed)
    assert not any("does not lie on" in notice.text for notice in dock.verdict.notices)
    observed.translate = (500, 0)
    dock.refresh()
    assert any("does not lie on cells" in notice.text for notice in dock.verdict.notices)


def test_a_model_file_that_is_gone_stays_chosen_and_says_so(dock, save, models, cells, qtbot):
    path = save()
    chosen = models / "mine.safetensors"
    chosen.write_bytes(path.read_bytes())
    dock.choose_model(chosen)
    assert dock.verdict.readiness is Readiness.READY
    chosen.rename(models / "renamed.safetensors")
    dock.predict()
    assert dock.verdict.readiness is Readiness.REFUSED
    assert "There is no model file" in dock.verdict.text
    assert dock.model.entry().path == chosen


def test_a_model_file_that_changes_is_read_again(dock, save, cells, viewer, predict):
    dock.choose_model(save("m"))
    save("m", outputs=("actin",))
    predict()
    assert [row.label.text() for row in dock.observed] == ["actin"]
    assert "actin predicted" in viewer.layers
    assert np.isfinite(viewer.layers["actin predicted"].data).all()
