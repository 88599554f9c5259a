"""Sizes with which a network can be called, by its geometry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_virtual_stain.inference.padding import padded_size

if TYPE_CHECKING:
    from napari_virtual_stain.networks import Geometry


def padded_sizes(geometry: Geometry, sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the smallest sizes, not below those of a frame, that are multiples of the stride."""
    return tuple(padded_size(n, s) for n, s in zip(sizes, geometry.stride, strict=True))


def smallest_sizes(geometry: Geometry, sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the smallest sizes that the network can be called with for frames of such sizes."""
    if geometry.window is not None:
        return geometry.window.input
    if geometry.projects:
        return (padded_sizes(geometry, sizes)[0], *geometry.stride[1:])
    return geometry.stride


def grown_sizes(geometry: Geometry, sizes: Sequence[int], voxels: int) -> tuple[int, ...]:
    """Return sizes of about so many voxels that the network can be called with."""
    grown = list(smallest_sizes(geometry, sizes))
    if geometry.window is not None:
        return tuple(grown)
    growable = [i for i in range(len(grown)) if i or not geometry.projects]
    while math.prod(grown) < voxels:
        axis = min(growable, key=lambda i: grown[i])
        grown[axis] *= 2
    return tuple(grown)
