"""``vstain demo``: simulated cells in napari, predicted and compared, ready to flip."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.errors import VirtualStainError

if TYPE_CHECKING:
    import napari.viewer

    from napari_virtual_stain.gui.predict_dock import PredictDock

FLIP, NEXT = "w", "Shift-W"
"""Keys that napari leaves free whatever kind of layer is active."""


def run_demo(model: str, *, seed: int) -> None:
    """Open napari with a simulated specimen, predict it, compare, and stay until it is closed.

    Parameters
    ----------
    model : str
        Name or path of a model that predicts the simulated specimen.
    seed : int
        Of the specimen.

    Raises
    ------
    VirtualStainError
        If there is no such model, no display, or no Qt.
    """
    from napari_virtual_stain.io import find_model

    path = find_model(model)
    _check_display()
    import napari

    try:
        viewer = napari.Viewer(title="Virtual Stain: simulated cells")
    except ImportError as error:
        raise VirtualStainError(
            "the window needs Qt, which is not installed: install napari-virtual-stain[all], or "
            "have the pictures written with vstain demo --output FOLDER."
        ) from error
    prepare_demo(viewer, path, seed)
    napari.run()


def prepare_demo(viewer: napari.viewer.Viewer, model: Path, seed: int) -> PredictDock:
    """Show the specimen in a viewer and start its prediction in the dock.

    The prediction runs in the background. As soon as it is there, keys flip between observed
    and predicted.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        With a window.
    model : Path
        File of the model.
    seed : int
        Of the specimen.

    Returns
    -------
    PredictDock
        The dock, with the prediction running.
    """
    from napari.layers import Layer

    from napari_virtual_stain.gui.commands import open_predict_dock
    from napari_virtual_stain.gui.flip import Flip
    from napari_virtual_stain.gui.samples import simulated_cells

    brightfield, *observed = (
        viewer.add_layer(Layer.create(*data)) for data in simulated_cells(seed)
    )
    for layer in observed:
        layer.visible = False
    brightfield.opacity = 1  # alone, it need not be dim
    viewer.layers.selection.active = brightfield
    text, scale_bar = _overlays(viewer)
    scale_bar.visible = True
    text.position, text.font_size, text.visible = "top_left", 11, True
    text.text = "simulated cells: brightfield"

    dock = open_predict_dock(viewer)
    dock.choose_model(model)
    dock.outputs.errors.setChecked(True)
    dock.outputs.masks.setChecked(True)

    def tell(caption: str) -> None:
        text.text = f"simulated cells: {caption}\n{FLIP.upper()} flips observed and predicted"
        if len(observed) > 1:
            text.text += f", {NEXT} takes the next channel"

    # Over the bright background of the brightfield, fluorescence would be pale: it is hidden.
    flip = Flip(viewer, observed, hide=brightfield, tell=tell)
    viewer.bind_key(FLIP, flip.flip, overwrite=True)
    viewer.bind_key(NEXT, flip.next_channel, overwrite=True)
    dock.predict()
    return dock


def _overlays(viewer: Any) -> tuple[Any, Any]:
    """Return the text and the scale bar of the canvas, which napari 0.9 has moved."""
    canvas = getattr(viewer, "canvas", None)
    if canvas is None:
        return viewer.text_overlay, viewer.scale_bar
    return canvas.overlays.text, canvas.overlays.scale_bar


def _check_display() -> None:
    # Without one, Qt ends the process with a message of its own.
    places = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in places):
        raise VirtualStainError(
            "there is no display for the window; have the pictures written with "
            "vstain demo --output FOLDER."
        )
