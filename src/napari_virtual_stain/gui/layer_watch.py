"""Tells when the layers of a viewer, or what matters of them, have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.subscriptions import Subscriptions

OF_LIST = ("inserted", "removed", "reordered")
OF_LAYER = (
    "affine",
    "axis_labels",
    "data",
    "metadata",
    "name",
    "rotate",
    "scale",
    "shear",
    "translate",
    "units",
)


class LayerWatch:
    """Calls back after each change of the layers of a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    changed : callable
        Called without arguments.
    """

    def __init__(self, viewer: Any, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._of_list = Subscriptions()
        self._of_layers: dict[Layer, Subscriptions] = {}
        self._viewer = viewer
        for name in OF_LIST:
            self._of_list.connect(getattr(viewer.layers.events, name), self._list_changed)
        self._follow()

    def close(self) -> None:
        """Call back no more."""
        self._of_list.close()
        for subscriptions in self._of_layers.values():
            subscriptions.close()
        self._of_layers.clear()

    def _list_changed(self, event: Any = None) -> None:
        self._follow()
        self._changed()

    def _layer_changed(self, event: Any = None) -> None:
        self._changed()

    def _follow(self) -> None:
        layers = list(self._viewer.layers)
        for layer in [one for one in self._of_layers if one not in layers]:
            self._of_layers.pop(layer).close()
        for layer in layers:
            if layer not in self._of_layers:
                subscriptions = Subscriptions()
                for name in OF_LAYER:
                    subscriptions.connect(getattr(layer.events, name), self._layer_changed)
                self._of_layers[layer] = subscriptions
