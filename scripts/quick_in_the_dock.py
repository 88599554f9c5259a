"""Trains `quick` in napari for five minutes, and measures what a person would notice.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/quick_in_the_dock.py FOLDER [SECONDS]

Four pairs of the DeepCell images are opened as layers, the dock is filled in, and Train pressed;
after so many seconds **Stop and keep the best**, if it has not ended by itself. A timer of the
window beats every 10 ms meanwhile: how late it comes is how long the window did not answer. Then
the model is scored on the validation images. Pictures of the window go to FOLDER.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from screenshots import SIZE, data_folder, settle, until

from napari_virtual_stain.gui.layer_data import layer_data
from napari_virtual_stain.gui.train.state import Stage
from napari_virtual_stain.inference import predict
from napari_virtual_stain.io import list_models, load_model, read_image

FIELDS = ("HeLa_train1", "HeLa_train2", "MCF10A_train1", "RAW_train1")
BEAT = 0.010


class Heartbeat:
    """How late a timer of the window comes, in seconds."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(round(BEAT * 1e3))
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        """Begin to count."""
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        """End."""
        self._timer.stop()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, now - self._last - BEAT))
        self._last = now


def main(folder: Path, seconds: float) -> None:
    """Train, measure, score."""
    folder.mkdir(parents=True, exist_ok=True)
    models = folder / "models"
    os.environ["VSTAIN_MODELS"] = str(models)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    _, dock = viewer.window.add_plugin_dock_widget("napari-virtual-stain", "Train a model")
    choices, controls = dock.choices, dock.controls

    def picture(name: str) -> None:
        settle()
        viewer.screenshot(str(folder / f"quick-{name}.png"), canvas_only=False, flash=False)

    root = data_folder() / "deepcell_phase_nuclei"
    for field in FIELDS:
        image = read_image(root / "train" / f"{field}.ome.tif")
        for data, attributes, _ in layer_data(image):
            viewer.add_image(data, **attributes)
    until(controls.button.isEnabled)
    choices.add_matching.click()
    choices.recipe.suggest("quick")
    until(controls.button.isEnabled)
    until(lambda: controls.estimate.text().startswith("About"), seconds)
    picture("before")
    heart = Heartbeat()
    heart.start()
    start = time.perf_counter()
    controls.button.click()
    until(lambda: dock.run.stage is not Stage.CHECKING, seconds)
    if dock.run.stage is Stage.ASKING:
        controls.ignore.click()
    shown = False
    while dock.run.is_on and time.perf_counter() - start < seconds:
        settle(0.2)
        if not shown and time.perf_counter() - start > seconds / 2:
            heart.stop()  # taking a picture takes the window's time
            picture("during")
            heart.start()
            heart._last = time.perf_counter()
            shown = True
    took = time.perf_counter() - start
    if dock.run.is_on:
        controls.stop.click()
        until(lambda: not dock.run.is_on, seconds)
    heart.stop()
    picture("after")
    late = np.array(heart.late) * 1e3
    found = [entry for entry in list_models(models) if not entry.built_in]
    model = load_model(found[-1].path)
    scores = []
    for path in sorted((root / "val").iterdir()):
        image = read_image(path)
        observed, predicted = image.channel(1).numpy(), predict(model, image.channel(0)).numpy()
        scores.append(np.corrcoef(observed.ravel(), predicted.ravel())[0, 1])
    print(
        f"{dock.live.history.step} steps in {took:.0f} s; best step {model.spec.provenance.steps}"
    )
    print(f"r on the validation images: {np.mean(scores):.3f} ({np.round(scores, 3)})")
    print(
        f"{len(late)} beats; late by {np.percentile(late, 50):.1f} ms (median), "
        f"{np.percentile(late, 99):.1f} (p99), {np.percentile(late, 99.9):.1f} (p99.9), "
        f"{late.max():.1f} (most)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("seconds", type=float, nargs="?", default=300.0)
    asked = parser.parse_args()
    main(asked.folder, asked.seconds)
