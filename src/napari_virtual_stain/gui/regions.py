"""Shapes that a person has drawn, as the pixels of a pair that are learned or scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.layers import Layer

AROUND = np.linspace(0, 2 * np.pi, 64, endpoint=False)
"""Angles at which an ellipse is a polygon."""


def polygons_on(shapes: Layer, layer: Layer) -> list[np.ndarray]:
    """Return shapes as polygons in the pixels of another layer.

    Parameters
    ----------
    shapes : napari.layers.Shapes
        Rectangles, ellipses and polygons; lines and paths enclose nothing.
    layer : layer
        Its last two axes are Y and X.

    Returns
    -------
    list of ndarray, shape (vertices, 2)
        In pixels along Y and X.

    Raises
    ------
    VirtualStainError
        If nothing in the layer encloses any pixels.
    """
    matrix, origin = _to_pixels(shapes, layer)
    polygons = [
        _outline(vertices, kind) @ matrix + origin
        for vertices, kind in zip(shapes.data, shapes.shape_type, strict=True)
        if kind in ("rectangle", "ellipse", "polygon")
    ]
    if not polygons:
        raise VirtualStainError(
            f"{shapes.name} has no rectangle, ellipse or polygon; draw one around the part that is "
            "meant, or choose no shapes."
        )
    return polygons


def rasterized(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Return which pixels lie in any of some polygons.

    Parameters
    ----------
    polygons : sequence of ndarray, shape (vertices, 2)
        In pixels along Y and X; they may leave the image.
    shape : (int, int)

    Returns
    -------
    ndarray of bool, shape (Y, X)
    """
    from skimage.draw import polygon

    mask = np.zeros(shape, bool)
    for vertices in polygons:
        mask[polygon(vertices[:, 0], vertices[:, 1], shape)] = True
    return mask


def _outline(vertices: Any, kind: str) -> np.ndarray:
    corners = np.asarray(vertices, float)
    if kind != "ellipse":
        return corners
    centre = corners.mean(axis=0)
    across, down = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    around: np.ndarray = centre + np.outer(np.cos(AROUND), across) + np.outer(np.sin(AROUND), down)
    return around


def _to_pixels(shapes: Layer, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix and the offset that take a vertex of shapes to pixels of another layer.

    napari transforms a vertex at a time, and shapes that are drawn by hand have hundreds.
    """

    def moved(vertex: np.ndarray) -> np.ndarray:
        world = np.zeros(layer.ndim)
        world[-2:] = shapes.data_to_world(vertex)[-2:]
        return np.asarray(layer.world_to_data(world), float)[-2:]

    origin = moved(np.zeros(shapes.ndim))
    return np.stack([moved(axis) - origin for axis in np.eye(shapes.ndim)]), origin
