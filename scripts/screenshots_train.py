"""Takes pictures of the dock **Train a model** in every state, to be looked at.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/screenshots_train.py FOLDER [PRESET]

The images are those of the shared data folder (see `screenshots.py`). Models go to FOLDER.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

import napari
import numpy as np
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication
from screenshots import SIZE, data_folder, pick, settle, until

from napari_virtual_stain.gui.layer_data import layer_data
from napari_virtual_stain.gui.train.state import Stage
from napari_virtual_stain.io import read_image

FIELDS = ("HeLa_train1", "HeLa_train2", "MCF10A_train1", "RAW_train1")
SECONDS = 900.0
"""How long is waited for what takes long without a GPU."""


def main(folder: Path, preset: str = "") -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    models = folder / "models"
    shutil.rmtree(models, ignore_errors=True)
    os.environ["VSTAIN_MODELS"] = str(models)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    frame, dock = viewer.window.add_plugin_dock_widget("napari-virtual-stain", "Train a model")
    choices, controls = dock.choices, dock.controls

    def picture_of_dock(name: str) -> None:
        settle()
        frame.grab().save(str(folder / f"train-dock-{name}.png"))

    def picture(name: str) -> None:
        settle()
        viewer.screenshot(str(folder / f"train-window-{name}.png"), canvas_only=False, flash=False)

    def picture_of_form(name: str) -> None:
        """Show the whole form, without scrolling."""
        settle()
        choices.grab().save(str(folder / f"train-form-{name}.png"))

    picture_of_dock("empty")
    for field in FIELDS:
        image = read_image(data_folder() / "deepcell_phase_nuclei" / "train" / f"{field}.ome.tif")
        for data, attributes, _ in layer_data(image):
            viewer.add_image(data, **attributes)
    until(controls.button.isEnabled)
    choices.add_matching.click()
    if preset:
        choices.recipe.suggest(preset)
        choices.recipe.is_touched = True
    choices.advanced.steps.setValue(400)  # often scored
    choices.advanced.batch.setValue(2)
    choices.regions.show_held_out.setChecked(True)
    until(lambda: controls.estimate.text().startswith("About"), SECONDS)
    picture("ready")
    picture_of_dock("ready")
    picture_of_form("ready")
    choices.look.click()
    until(choices.batch.isVisible, SECONDS)
    settle(1)
    picture_of_form("batch")
    choices.regions.show_held_out.setChecked(False)
    choices.advanced.expand()
    picture_of_form("advanced")
    choices.advanced.collapse()

    controls.button.click()
    until(lambda: dock.run.stage is not Stage.CHECKING, SECONDS)
    picture_of_dock("checked")
    if dock.run.stage is Stage.ASKING:
        controls.ignore.click()
    until(lambda: dock.live.history.step >= 2, SECONDS)
    picture_of_dock("begun")
    until(lambda: len(dock.live.history.scores()[0]) >= 4, SECONDS)
    picture("running")
    picture_of_dock("running")
    controls.pause.click()
    picture_of_dock("paused")
    get_settings().appearance.theme = "light"
    picture("paused-light")
    get_settings().appearance.theme = "dark"
    controls.pause.click()
    until(lambda: len(dock.live.history.scores()[0]) >= 6, SECONDS)
    controls.stop.click()
    QApplication.processEvents()
    frame.grab().save(str(folder / "train-dock-stopping.png"))
    until(lambda: not dock.run.is_on, SECONDS)
    assert dock.run.stage is Stage.FINISHED, dock.run
    picture("finished")
    picture_of_dock("finished")

    controls.button.click()
    until(lambda: dock.run.stage is not Stage.CHECKING, SECONDS)
    if dock.run.stage is Stage.ASKING:
        controls.ignore.click()
    until(lambda: dock.training.file is not None and dock.training.file.exists(), SECONDS)
    for job in dock.training.jobs:  # as the window does when it is closed
        job.quit()
    until(lambda: not dock.run.is_on, SECONDS)
    picture_of_dock("unfinished")
    dock.unfinished.go_on.click()
    choices.advanced.seed.setValue(7)
    controls.button.click()
    until(lambda: dock.run.stage is not Stage.CHECKING, SECONDS)
    if dock.run.stage is Stage.ASKING:
        controls.ignore.click()
    until(lambda: not dock.run.is_on, SECONDS)
    assert dock.run.stage is Stage.FAILED, dock.run
    picture_of_dock("failed")
    dock.unfinished.discard.click()

    viewer.layers.clear()
    image = read_image(next((data_folder() / "maicrobe_saureus_misregistered").glob("*.tif")))
    for data, attributes, _ in layer_data(image):
        viewer.add_image(data, **attributes)
    while len(choices.pairs.boxes) > 1:
        choices.pairs.boxes[-1].remove.click()
    until(controls.button.isEnabled)
    choices.channels.add_target.click()
    controls.button.click()
    until(lambda: dock.run.stage is Stage.ASKING, SECONDS)
    picture_of_dock("findings")
    controls.back.click()

    viewer.layers.clear()
    image = read_image(sorted((data_folder() / "colicoords_ecoli").glob("*.tif"))[0])
    bright = image.channel(0)
    for data, attributes, _ in layer_data(bright):
        viewer.add_image(data, **attributes)
    mask = image.channel(2).numpy() > 0
    painted = np.zeros(mask.shape, int)
    painted[100:130] = np.where(mask, 2, 1)[100:130]
    viewer.add_labels(painted, name="cells", **placed(viewer.layers[0]))
    choices.channels.targets[-1].remove.click()
    until(controls.button.isEnabled)
    pick(choices.channels.targets[0].unpainted, "not annotated")
    picture("labels")
    picture_of_form("labels")
    viewer.window.resize(1000, 600)
    picture("small")
    viewer.close()
    settle(1)  # what is measured in a thread ends


def placed(layer: napari.layers.Layer) -> dict[str, object]:
    """Return what puts another layer in the place of one."""
    return {name: getattr(layer, name) for name in ("scale", "units", "axis_labels")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("preset", nargs="?", default="")
    asked = parser.parse_args()
    main(asked.folder, asked.preset)
