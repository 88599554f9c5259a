"""Shapes that a person draws for a comparison: a region that is scored, a line for a profile."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.compare.board import Board
from napari_virtual_stain.gui.compare.session import Session
from napari_virtual_stain.gui.layers import Layer, image_layers, read_layer
from napari_virtual_stain.gui.train.offers import shapes_layers

REGION_TITLE, LINE_TITLE = "region", "line profile"
COLOUR = "#ffd23f"


class Drawing:
    """Offers the Shapes layers of a viewer, and adds one where a person wants to draw.

    What is drawn belongs to the user and stays; a layer in which nothing was drawn goes.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    board : Board
    """

    def __init__(self, viewer: Any, board: Board) -> None:
        self._viewer, self._board = viewer, board
        self._added: list[Layer] = []
        self._line: Layer | None = None
        self.offer()

    def offer(self) -> None:
        """Offer what there is."""
        shapes = shapes_layers(list(self._viewer.layers))
        region = self._board.region
        region.offer([None, *shapes], ["none", *(one.name for one in shapes)], region.value())
        region.setEnabled(bool(shapes))
        self._board.cells.offer(list(self._viewer.layers))
        images = [one for one in image_layers(list(self._viewer.layers)) if _can_be_read(one)]
        self._board.view.offer_under(images)

    def region(self, session: Session) -> tuple[list[np.ndarray] | None, str]:
        """Return the region as polygons in the pixels of what is shown, and what it is called."""
        layer = self._board.region.value()
        if layer is None or layer not in self._viewer.layers:
            return None, ""
        try:
            return session.outlines(layer), "region"
        except VirtualStainError:  # nothing has been drawn yet
            return None, "region"

    def line(self, session: Session) -> np.ndarray | None:
        """Return the line in the pixels of what is shown, shape (vertices, 2)."""
        layer = self._line
        if layer is None or layer not in self._viewer.layers:
            candidates = shapes_layers(list(self._viewer.layers))
            layer = next((one for one in candidates if _has_line(one)), None)
        return None if layer is None else session.line(layer)

    def start_region(self) -> None:
        """Add a layer for a region, choose it, and let a rectangle be drawn."""
        layer = self._add(REGION_TITLE, "add_rectangle", face=True)
        self.offer()
        self._board.region.choose(layer)

    def start_line(self) -> None:
        """Add a layer for a line, or take the one that is there, and let a line be drawn."""
        if self._line is None or self._line not in self._viewer.layers:
            self._line = self._add(LINE_TITLE, "add_line", face=False)
        else:
            self._viewer.layers.selection.active = self._line
            self._line.mode = "add_line"

    def close(self) -> None:
        """Take away the layers in which nothing was drawn."""
        for layer in self._added:
            if layer in self._viewer.layers and not len(layer.data):
                self._viewer.layers.remove(layer)
        self._added.clear()

    def _add(self, name: str, mode: str, *, face: bool) -> Layer:
        import napari.layers

        below = next(iter(image_layers(list(self._viewer.layers))), None)
        place = {}
        if below is not None:
            place = {
                "scale": below.scale[-2:],
                "units": tuple(below.units)[-2:],
                "axis_labels": tuple(below.axis_labels)[-2:],
            }
        layer = napari.layers.Shapes(
            ndim=2,
            name=name,
            edge_color=COLOUR,
            face_color=f"{COLOUR}20" if face else "transparent",
            edge_width=_width(below),
            **place,
        )
        self._viewer.add_layer(layer)
        layer = next(one for one in reversed(list(self._viewer.layers)) if one == layer)
        self._added.append(layer)
        self._viewer.layers.selection.active = layer
        layer.mode = mode
        return layer


def _can_be_read(layer: Layer) -> bool:
    try:
        read_layer(layer)
    except VirtualStainError:
        return False
    return True


def _width(layer: Layer | None) -> float:
    """Return the width of a line that is seen on an image as a whole (px)."""
    return 1.0 if layer is None else max(1.0, _side(layer) / 300)


def _side(layer: Layer) -> float:
    return float(max((layer.data[0] if layer.multiscale else layer.data).shape[-2:]))


def _has_line(layer: Layer) -> bool:
    return any(kind in ("line", "path") for kind in layer.shape_type)
