"""Layers that show results on the disk while these are replaced."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui import result_identity
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict.on_disk import Files
from napari_virtual_stain.gui.result_layers import FILE


class Replacing:
    """Hides the results that are shown from files which are about to be replaced.

    napari reads what it shows, at any moment; from a file that has just been replaced it would
    read something else, which is an error. What is hidden is not read.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    files : Files
    """

    def __init__(self, viewer: Any, files: Files) -> None:
        self._viewer = viewer
        self._were_visible: dict[result_identity.Key, bool] = {}
        paths = {str(path) for path in files.paths}
        for layer in viewer.layers:
            key = result_identity.key_of(layer)
            if key is not None and layer.metadata[METADATA].get(FILE) in paths:
                self._were_visible[key] = layer.visible
                layer.visible = False

    def end(self) -> list[str]:
        """Show again what can be, and remove what has nothing left to show.

        Returns
        -------
        list of str
            Names of the layers that were removed: results of another model or layer.
        """
        removed = []
        for key, was_visible in self._were_visible.items():
            layer = result_identity.find(self._viewer.layers, key)
            if layer is None:
                continue
            if _can_be_read(layer):
                layer.visible = was_visible
            else:
                removed.append(layer.name)
                self._viewer.layers.remove(layer)
        return removed


def _can_be_read(layer: Layer) -> bool:
    data = layer.data[0] if layer.multiscale else layer.data
    try:
        np.asarray(data[(0,) * layer.ndim])
    except VirtualStainError:
        return False
    return True
