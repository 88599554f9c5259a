"""Takes pictures of the dock **Compare** in every state and mode, to be looked at.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/screenshots_compare.py FOLDER

The image is the ISL well of the shared data folder (see `screenshots.py`), predicted by the model
that ships.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari
import numpy as np
from napari.settings import get_settings
from screenshots import SIZE, data_folder, pick, settle, until

from napari_virtual_stain.gui.compare.maps import MAPS
from napari_virtual_stain.gui.compare.modes import Mode
from napari_virtual_stain.gui.layer_data import layer_data
from napari_virtual_stain.gui.results import add_prediction
from napari_virtual_stain.inference import predict
from napari_virtual_stain.io import load_model, read_image

MODEL = "phase13_dapi_map2_nfh"
SECONDS = 300.0


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    frame, dock = viewer.window.add_plugin_dock_widget("napari-virtual-stain", "Compare")
    view, board = dock.board.view, dock.board

    def picture_of_dock(name: str) -> None:
        settle()
        frame.grab().save(str(folder / f"compare-dock-{name}.png"))

    def picture(name: str) -> None:
        settle()
        path = folder / f"compare-window-{name}.png"
        viewer.screenshot(str(path), canvas_only=False, flash=False)

    def compared() -> None:
        dock.controls.button.click()
        until(lambda: dock.running is not None and not dock.running.is_busy, SECONDS)

    picture_of_dock("empty")
    well = data_folder() / "isl_condition_b"
    for file in ("phase", "fluorescence"):
        for data, attributes, _ in layer_data(read_image(well / f"{file}.ome.tif")):
            viewer.add_image(data, **attributes)
    model = load_model(MODEL)
    predicted = predict(model, read_image(well / "phase.ome.tif"))
    phase = next(layer for layer in viewer.layers if layer.name == "phase")
    add_prediction(viewer, predicted, [phase], model.spec)
    until(dock.controls.button.isEnabled)
    picture("ready")
    picture_of_dock("ready")
    dock.controls.button.click()
    until(lambda: dock.running is not None, SECONDS)
    picture("running")
    until(lambda: not dock.running.is_busy, SECONDS)
    for mode in Mode:
        view.modes[mode].click()
        if mode is Mode.MERGED:
            pick(view.under, phase)
            view.flip.click()
        picture(f"mode-{mode.name.casefold()}")
    view.modes[Mode.FLIP].click()
    for one in MAPS[1:]:
        pick(view.map, one.name)
        picture(f"map-{one.name}")
    view.modes[Mode.SIDE].click()
    pick(view.map, "absolute_error")
    picture("side-with-map")
    view.modes[Mode.FLIP].click()
    pick(view.map, "masks")
    board.draw_region.click()
    region = viewer.layers.selection.active
    region.add(np.array([[600, 50], [600, 350], [1000, 350], [1000, 50]]), shape_type="rectangle")
    pick(board.plots.kind, "profile")
    board.plots.draw.click()
    line = viewer.layers.selection.active
    line.add(np.array([[480, 20], [480, 700]]), shape_type="line")
    until(lambda: not dock.running.is_busy, SECONDS)
    picture("region-and-profile")
    get_settings().appearance.theme = "light"
    picture("light")
    get_settings().appearance.theme = "dark"
    dock.controls.button.click()
    picture("ended")

    viewer.layers.clear()
    rng = np.random.default_rng(0)
    stack = rng.gamma(2, 200, (12, 200, 240)).astype(np.uint16)
    worse = np.linspace(50, 400, 12)[:, None, None]
    place = {"axis_labels": "zyx", "scale": (0.5, 0.2, 0.2), "units": ("um",) * 3}
    viewer.add_image(stack, name="stain", **place)
    viewer.add_image(
        (stack + rng.normal(0, worse, stack.shape)).astype(np.float32),
        name="stain predicted",
        **place,
    )
    until(dock.controls.button.isEnabled)
    compared()
    pick(board.plots.kind, "curve")
    picture("stack-with-curve")
    view.projection.setChecked(True)
    until(lambda: not dock.running.is_busy, SECONDS)
    picture("projected")
    dock.controls.button.click()

    viewer.layers.clear()
    plain = {"axis_labels": "yx"}
    viewer.add_image(stack[0], name="stain", **plain)
    viewer.add_image(stack[0, :150].astype(np.float32), name="stain predicted", **plain)
    until(dock.controls.agree.isVisible)
    picture_of_dock("offered")
    viewer.layers[1].translate = (5000, 0)
    until(lambda: "do not lie over each other" in dock.verdict.text)
    picture_of_dock("refused")
    viewer.layers.remove(viewer.layers[1])
    viewer.add_image(np.zeros((200, 240), np.float32), name="stain predicted", **plain)
    pick(view.match, "z-score")
    until(dock.controls.button.isEnabled)
    compared()
    picture_of_dock("failed")
    dock.controls.button.click()
    viewer.close()
    settle(1)  # what is measured in a thread ends


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    main(parser.parse_args().folder)
