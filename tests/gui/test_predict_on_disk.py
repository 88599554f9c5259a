"""Results on disk in the dock: picked, asked about, gone on with, read lazily."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_virtual_stain.events import Notice, Progress, raise_if_stopped
from napari_virtual_stain.gui import predict_dock
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.predict import place
from napari_virtual_stain.gui.predict.form import Readiness
from napari_virtual_stain.gui.predict.on_disk import Files, files_in, suggested_folder
from napari_virtual_stain.gui.predict.state import Stage
from napari_virtual_stain.gui.predict_dock import PredictDock
from napari_virtual_stain.io import read_image

pytestmark = pytest.mark.gui

TIMEOUT = 30_000
PLACE = {"axis_labels": "yx", "units": "um", "scale": (2, 2), "translate": (5, 6)}


@pytest.fixture
def dock(qtbot, viewer):
    made = PredictDock(viewer)
    qtbot.addWidget(made)
    made.resize(340, 900)
    made.show()
    return made


@pytest.fixture
def cells(viewer, pixels):
    return viewer.add_image(pixels(32, 40), name="cells", **PLACE)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "results"
    made.mkdir()
    return made


@pytest.fixture
def ready(dock, save, cells, folder):
    dock.choose_model(save())
    to_disk(dock, folder)
    return dock


def to_disk(dock, folder):
    dock.advanced.result.choice.choose(folder is not None)
    dock.advanced.result.choice.picked.emit()
    if folder is not None:
        dock.advanced.result.pick(folder)


def predict(qtbot, dock, stage=Stage.FINISHED):
    dock.controls.button.click()
    qtbot.waitUntil(lambda: not dock.run.is_on, timeout=TIMEOUT)
    assert dock.run.stage is stage, dock.controls.after.text()
    return dock.controls.after.text()


def before(dock):
    return dock.controls.before.text()


def test_in_memory_is_the_default_and_no_folder_is_asked_for(dock, save, cells):
    dock.choose_model(save())
    dock.advanced.expand()
    assert dock.verdict.request.files is None
    assert not dock.advanced.result.isVisible()
    to_disk(dock, Path.home())
    assert dock.advanced.result.isVisible()
    assert dock.advanced.result.label.isVisible()
    assert str(Path.home()) in dock.advanced.result.shown.toolTip()


def test_where_it_goes_is_said(ready):
    assert "The result goes to cells.predicted.ome.zarr in results." in before(ready)
    assert not ready.controls.replace.isVisible()


def test_the_layer_reads_from_the_disk_and_is_as_one_in_memory(ready, viewer, folder, qtbot):
    to_disk(ready, None)
    predict(qtbot, ready)
    kept = viewer.layers.pop(viewer.layers.index("nuclei predicted"))
    to_disk(ready, folder)
    predict(qtbot, ready)
    layer = viewer.layers["nuclei predicted"]
    assert hasattr(layer.data, "dask")
    np.testing.assert_allclose(np.asarray(layer.data), kept.data, rtol=1e-5)
    for name in ("scale", "translate", "units", "axis_labels", "blending", "visible"):
        assert np.array_equal(getattr(layer, name), getattr(kept, name)), name
    assert layer.colormap.name == kept.colormap.name
    np.testing.assert_allclose(layer.contrast_limits, kept.contrast_limits, rtol=1e-4)
    ours = layer.metadata[METADATA]
    assert ours["channels"] == kept.metadata[METADATA]["channels"] == ["nuclei"]
    assert ours["provenance"] == kept.metadata[METADATA]["provenance"]
    stored = read_image(folder / "cells.predicted.ome.zarr")
    np.testing.assert_array_equal(stored.numpy(), np.asarray(layer.data))
    assert stored.voxel_size == {"Y": 2, "X": 2}


def test_a_large_one_is_multiscale_and_its_contrast_is_that_of_the_smallest(
    dock, save, viewer, pixels, folder, qtbot, monkeypatch
):
    viewer.add_image(pixels(3, 300, 520), name="movie", axis_labels="tyx")
    dock.choose_model(save(outputs=("DAPI", "MAP2")))
    to_disk(dock, folder)
    dock.outputs.masks.setChecked(True)
    predict(qtbot, dock)
    dapi, map2 = viewer.layers["DAPI predicted"], viewer.layers["MAP2 predicted"]
    for layer in (dapi, map2):
        assert layer.multiscale
        assert [level.shape for level in layer.data] == [(3, 300, 520), (3, 150, 260), (3, 75, 130)]
        low, high = np.percentile(np.asarray(layer.data[-1]), (0.02, 99.8))
        assert layer.contrast_limits == pytest.approx([low, high], rel=1e-4)
    assert viewer.layers["DAPI predicted mask"].data.shape == (3, 300, 520)
    full, half = (np.asarray(map2.data[level][1]) for level in (0, 1))
    np.testing.assert_allclose(half, full.reshape(150, 2, 260, 2).mean((1, 3)), rtol=1e-4)


def test_axes_of_length_1_stay(dock, save, viewer, pixels, folder, qtbot):
    viewer.add_image(pixels(1, 300, 40), name="plane", axis_labels="zyx", scale=(3, 1, 1))
    dock.choose_model(save())
    to_disk(dock, folder)
    predict(qtbot, dock)
    layer = viewer.layers["nuclei predicted"]
    assert [level.shape for level in layer.data] == [(1, 300, 40), (1, 150, 20)]
    assert layer.scale.tolist() == [3, 1, 1]


def test_a_result_that_is_there_is_replaced_only_when_that_is_ticked(
    ready, viewer, folder, cells, qtbot
):
    predict(qtbot, ready)
    layer = viewer.layers["nuclei predicted"]
    assert ready.verdict.readiness is Readiness.EXISTS
    assert before(ready) == (
        "cells.predicted.ome.zarr exists already in results. Tick Replace, or choose another "
        "folder under Advanced options."
    )
    assert not ready.controls.button.isEnabled()
    assert ready.controls.replace.isVisible()
    old = np.asarray(layer.data)
    ready.predict()
    assert not ready.run.is_on

    cells.data = cells.data[::-1].copy()
    ready.controls.replace.click()
    assert "cells.predicted.ome.zarr exists, and will be replaced." in before(ready)
    layer.gamma = 0.5
    predict(qtbot, ready)
    assert [one.name for one in viewer.layers] == ["cells", "nuclei predicted"]
    assert layer.visible
    assert layer.gamma == 0.5
    assert not np.array_equal(np.asarray(layer.data), old)
    # The next time it is asked again.
    assert ready.verdict.readiness is Readiness.EXISTS
    assert not ready.controls.replace.isChecked()


def test_what_is_agreed_to_holds_for_these_files_alone(ready, cells, folder, tmp_path, qtbot):
    predict(qtbot, ready)
    ready.controls.replace.click()
    assert ready.verdict.readiness is Readiness.READY
    cells.name = "other"
    qtbot.waitUntil(lambda: not ready.controls.replace.isVisible())
    (folder / "cells.predicted.ome.zarr").rename(folder / "other.predicted.ome.zarr")
    ready.refresh()
    assert ready.verdict.readiness is Readiness.EXISTS
    assert not ready.controls.replace.isChecked()


def test_a_layer_that_shows_what_another_model_replaces_goes_with_it(
    ready, save, viewer, folder, qtbot
):
    predict(qtbot, ready)
    old = viewer.layers["nuclei predicted"]
    ready.choose_model(save("other", description="the same weights, another file"))
    ready.controls.replace.click()
    text = predict(qtbot, ready)
    assert "nuclei predicted was removed, because its file was replaced." in text
    assert old not in viewer.layers
    assert len(viewer.layers) == 2


def test_nothing_else_is_ever_replaced(ready, folder, qtbot):
    stranger = folder / "cells.predicted.ome.zarr"
    stranger.mkdir()
    (stranger / "diary.txt").write_text("dear")
    ready.refresh()
    assert ready.verdict.readiness is Readiness.REFUSED
    assert "is a folder, but no OME-Zarr, and is left as it is" in before(ready)
    assert not ready.controls.replace.isVisible()


def test_a_folder_that_is_gone_is_said(ready, tmp_path):
    ready.advanced.result.pick(tmp_path / "gone")
    assert ready.verdict.readiness is Readiness.REFUSED
    assert before(ready).startswith("There is no folder")
    assert not (tmp_path / "gone").exists()


def test_what_the_disk_refuses_is_said_and_nothing_is_added(ready, folder, viewer, qtbot):
    (folder / "cells.predicted.ome.zarr.partial").mkdir()
    (folder / "cells.predicted.ome.zarr.partial" / "diary.txt").write_text("dear")
    text = predict(qtbot, ready, Stage.FAILED)
    assert "is in the way and was not left by a prediction" in text
    assert len(viewer.layers) == 1


def test_one_that_was_cancelled_goes_on(dock, save, viewer, pixels, folder, monkeypatch, qtbot):
    viewer.add_image(pixels(8, 64, 64), name="movie", axis_labels="tyx")
    dock.choose_model(save())
    to_disk(dock, folder)
    real, events, is_stuck = predict_dock.predict_request, [], []

    def stuck(request):
        with closing(real(request)) as work:
            for event in work:
                yield event
                while isinstance(event, Progress) and event.done >= 3:
                    is_stuck.append(True)
                    time.sleep(0.01)
                    raise_if_stopped()

    monkeypatch.setattr(predict_dock, "predict_request", stuck)
    dock.controls.button.click()
    qtbot.waitUntil(lambda: bool(is_stuck), timeout=TIMEOUT)
    dock.controls.cancel.click()
    qtbot.waitUntil(lambda: not dock.run.is_on, timeout=TIMEOUT)
    assert dock.controls.after.text() == "Cancelled. Predict goes on where it stopped."
    assert "An unfinished one is there." in before(dock)
    assert len(viewer.layers) == 1

    def watched(request):
        work = real(request)
        while True:
            try:
                events.append(next(work))
            except StopIteration as end:
                return end.value
            yield events[-1]

    monkeypatch.setattr(predict_dock, "predict_request", watched)
    predict(qtbot, dock)
    said = [event.text for event in events if isinstance(event, Notice)]
    assert any("Going on with the unfinished movie.predicted.ome.zarr" in text for text in said)
    assert viewer.layers["nuclei predicted"].data.shape == (8, 64, 64)
    assert [one.name for one in folder.iterdir()] == ["movie.predicted.ome.zarr"]


def test_uncertainty_goes_beside_it(ready, viewer, folder, qtbot):
    ready.advanced.tta.setChecked(True)
    predict(qtbot, ready)
    names = sorted(one.name for one in folder.iterdir())
    assert names == ["cells.predicted.ome.zarr", "cells.uncertainty.ome.zarr"]
    sigma = viewer.layers["nuclei uncertainty (σ)"]
    assert hasattr(sigma.data, "dask")
    assert sigma.contrast_limits[0] == 0
    assert before(ready).startswith(
        "cells.predicted.ome.zarr and cells.uncertainty.ome.zarr exist already in results."
    )


def test_memory_and_disk_exchange_the_layer(dock, save, viewer, pixels, folder, qtbot):
    viewer.add_image(pixels(300, 40), name="cells", **PLACE)
    dock.choose_model(save())
    predict(qtbot, dock)
    layer = viewer.layers["nuclei predicted"]
    layer.colormap, layer.opacity, layer.name = "red", 0.5, "mine"
    layer.contrast_limits = (1, 2)
    viewer.add_points(name="on top")
    for destination in (folder, None):
        to_disk(dock, destination)
        predict(qtbot, dock)
        assert [one.name for one in viewer.layers] == ["cells", "mine", "on top"]
        layer = viewer.layers["mine"]
        assert layer.multiscale == (destination is not None)
        assert (layer.colormap.name, layer.opacity) == ("red", 0.5)
        assert layer.contrast_limits == [1, 2]
        assert layer.translate.tolist() == [5, 6]
        assert (layer.metadata[METADATA]["file"] is None) == (destination is None)
    assert layer.data.shape == (300, 40)


def test_large_ones_are_not_compared(ready, viewer, pixels, monkeypatch, qtbot):
    viewer.add_image(pixels(32, 40), name="nuclei", **PLACE)
    qtbot.waitUntil(lambda: ready.observed[0].pick().layer is not None)
    ready.outputs.errors.setChecked(True)
    ready.outputs.masks.setChecked(True)
    assert ready.outputs.masks.isEnabled()
    monkeypatch.setattr(place, "MOST_COMPARED", 1000)
    ready.refresh()
    for box in (ready.outputs.errors, ready.outputs.masks):
        assert not box.isEnabled()
        assert box.toolTip() == "Not made of results on disk above 1 GiB."
    assert ready.outputs.hint.text() == "not above 1 GiB on disk"
    text = predict(qtbot, ready)
    assert "r = " not in text
    assert {layer.name for layer in viewer.layers} == {"cells", "nuclei", "nuclei predicted"}
    to_disk(ready, None)
    assert ready.outputs.masks.isEnabled()
    assert ready.outputs.errors.isEnabled()
    assert "r = " in predict(qtbot, ready)


def test_the_folder_is_that_of_the_file_unless_one_is_picked(dock, save, viewer, pixels, tmp_path):
    dock.choose_model(save())
    viewer.open(make_tiff(tmp_path, pixels), plugin="napari")
    to_disk_choice = dock.advanced.result
    to_disk_choice.choice.choose(True)
    dock.refresh()
    assert dock.verdict.request.files.predicted == tmp_path / "opened.predicted.ome.zarr"
    (tmp_path / "picked").mkdir()
    to_disk_choice.pick(tmp_path / "picked")
    assert dock.verdict.request.files.predicted.parent == tmp_path / "picked"


def make_tiff(tmp_path, pixels):
    from tifffile import imwrite

    path = tmp_path / "opened.tif"
    imwrite(path, pixels(32, 40))
    return str(path)


def layer_from(path):
    return SimpleNamespace(source=SimpleNamespace(path=str(path)))


def test_no_folder_is_suggested_within_an_ome_zarr(tmp_path):
    (tmp_path / "plate.zarr" / "A" / "1" / "0").mkdir(parents=True)
    assert suggested_folder(layer_from(tmp_path / "plate.zarr" / "A" / "1" / "0")) == tmp_path
    assert suggested_folder(layer_from(tmp_path / "well.ome.zarr")) == tmp_path
    assert suggested_folder(layer_from("https://images.org/well.tif")) is None
    assert suggested_folder(None) is None


def test_files_are_named_after_the_image_as_every_disk_takes_it(tmp_path):
    files, there = files_in(tmp_path, "a/b: c*", uncertainty=True, replaceable=())
    assert [path.name for path in files.paths] == [
        "a_b_ c_.predicted.ome.zarr",
        "a_b_ c_.uncertainty.ome.zarr",
    ]
    assert there == ()
    long = Files(tmp_path / f"{'x' * 80}.predicted.ome.zarr")
    assert len(long.name) < 40
    assert long.name.endswith(".predicted.ome.zarr"[-18:])
