"""What a person does to the dock **Train a model**, for its tests."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.train.form import Form
from napari_virtual_stain.gui.train.picks import Channel, PairPicks
from napari_virtual_stain.gui.train.verdict import judge
from napari_virtual_stain.gui.train_dock import TrainDock

TIMEOUT = 120_000
LONG = 1000
"""Steps that no test waits for."""

PRESET = "gvtnet-2d-small"


def cells(seed=0, shape=(64, 120)):
    """Return transmitted light and its stain: the same blobs, once dark and once bright."""
    rng = np.random.default_rng(seed)
    blobs = gaussian_filter((rng.random(shape) < 0.01) * 40.0, 3)
    light = 1000 - 300 * blobs + rng.normal(0, 5, shape)
    return light.astype(np.float32), (100 + 900 * blobs + rng.normal(0, 5, shape)).astype(np.uint16)


def add(viewer, seed=0, number="", roll=0):
    """Add a pair of layers."""
    light, stain = cells(seed)
    light = np.roll(light, roll, axis=1)
    return [
        viewer.add_image(pixels, name=f"{name}{number}", axis_labels="yx")
        for name, pixels in (("phase", light), ("DAPI", stain))
    ]


def small(dock, steps=4):
    presets = dock.choices.recipe.preset
    names = [presets.itemText(index) for index in range(presets.count())]
    presets.setCurrentIndex(names.index(PRESET))
    presets.activated.emit(presets.currentIndex())
    dock.choices.advanced.batch.setValue(1)
    dock.choices.advanced.steps.setValue(steps)
    dock.choices.advanced.device.choose("cpu")
    dock.choices.advanced.device.activated.emit(0)


def pick(choice, value):
    """Choose as a person does."""
    choice.choose(value)
    choice.activated.emit(choice.currentIndex())


def wait(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.run.is_on, timeout=TIMEOUT)


def offered(qtbot, dock, count):
    """Wait until the dock has seen so many layers."""
    qtbot.waitUntil(lambda: dock.choices.pairs.boxes[0].inputs[0].layer.count() == count)


def train(qtbot, dock):
    dock.controls.button.click()
    wait(qtbot, dock)


def said(dock):
    return dock.controls.before.text(), dock.controls.after.text()


def scored(qtbot, dock):
    qtbot.waitUntil(lambda: dock.live.history.best() is not None, timeout=TIMEOUT)


def made_dock(qtbot, viewer):
    """Yield a dock that is shown by itself; a fixture's."""
    made = TrainDock(viewer)
    qtbot.addWidget(made)
    made.resize(340, 900)
    made.show()
    made.side._timer.setInterval(10**6)  # what is measured beside the run is tested by itself
    yield made
    made.side.cancel()
    made.training.cancel()
    wait(qtbot, made)


def ready_dock(dock, viewer, qtbot):
    """Return a dock with a pair of layers, ready to train a little."""
    add(viewer)
    qtbot.waitUntil(dock.controls.button.isEnabled)
    small(dock)
    return dock


def pair_of_layers(viewer, pixels):
    """Return two layers of 32 × 100 px, half a µm a pixel."""
    return [
        viewer.add_image(pixels(32, 100), name=name, axis_labels="yx", scale=(0.5, 0.5), units="um")
        for name in ("phase", "DAPI")
    ]


def verdict(*pairs, inputs=1, targets=1, **fields):
    fields = {"preset": PRESET, **fields}
    fields.setdefault("targets_", [Channel()] * targets)
    return judge(
        Form(
            inputs=[Channel()] * inputs,
            targets=fields.pop("targets_"),
            pairs=pairs,
            **fields,
        )
    )


def pair(source, *targets, **fields):
    return PairPicks((Pick(source),), tuple(Pick(target) for target in targets), **fields)
