"""Uncertainty in the dock: asked about where the model yields it, and added as layers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.gui.predict.state import Stage
from napari_virtual_stain.gui.predict_dock import PredictDock
from napari_virtual_stain.io import save_model
from napari_virtual_stain.model import InputSpec, ModelSpec, NetworkSpec, OutputSpec, StainModel

pytestmark = pytest.mark.gui


@pytest.fixture
def dock(qtbot, viewer, pixels):
    viewer.add_image(pixels(32, 40), name="cells", scale=(2, 2), units="um", translate=(5, 6))
    made = PredictDock(viewer)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def unsure(tmp_path):
    spec = ModelSpec(
        name="unsure",
        network=NetworkSpec(
            name="fnet", options={"filters": 4, "depth": 2, "likelihood": "gaussian"}
        ),
        inputs=[InputSpec(name="brightfield")],
        outputs=[OutputSpec(name="nuclei", mean=100, std=20)],
    )
    return save_model(StainModel(spec.build_network(), spec), tmp_path / "unsure")


def predict(dock, qtbot):
    dock.predict()
    qtbot.waitUntil(lambda: not dock.run.is_on, timeout=30_000)
    assert dock.run.stage is Stage.FINISHED
    return dock.controls.after.text()


def test_it_is_asked_about_only_where_there_is_any(dock, save, unsure):
    dock.choose_model(save())
    assert not dock.outputs.uncertainty.isVisible()
    assert not dock.outputs.wants_uncertainty()
    dock.choose_model(unsure)
    assert dock.outputs.uncertainty.isVisible()
    assert dock.verdict.request.options.uncertainty


def test_test_time_augmentation_offers_it_for_every_model(dock, viewer, save, qtbot):
    dock.choose_model(save())
    dock.advanced.tta.click()
    assert dock.outputs.uncertainty.isVisible()
    assert dock.verdict.request.options.uncertainty
    predict(dock, qtbot)
    sigma = viewer.layers["nuclei uncertainty (σ)"]
    assert sigma.data.max() > 0
    dock.advanced.tta.click()
    assert not dock.outputs.uncertainty.isVisible()
    assert not dock.verdict.request.options.uncertainty


def test_the_map_lies_on_the_prediction_hidden(dock, viewer, unsure, qtbot):
    dock.choose_model(unsure)
    predict(dock, qtbot)
    predicted, sigma = viewer.layers["nuclei predicted"], viewer.layers["nuclei uncertainty (σ)"]
    assert not sigma.visible
    assert sigma.data.shape == predicted.data.shape
    assert (sigma.data > 0).all()
    assert np.array_equal(sigma.translate, predicted.translate)
    assert np.array_equal(sigma.scale, predicted.scale)
    assert sigma.contrast_limits[0] == 0


def test_a_second_prediction_updates_it_and_one_without_it_leaves_it(dock, viewer, unsure, qtbot):
    dock.choose_model(unsure)
    predict(dock, qtbot)
    sigma = viewer.layers["nuclei uncertainty (σ)"]
    predict(dock, qtbot)
    assert [layer for layer in viewer.layers if "uncertainty" in layer.name] == [sigma]
    dock.outputs.uncertainty.setChecked(False)
    assert "1 maps or masks of an earlier prediction were left" in predict(dock, qtbot)
    assert sigma in viewer.layers


def test_a_stack_is_projected_onto_a_plane_in_its_place(dock, viewer, pixels, tmp_path, qtbot):
    viewer.layers.clear()
    viewer.add_image(pixels(5, 32, 40), name="wing", scale=(3, 2, 2), translate=(1, 5, 6))
    spec = ModelSpec(
        name="surface",
        network=NetworkSpec(
            name="gvtnet-projection",
            options={"filters": 2, "depth": 2, "projection_filters": 2, "likelihood": "laplace"},
        ),
        inputs=[InputSpec(name="stack")],
        outputs=[OutputSpec(name="membrane", scaling="input")],
        spatial_axes="ZYX",
        projects=True,
    )
    dock.choose_model(save_model(StainModel(spec.build_network(), spec), tmp_path / "surface"))
    qtbot.waitUntil(lambda: dock.verdict.request is not None)
    assert "projected onto one plane" in dock.verdict.text
    predict(dock, qtbot)
    for name in ("membrane predicted", "membrane uncertainty (σ)"):
        assert viewer.layers[name].data.shape == (32, 40)
        assert np.array_equal(viewer.layers[name].translate, (5, 6))
