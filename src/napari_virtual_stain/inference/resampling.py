"""Resampling to the model's voxel size and back: a local linear kernel, antialiased when shrinking.

A triangle of one source pixel's half-width interpolates linearly; when the image shrinks it is as
wide as an output pixel, so that no detail folds back. Positions are pixel centres, the outer edge
of the first pixel stays where it is, and the exact ratio of the voxel sizes is used, not that of
the rounded sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_stain.events import raise_if_stopped

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BLOCK = 2**22
"""Pixels that are resampled at a time."""

TOLERANCE = 0.02
"""Voxel sizes that differ by no more than this fraction are taken as equal."""


def resampled_size(size: int, zoom: float) -> int:
    """Return the number of pixels of an axis of `size` pixels after magnifying it `zoom` times."""
    return max(1, round(size * zoom))


def resample(values: np.ndarray, sizes: Sequence[int], zooms: Sequence[float]) -> np.ndarray:
    """Resample the last axes of an array.

    Parameters
    ----------
    values : ndarray, shape (..., *spatial)
    sizes : sequence of int
        New size of each spatial axis.
    zooms : sequence of float
        Magnification of each spatial axis: old voxel size ÷ new voxel size.

    Returns
    -------
    ndarray of float32, shape (..., *sizes)
    """
    values = np.asarray(values, dtype=np.float32)
    first = values.ndim - len(sizes)
    for axis, (size, zoom) in enumerate(zip(sizes, zooms, strict=True), start=first):
        if zoom == 1 and values.shape[axis] == size:
            continue
        values = _along(values, axis, _weights(values.shape[axis], size, zoom))
    return values


def resample_region(
    read: Callable[[tuple[slice, ...]], np.ndarray],
    region: Sequence[slice],
    old: Sequence[int],
    zooms: Sequence[float],
    new: Sequence[int],
) -> np.ndarray:
    """Resample a region of what an image becomes, from no more of the image than it takes.

    Parameters
    ----------
    read : callable
        Reads a region of the image, tuple of slices to (..., *region).
    region : sequence of slice
        Of the resampled image.
    old, new : sequence of int
        Sizes of the spatial axes before and after.
    zooms : sequence of float
        As for :func:`resample`.

    Returns
    -------
    ndarray of float32, shape (..., *region)
        Equal to that part of what :func:`resample` returns.
    """
    sources: list[slice] = []
    weights: list[csr_array | None] = []
    for part, before, after, zoom in zip(region, old, new, zooms, strict=True):
        if zoom == 1 and before == after:
            sources.append(part)
            weights.append(None)
            continue
        rows = _weights(before, after, zoom)[part.start : part.stop]
        first, last = int(rows.indices.min()), int(rows.indices.max())
        sources.append(slice(first, last + 1))
        weights.append(rows[:, first : last + 1])
    values = np.asarray(read(tuple(sources)), dtype=np.float32)
    for axis, rows in enumerate(weights, start=values.ndim - len(weights)):
        if rows is not None:
            values = _along(values, axis, rows)
    return values


def _along(values: np.ndarray, axis: int, weights: csr_array) -> np.ndarray:
    """Apply weights along an axis, block by block so that a large image can be stopped."""
    result = np.empty(
        (*values.shape[:axis], weights.shape[0], *values.shape[axis + 1 :]), np.float32
    )
    source, target = np.moveaxis(values, axis, 0), np.moveaxis(result, axis, 0)
    if source.ndim == 1:
        target[...] = weights @ source
        return result
    rows = max(1, BLOCK // source[:, :1].size)
    for start in range(0, source.shape[1], rows):
        raise_if_stopped()
        part = np.ascontiguousarray(source[:, start : start + rows])
        block = weights @ part.reshape(part.shape[0], -1)
        target[:, start : start + rows] = block.reshape(-1, *part.shape[1:])
    return result


@lru_cache(maxsize=16)
def _weights(old: int, new: int, zoom: float) -> csr_array:
    """Return the (new, old) matrix of triangle weights; rows sum to 1."""
    from scipy.sparse import csr_array

    reach = max(1.0, 1.0 / zoom)
    centres = (np.arange(new) + 0.5) / zoom - 0.5
    taps = np.arange(int(np.ceil(reach)) * 2 + 1) - int(np.ceil(reach))
    columns = np.floor(centres)[:, None].astype(np.int64) + taps
    weights = np.clip(1 - np.abs(columns - centres[:, None]) / reach, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.broadcast_to(np.arange(new)[:, None], columns.shape)
    # Beyond the border the last pixel is repeated: its taps add up there.
    clipped = np.clip(columns, 0, old - 1)
    entries = (weights.ravel().astype(np.float32), (rows.ravel(), clipped.ravel()))
    return csr_array(entries, shape=(new, old))
