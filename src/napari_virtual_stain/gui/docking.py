"""Docks of ours in the window of a viewer, each of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import napari.viewer

Dock = TypeVar("Dock")


def open_dock(viewer: napari.viewer.Viewer, kind: type[Dock], widget: str) -> Dock:
    """Open a dock in a viewer, or show the one that is there.

    It is docked under the name that the menu gives it, so that there is only one of it. (The
    window's ``add_plugin_dock_widget`` names docks by the plugin's name and the menu by its
    display name, and a user of both would have two.)

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    kind : type
        Class of the dock.
    widget : str
        Name of the dock in the manifest.
    """
    from napari.plugins import menu_item_template
    from npe2 import PluginManager

    from napari_virtual_stain.gui.settings import PLUGIN

    dock = next(iter(docks_of(viewer, kind)), None)
    if dock is None:
        title = PluginManager.instance().get_manifest(PLUGIN).display_name
        dock = kind(viewer)  # type: ignore[call-arg]
        viewer.window.add_dock_widget(dock, name=menu_item_template.format(title, widget))
    frame = dock.parent()  # type: ignore[attr-defined]
    frame.show()
    frame.raise_()
    return dock


def docks_of(viewer: napari.viewer.Viewer, kind: type[Dock]) -> list[Dock]:
    """Return the docks of a class in a viewer; of one without a window, none."""
    window = getattr(viewer, "window", None)
    docks = window.dock_widgets.values() if window is not None else ()
    return [one for one in docks if isinstance(one, kind)]
