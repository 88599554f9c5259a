"""Whether layers that make a pair lie on each other in the viewer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.events import Notice
from napari_virtual_stain.gui.compare.grids import SAME, along
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.sentences import joined

APART = 0.51
"""Pixels by which layers may be moved against each other: as far as rounding goes."""


def lies_elsewhere(first: Geometry, other: Geometry) -> str:
    """Return how a layer lies in the viewer, seen from another; empty where both lie alike.

    Parameters
    ----------
    first, other : Geometry
        Of as many pixels along Y and X. C and T do not matter.

    Returns
    -------
    str
        ``by 30 px along Y``, in pixels of the first.
    """
    here, there = along(first), along(other)
    if here is None or there is None:
        return "" if _same_plane(first, other) else "it is turned, sheared or mirrored"
    (steps, starts), (other_steps, other_starts) = here, there
    axes = [axis for axis in "ZYX" if axis in steps and axis in other_steps]
    scaled = [
        (axis, other_steps[axis] / steps[axis])
        for axis in axes
        if abs(np.log(other_steps[axis] / steps[axis])) > np.log1p(SAME)
    ]
    if scaled:
        return joined([f"its pixels are {by:.3g} × as long along {axis}" for axis, by in scaled])
    moved = [(axis, abs(other_starts[axis] - starts[axis]) / steps[axis]) for axis in axes]
    return joined([f"by {by:.3g} px along {axis}" for axis, by in moved if by > APART])


def misplaced(found: Sequence[tuple[str, str, str]]) -> list[Notice]:
    """Return a warning of layers that do not lie on the input of their pair.

    Parameters
    ----------
    found : sequence of (layer, input, how)
        Names of layers, and what :func:`lies_elsewhere` says.
    """
    if not found:
        return []
    layer, first, how = found[0]
    others = len({name for name, *_ in found}) - 1
    more = {0: "", 1: ", and another layer too"}.get(others, f", and {others} other layers too")
    text = (
        f"{layer} lies elsewhere in the viewer than {first} ({how}){more}; pixels are paired by "
        "their number."
    )
    return [Notice(text, True)]


def _same_plane(first: Geometry, other: Geometry) -> bool:
    """Whether two planes have the same corners in the world, to half a pixel."""
    here, there = _corners(first), _corners(other)
    step = float(np.linalg.norm(here[1] - here[0])) / max(_size(first, "Y") - 1, 1)
    return bool(np.abs(here - there).max() <= APART * step)


def _corners(geometry: Geometry) -> np.ndarray:
    """Return where the first pixel, the last along Y and the last along X lie along both."""
    rows = [geometry.axes.index(axis) for axis in "YX"]
    at = np.zeros((3, len(geometry.axes)))
    for corner, (axis, row) in enumerate(zip("YX", rows, strict=True), start=1):
        at[corner, row] = _size(geometry, axis) - 1
    matrix = geometry.affine[:-1, :-1] @ geometry.linear
    origin = geometry.affine[:-1, :-1] @ geometry.translate + geometry.affine[:-1, -1]
    corners: np.ndarray = (at @ matrix.T + origin)[:, rows]
    return corners


def _size(geometry: Geometry, axis: str) -> int:
    return geometry.shape[geometry.axes.index(axis)]
