"""What other contributions do in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari.viewer

    from napari_virtual_stain.gui.predict_dock import PredictDock

WIDGET = "Predict fluorescence"
"""Name of the dock in the manifest."""


def open_predict_dock(viewer: napari.viewer.Viewer) -> PredictDock:
    """Open the dock **Predict fluorescence** in a viewer, or show the one that is there.

    It is docked under the name that the menu gives it, so that there is only one of it. (The
    window's ``add_plugin_dock_widget`` names docks by the plugin's name and the menu by its
    display name, and a user of both would have two.)
    """
    from napari.plugins import menu_item_template
    from npe2 import PluginManager

    from napari_virtual_stain.gui.predict_dock import PredictDock
    from napari_virtual_stain.gui.settings import PLUGIN

    dock = next(iter(predict_docks(viewer)), None)
    if dock is None:
        title = PluginManager.instance().get_manifest(PLUGIN).display_name
        dock = PredictDock(viewer)
        viewer.window.add_dock_widget(dock, name=menu_item_template.format(title, WIDGET))
    frame = dock.parent()
    frame.show()
    frame.raise_()
    return dock


def predict_docks(viewer: napari.viewer.Viewer) -> list[PredictDock]:
    """Return the docks **Predict fluorescence** of a viewer; of one without a window, none."""
    from napari_virtual_stain.gui.predict_dock import PredictDock

    window = getattr(viewer, "window", None)
    docks = window.dock_widgets.values() if window is not None else ()
    return [one for one in docks if isinstance(one, PredictDock)]
