"""Turns, scale and rotation in the plane, about the centre of a patch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_virtual_stain.inference.dihedral import Turn
from napari_virtual_stain.training.augmentation.tensors import beside

NO_SOURCE = 1e-3
"""A pixel of which less than this share enters another is none of its sources: positions are
rounded, and a neighbour that should not enter at all does by some 1e-4 in a large patch."""


def turned(values: Tensor, turns: Sequence[Turn]) -> Tensor:
    """Return each sample in its own one of the eight symmetries of the square.

    Parameters
    ----------
    values : tensor, shape (B, …, Y, X)
    turns : sequence of Turn, one for each sample
    """
    return torch.stack([turn.apply(one) for one, turn in zip(values, turns, strict=True)])


def centred(values: Tensor, size: Sequence[int]) -> Tensor:
    """Return the centre of the last two axes, a view of `size` (Y, X) pixels."""
    for axis, wanted in zip((-2, -1), size, strict=True):
        values = values.narrow(axis, (values.shape[axis] - wanted) // 2, wanted)
    return values


def matrices(factors: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return where a pixel of the result is taken from, as offsets (Y, X) from the centre.

    Parameters
    ----------
    factors : ndarray, shape (B,)
        By which everything becomes larger.
    angles : ndarray, shape (B,)
        Radians, from Y towards X.

    Returns
    -------
    ndarray, shape (B, 2, 2)
        It maps offsets in the result to offsets in what is read.
    """
    cos, sin = np.cos(angles) / factors, np.sin(angles) / factors
    return np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], -2)


def sampled(values: Tensor, places: np.ndarray, size: Sequence[int]) -> Tensor:
    """Return each sample, scaled and rotated about its centre by linear interpolation.

    Parameters
    ----------
    values : tensor, shape (B, C, [Z,] Y, X)
        Large enough that no pixel of the result lies outside.
    places : ndarray, shape (B, 2, 2)
        As :func:`matrices` returns them.
    size : sequence of int
        Of the result, (Y, X).

    Returns
    -------
    tensor, shape (B, C, [Z,] *size)
    """
    # Z is one more axis that shares the positions.
    planes = values.flatten(1, -3)
    grid = _grid(places, planes, size)
    result = functional.grid_sample(planes, grid, mode="bilinear", align_corners=False)
    return result.reshape(*values.shape[:-2], *size)


def sampled_targets(
    targets: Tensor, weights: Tensor, places: np.ndarray, size: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return targets and weights as :func:`sampled` does; weights stay 0 and 1.

    A pixel that comes from any that does not count does not count either. What a target
    holds where its weight is 0, be it NaN, enters nothing.
    """
    counts = weights > 0
    values = sampled(targets.where(counts, 0.0), places, size)
    shares = sampled(counts.to(targets.dtype), places, size)
    return values, (shares > 1 - NO_SOURCE).to(weights.dtype)


def _grid(places: np.ndarray, planes: Tensor, size: Sequence[int]) -> Tensor:
    """Return positions as ``grid_sample`` takes them: (X, Y), −1 … 1 over what is read."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in size)
    scaled = places[:, None, None, ::-1] * 2 / np.array(planes.shape[:1:-1])[:, None]
    rows, columns = scaled[..., 0] * y[:, None, None], scaled[..., 1] * x[:, None]
    return beside(rows, planes) + beside(columns, planes)
