"""What other contributions do in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

Dock = TypeVar("Dock")

if TYPE_CHECKING:
    import napari.viewer

    from napari_virtual_stain.gui.compare_dock import CompareDock
    from napari_virtual_stain.gui.predict_dock import PredictDock

WIDGET, COMPARE = "Predict fluorescence", "Compare"
"""Names of docks in the manifest."""


def open_predict_dock(viewer: napari.viewer.Viewer) -> PredictDock:
    """Open the dock **Predict fluorescence** in a viewer, or show the one that is there."""
    from napari_virtual_stain.gui.predict_dock import PredictDock

    dock = next(iter(predict_docks(viewer)), None)
    return _shown(dock if dock is not None else _docked(viewer, PredictDock, WIDGET))


def open_compare_dock(viewer: napari.viewer.Viewer) -> CompareDock:
    """Open the dock **Compare** in a viewer, or show the one that is there."""
    from napari_virtual_stain.gui.compare_dock import CompareDock

    dock = next(iter(_docks(viewer, CompareDock)), None)
    return _shown(dock if dock is not None else _docked(viewer, CompareDock, COMPARE))


def predict_docks(viewer: napari.viewer.Viewer) -> list[PredictDock]:
    """Return the docks **Predict fluorescence** of a viewer; of one without a window, none."""
    from napari_virtual_stain.gui.predict_dock import PredictDock

    return _docks(viewer, PredictDock)


def _docked(viewer: napari.viewer.Viewer, kind: type[Dock], widget: str) -> Dock:
    """Dock a widget under the name that the menu gives it, so that there is only one of it.

    (The window's ``add_plugin_dock_widget`` names docks by the plugin's name and the menu by its
    display name, and a user of both would have two.)
    """
    from napari.plugins import menu_item_template
    from npe2 import PluginManager

    from napari_virtual_stain.gui.settings import PLUGIN

    title = PluginManager.instance().get_manifest(PLUGIN).display_name
    dock = kind(viewer)  # type: ignore[call-arg]
    viewer.window.add_dock_widget(dock, name=menu_item_template.format(title, widget))
    return dock


def _shown(dock: Dock) -> Dock:
    frame = dock.parent()  # type: ignore[attr-defined]
    frame.show()
    frame.raise_()
    return dock


def _docks(viewer: napari.viewer.Viewer, kind: type[Dock]) -> list[Dock]:
    window = getattr(viewer, "window", None)
    docks = window.dock_widgets.values() if window is not None else ()
    return [one for one in docks if isinstance(one, kind)]
