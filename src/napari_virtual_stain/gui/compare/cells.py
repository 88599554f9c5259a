"""The cells whose features are measured: labels that a layer has, or what is found by itself."""

from __future__ import annotations

from collections.abc import Sequence

import napari.layers
import numpy as np
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.collapsible import Collapsible, options_form
from napari_virtual_stain.gui.layers import Layer, is_of_comparison, read_labels
from napari_virtual_stain.gui.widgets import Choice
from napari_virtual_stain.image import Image

NUCLEI_TIP = (
    "Labels of nuclei, of any segmenter. Without any, nuclei are found in the observed\n"
    "nuclear stain by Otsu's threshold and a watershed."
)
CELLS_TIP = "Labels of whole cells. Without any, cells are grown around the nuclei."


class CellsBox(Collapsible):
    """Pickers of labels, closed until they are asked for."""

    def __init__(self) -> None:
        super().__init__("Cells", "What is measured by Features: labels, or found by itself.")
        self.nuclei, self.cells = Choice(), Choice()
        self.nuclei.setAccessibleName("Labels of nuclei")
        self.cells.setAccessibleName("Labels of cells")
        content = QWidget()
        options_form(
            content, (("Nuclei", self.nuclei, NUCLEI_TIP), ("Cells", self.cells, CELLS_TIP))
        )
        holder = QWidget()
        layout = QVBoxLayout(holder)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(content)
        self.addWidget(holder)
        self.offer(())

    def offer(self, layers: Sequence[Layer]) -> None:
        """Offer the labels layers among some layers."""
        labels = labels_layers(layers)
        names = [layer.name for layer in labels]
        self.nuclei.offer([None, *labels], ["found by itself", *names], self.nuclei.value())
        self.cells.offer([None, *labels], ["grown around nuclei", *names], self.cells.value())

    def chosen(self) -> tuple[Layer | None, Layer | None]:
        """Return the labels of nuclei and of cells."""
        return self.nuclei.value(), self.cells.value()


def labels_layers(layers: Sequence[Layer]) -> list[Layer]:
    """Return the labels layers, the topmost first; those of a comparison are none."""
    return [
        layer
        for layer in reversed(list(layers))
        if isinstance(layer, napari.layers.Labels) and not is_of_comparison(layer)
    ]


def labels_on(layer: Layer | None, image: Image) -> np.ndarray | None:
    """Return the labels of a layer on the grid of an image, shape ([T,] Y, X).

    Parameters
    ----------
    layer : napari.layers.Labels, optional
    image : Image
        Without C axis.

    Raises
    ------
    VirtualStainError
        If they lie on another grid.
    """
    if layer is None:
        return None
    labels = read_labels(layer).image
    sizes, wanted = labels.sizes, image.sizes
    same_plane = all(sizes[axis] == wanted[axis] for axis in "YX")
    if not same_plane or sizes.get("T", 1) not in (1, wanted.get("T", 1)):
        have, need = (
            " × ".join(f"{axis} {size.get(axis, 1)}" for axis in "YX") for size in (sizes, wanted)
        )
        raise VirtualStainError(
            f"the labels {layer.name} have {have} pixels, and what is compared has {need}; give "
            "labels of the same part of the same images."
        )
    pixels = labels.numpy()
    if "Z" in labels.axes:
        pixels = pixels.max(axis=labels.axes.index("Z"))
    if "T" in labels.axes and "T" not in image.axes:
        pixels = pixels[0]
    return np.asarray(pixels)
