"""Takes pictures of the dock in every state, and of napari after a prediction, to be looked at.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/screenshots.py FOLDER

The image is the ISL well of the shared data folder (`../shared/data`, or `$VSTAIN_TEST_DATA`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import torch
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication

from napari_virtual_stain import networks
from napari_virtual_stain.gui.layer_data import layer_data
from napari_virtual_stain.gui.predict.state import Stage
from napari_virtual_stain.io import find_model, read_image

MODEL = "phase13_dapi_map2_nfh"
SIZE = (1500, 950)
PATIENCE = 300.0


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    frame, dock = viewer.window.add_plugin_dock_widget(
        "napari-virtual-stain", "Predict fluorescence"
    )

    def picture_of_dock(name: str) -> None:
        settle()
        frame.grab().save(str(folder / f"dock-{name}.png"))

    def picture(name: str) -> None:
        settle()
        viewer.screenshot(str(folder / f"window-{name}.png"), canvas_only=False, flash=False)

    dock.choose_model(find_model(MODEL))
    picture_of_dock("empty")

    well = data_folder() / "isl_condition_b"
    for file in ("phase", "fluorescence"):
        for data, attributes, _ in layer_data(read_image(well / f"{file}.ome.tif")):
            viewer.add_image(data, **attributes)
    dock.outputs.errors.setChecked(True)
    dock.outputs.masks.setChecked(True)
    picture_of_dock("ready")

    dock.advanced.tile.setValue(128)  # many small steps, so that there is something to see
    dock.predict()
    until(lambda: dock.controls.stage.text().startswith("Predicting,"))
    settle(0.4)
    picture_of_dock("running")
    dock.cancel()
    QApplication.processEvents()
    frame.grab().save(str(folder / "dock-cancelling.png"))
    until(lambda: not dock.run.is_on)
    picture_of_dock("cancelled")

    dock.advanced.tile.setValue(0)
    dock.predict()
    until(lambda: not dock.run.is_on)
    assert dock.run.stage is Stage.FINISHED, dock.run
    picture_of_dock("finished")
    picture("predicted")

    show_only(viewer, "DAPI observed − predicted")
    picture("signed-error")
    show_only(viewer, "DAPI absolute error")
    picture("absolute-error")
    show_only(viewer, "MAP2 predicted", "MAP2 observed mask", "MAP2 predicted mask")
    picture("masks")
    show_only(viewer, "DAPI predicted", "MAP2 predicted", "NFH predicted")

    dock.advanced.expand()
    picture_of_dock("advanced")
    get_settings().appearance.theme = "light"
    picture("light")
    results = folder / "results"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    pick(dock.advanced.result.choice, True)
    dock.advanced.result.pick(results)
    picture_of_dock("on-disk-light")
    get_settings().appearance.theme = "dark"
    picture_of_dock("on-disk")

    dock.advanced.tile.setValue(128)
    dock.predict()
    until(lambda: 0 < 0.8 * dock.controls.bar.maximum() < dock.controls.bar.value())
    dock.cancel()
    until(lambda: not dock.run.is_on)
    picture_of_dock("on-disk-cancelled")
    dock.predict()
    until(lambda: "Going on" in dock.controls.after.text())
    picture_of_dock("on-disk-going-on")
    until(lambda: not dock.run.is_on)
    assert dock.run.stage is Stage.FINISHED, dock.run
    dock.advanced.collapse()
    picture_of_dock("on-disk-finished")
    picture("on-disk-finished")
    dock.controls.replace.click()
    dock.advanced.tta.setChecked(True)
    dock.advanced.tile.setValue(0)
    picture_of_dock("on-disk-replace")
    dock.predict()
    until(lambda: not dock.run.is_on)
    assert dock.run.stage is Stage.FINISHED, dock.run
    show_only(viewer, *[layer.name for layer in viewer.layers if "uncertainty" in layer.name])
    picture("tta-uncertainty")
    show_only(viewer, "DAPI predicted", "MAP2 predicted", "NFH predicted")
    dock.advanced.tta.setChecked(False)
    dock.advanced.expand()
    dock.advanced.memory.setValue(0.1)
    pick(dock.advanced.device, "cpu")
    movie = np.broadcast_to(viewer.layers["phase"].data, (400, *viewer.layers["phase"].data.shape))
    movie = viewer.add_image(movie, name="movie", axis_labels="tzyx", visible=False)
    before = dock.inputs[0].layer.value()
    pick(dock.inputs[0].layer, movie)
    picture_of_dock("on-disk-large")
    pick(dock.advanced.result.choice, False)
    picture_of_dock("too-large")
    pick(dock.inputs[0].layer, before)
    viewer.layers.remove(movie)
    dock.advanced.memory.setValue(0)

    broken = np.asarray(viewer.layers["phase"].data, np.float32)
    broken[3, 40, 50] = np.nan
    pick(dock.inputs[0].layer, viewer.add_image(broken, name="damaged", visible=False))
    dock.predict()
    until(lambda: not dock.run.is_on)
    picture_of_dock("failed")

    photo = np.zeros((64, 64, 3), np.uint8)
    pick(dock.inputs[0].layer, viewer.add_image(photo, rgb=True, name="photo", visible=False))
    picture_of_dock("refused")
    movie = viewer.add_image(np.zeros((2, 13, 64, 64), np.uint16), name="movie", visible=False)
    pick(dock.inputs[0].layer, movie)
    picture_of_dock("axes")

    # A checkpoint of a network that knows how sure it is, untrained: converted, then used.
    checkpoint = folder / "foreign.pth"
    options = {"ndim": 2, "filters": 8, "depth": 3, "likelihood": "laplace"}
    torch.save(networks.build("gvtnet", **options).state_dict(), checkpoint)
    pick(dock.inputs[0].layer, viewer.layers["phase"])
    os.environ["VSTAIN_MODELS"] = str(folder / "models")
    dock.choose_model(checkpoint)
    frame.grab().save(str(folder / "dock-converting.png"))
    until(lambda: not dock.run.is_on)
    picture_of_dock("converted")
    dock.predict()
    until(lambda: not dock.run.is_on)
    picture_of_dock("uncertain")
    show_only(viewer, *[layer.name for layer in viewer.layers if "uncertainty" in layer.name])
    picture("uncertainty")
    (folder / "notes.p").write_text("no model")
    dock.choose_model(folder / "notes.p")
    until(lambda: not dock.run.is_on)
    picture_of_dock("not-a-model")

    viewer.window.resize(1000, 600)
    picture("small")
    viewer.close()


def data_folder() -> Path:
    """Return the folder of real images."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    return Path(os.environ.get("VSTAIN_TEST_DATA", default))


def settle(seconds: float = 0.3) -> None:
    """Let the window draw itself."""
    until(lambda: False, seconds, fail=False)


def until(condition: Callable[[], bool], seconds: float = PATIENCE, *, fail: bool = True) -> None:
    """Let the window live until a condition holds."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)
    if fail and not condition():
        raise TimeoutError("what was waited for did not happen")


def show_only(viewer: napari.Viewer, *names: str) -> None:
    """Hide every layer but some."""
    for layer in viewer.layers:
        layer.visible = layer.name in names
    viewer.layers.selection.active = viewer.layers[names[0]]


def pick(choice: object, value: object) -> None:
    """Choose as a person does."""
    settle(0.1)
    choice.choose(value)
    choice.activated.emit(choice.currentIndex())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    main(asked.folder)
