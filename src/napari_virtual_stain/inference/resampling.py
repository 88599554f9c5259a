"""Resampling to the model's voxel size and back: a local linear kernel, antialiased when shrinking.

A triangle of one source pixel's half-width interpolates linearly; when the image shrinks it is as
wide as an output pixel, so that no detail folds back. Positions are pixel centres, the outer edge
of the first pixel stays where it is, and the exact ratio of the voxel sizes is used, not that of
the rounded sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

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
        weights = _weights(values.shape[axis], size, zoom)
        moved = np.moveaxis(values, axis, 0)
        flat = weights @ np.ascontiguousarray(moved).reshape(moved.shape[0], -1)
        values = np.moveaxis(flat.reshape(size, *moved.shape[1:]), 0, axis)
    return np.ascontiguousarray(values)


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
