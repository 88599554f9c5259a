"""What other contributions do in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_stain.gui.docking import docks_of, open_dock

if TYPE_CHECKING:
    import napari.viewer

    from napari_virtual_stain.gui.predict_dock import PredictDock

WIDGET = "Predict fluorescence"
"""Name of the dock in the manifest."""


def open_predict_dock(viewer: napari.viewer.Viewer) -> PredictDock:
    """Open the dock **Predict fluorescence** in a viewer, or show the one that is there."""
    from napari_virtual_stain.gui.predict_dock import PredictDock

    return open_dock(viewer, PredictDock, WIDGET)


def predict_docks(viewer: napari.viewer.Viewer) -> list[PredictDock]:
    """Return the docks **Predict fluorescence** of a viewer; of one without a window, none."""
    from napari_virtual_stain.gui.predict_dock import PredictDock

    return docks_of(viewer, PredictDock)
