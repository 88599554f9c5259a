"""What of an image a viewer shows: positions along the axes that have a slider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_virtual_stain.gui.geometry import Geometry


def shown_index(viewer: Any, place: Geometry) -> dict[str, int]:
    """Return where the sliders of a viewer stand, by axis of an image that lies in a place.

    Axes that are displayed are absent: all of them is shown.
    """
    dims = viewer.dims
    point = np.asarray(dims.point, float)
    count = len(place.axes)
    if len(point) < count:
        point = np.concatenate([np.zeros(count - len(point)), point])
    world = point[-count:]
    matrix = place.affine[:-1, :-1] @ place.linear
    origin = place.affine[:-1, :-1] @ place.translate + place.affine[:-1, -1]
    pixel = np.linalg.solve(matrix, world - origin)
    displayed = {axis - dims.ndim + count for axis in dims.displayed}
    return {
        axis: int(np.clip(round(float(pixel[i])), 0, place.shape[i] - 1))
        for i, axis in enumerate(place.axes)
        if i not in displayed
    }


def step_along(place: Geometry, axis: int) -> float:
    """Return how far apart in the world two pixels lie that are neighbours along an axis."""
    return float(np.linalg.norm((place.affine[:-1, :-1] @ place.linear)[:, axis]))


def move_to(viewer: Any, place: Geometry, index: Mapping[str, int]) -> None:
    """Move the sliders of a viewer to positions of an image that lies in a place."""
    now = shown_index(viewer, place)
    count, first = len(place.axes), viewer.dims.ndim - len(place.axes)
    pixel = np.array([index.get(axis, now.get(axis, 0)) for axis in place.axes], float)
    matrix = place.affine[:-1, :-1] @ place.linear
    origin = place.affine[:-1, :-1] @ place.translate + place.affine[:-1, -1]
    world = matrix @ pixel + origin
    for i in range(count):
        if place.axes[i] in index and first + i not in viewer.dims.displayed:
            viewer.dims.set_point(first + i, float(world[i]))


def words(index: Mapping[str, int], place: Geometry) -> str:
    """Return what is shown, in words: ``plane 3 of 13, time point 2 of 5``."""
    names = {"T": "time point", "Z": "plane", "Y": "row", "X": "column"}
    parts = [
        f"{names[axis]} {index[axis] + 1} of {size}"
        for axis, size in zip(place.axes, place.shape, strict=True)
        if axis in index and size > 1
    ]
    volume = any(
        axis == "Z" and axis not in index and size > 1
        for axis, size in zip(place.axes, place.shape, strict=True)
    )
    movie = any(
        axis == "T" and axis not in index and size > 1
        for axis, size in zip(place.axes, place.shape, strict=True)
    )
    shown = ["the volume"] * volume + ["all time points"] * movie
    return ", ".join([*shown, *reversed(parts)]) or "the image"
