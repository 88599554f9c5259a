"""Shapes that a person has drawn, as the pixels of a pair that are learned or scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.layers import Layer

ON_EDGE = 1e-9
"""Pixels by which a pixel may lie off an edge for no more than rounding."""

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
    mask = np.zeros(shape, bool)
    for vertices in polygons:
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        start = np.clip(np.ceil(low), 0, shape).astype(int)
        stop = np.clip(np.floor(high) + 1, start, shape).astype(int)
        rows, columns = (slice(*bounds) for bounds in zip(start, stop, strict=True))
        mask[rows, columns] |= _inside(vertices - start, tuple(stop - start))
    return mask


def _inside(vertices: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return which pixels of a part of an image lie in a polygon, its edges included.

    From the left, each edge that a row of pixels crosses leads into the polygon, or out of it. So
    the time does not grow with vertices times pixels, of which a shape drawn by hand has many.
    """
    height, width = shape
    (y, x), (end_y, end_x) = vertices.T, np.roll(vertices, -1, axis=0).T
    low, high = np.minimum(y, end_y), np.maximum(y, end_y)
    first = np.clip(np.ceil(low), 0, height).astype(int)
    last = np.clip(np.floor(high), -1, height - 1).astype(int)
    counts = np.maximum(last - first + 1, 0)
    edge = np.repeat(np.arange(len(counts)), counts)
    row = first[edge] + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    rise = (end_y - y)[edge]
    is_level = rise == 0
    share = (row - y[edge]) / np.where(is_level, 1, rise)
    crossing = x[edge] + share * (end_x - x)[edge]

    turns = np.zeros((height, width + 1), bool)
    # Of two edges that meet in a row, one has that row.
    crosses = ~is_level & (row < high[edge])
    column = np.clip(np.ceil(crossing[crosses]), 0, width).astype(int)
    np.logical_xor.at(turns, (row[crosses], column), True)
    mask: np.ndarray = np.logical_xor.accumulate(turns[:, :width], axis=1)

    nearest = np.rint(crossing).astype(int)
    on_edge = ~is_level & (np.abs(crossing - nearest) < ON_EDGE) & (nearest >= 0)
    on_edge &= nearest < width
    mask[row[on_edge], nearest[on_edge]] = True
    for at, one in zip(row[is_level], edge[is_level], strict=True):
        begin, end = sorted((x[one], end_x[one]))
        mask[at, max(0, int(np.ceil(begin))) : max(0, int(np.floor(end)) + 1)] = True
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
