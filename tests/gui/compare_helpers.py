"""Pairs of layers to compare, and what a person does to the dock **Compare**, for its tests."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_virtual_stain.evaluation.survey import survey_events
from napari_virtual_stain.events import run
from napari_virtual_stain.gui.compare.form import Form, Readiness, judge
from napari_virtual_stain.gui.compare.session import Session
from napari_virtual_stain.gui.compare.subject import subject
from napari_virtual_stain.gui.compare.suggestions import suggest_pairs
from napari_virtual_stain.gui.predict.offers import look_at

TIMEOUT = 60_000


def stains(shape=(4, 48, 64), seed=0):
    """Return an observed stain, uint16, and a prediction of it, float32, a little wrong."""
    rng = np.random.default_rng(seed)
    blobs = gaussian_filter((rng.random(shape) < 0.01) * 1.0, [1] * (len(shape) - 2) + [2, 2])
    blobs /= blobs.max()
    observed = (200 + 3000 * blobs + rng.normal(0, 20, shape)).clip(0).astype(np.uint16)
    predicted = (250 + 2400 * np.roll(blobs, 1, -1)).astype(np.float32)
    return observed, predicted


def add_pair(viewer, shape=(4, 48, 64), name="DAPI", seed=0, **attributes):
    """Add an observed layer and its prediction."""
    labels = {2: "yx", 3: "zyx", 4: "tzyx"}[len(shape)]
    common = {"axis_labels": labels, **attributes}
    observed, predicted = stains(shape, seed)
    return [
        viewer.add_image(observed, name=name, **common),
        viewer.add_image(predicted, name=f"{name} predicted", **common),
    ]


def verdict_of(viewer, **form):
    """Return the verdict on what is suggested for the layers of a viewer."""
    return judge(Form(suggest_pairs(look_at(list(viewer.layers), {})), **form))


def subjects_of(viewer, **form):
    """Return the subjects of what is suggested for the layers of a viewer."""
    verdict = verdict_of(viewer, **form)
    return [
        run(subject(one.name, one.observed, one.predicted, one.common, one.colormap))
        for one in verdict.request.pairs
    ]


def session_of(viewer, match="none", **form):
    """Return a session with a survey of every pair."""
    session = Session(viewer, subjects_of(viewer, **form))
    session.show()
    for channel, one in enumerate(session.subjects):
        session.add_survey(channel, run(survey_events(one.observed, one.predicted, match=match)))
    return session


def settings_of(viewer):
    """Return what of a viewer must be the same after a comparison."""
    grid = viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid
    return (
        [(layer.name, layer.visible, layer.opacity, layer.blending) for layer in viewer.layers],
        [tuple(layer.contrast_limits) for layer in viewer.layers if hasattr(layer, "gamma")],
        (grid.enabled, tuple(grid.shape), grid.stride, grid.spacing),
        dict(viewer.keymap),
        list(viewer.mouse_drag_callbacks),
        viewer.dims.current_step,
        viewer.layers.selection.active,
    )


def own(viewer):
    """Return the visible layers of the comparison, the topmost first."""
    return [
        layer.name.removeprefix("Compare: ")
        for layer in reversed(viewer.layers)
        if layer.name.startswith("Compare: ") and layer.visible
    ]


def pick(choice, value):
    """Choose as a person does."""
    choice.choose(value)
    choice.activated.emit(choice.currentIndex())


def idle(qtbot, dock):
    """Wait until a comparison is on and nothing is computed."""
    qtbot.waitUntil(lambda: dock.running is not None and not dock.running.is_busy, timeout=TIMEOUT)


def begin(qtbot, dock):
    """Compare what is suggested."""
    qtbot.waitUntil(lambda: dock.verdict.readiness is Readiness.READY)
    dock.controls.button.click()
    idle(qtbot, dock)
