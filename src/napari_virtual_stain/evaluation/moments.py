"""Means, variances and covariance of an image pair in one stable pass.

Pearson r and both intensity matches follow from these five numbers. They are
accumulated block by block, so that no float64 copy of an image is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.events import raise_if_stopped

BLOCK = 1 << 18
"""Pixels taken at a time; a block of a pair in float64 fits a processor's cache."""


@dataclass(frozen=True)
class Moments:
    """First and second moments of an observed and a predicted image, in float64.

    Parameters
    ----------
    count : int
        Number of pixels.
    mean_observed, mean_predicted : float
        Means, in intensity units.
    var_observed, var_predicted : float
        Variances (divided by `count`); exactly 0 for a constant image.
    covariance : float
        Covariance (divided by `count`).
    """

    count: int
    mean_observed: float
    mean_predicted: float
    var_observed: float
    var_predicted: float
    covariance: float


def moments(observed: np.ndarray, predicted: np.ndarray) -> Moments:
    """Compute the moments of two images of the same shape.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype
        Neither is changed.

    Returns
    -------
    Moments

    Notes
    -----
    Blocks are merged with the pairwise update of Chan, Golub and LeVeque, "Updating formulae
    and a pairwise algorithm for computing sample variances" (1979). All values are taken
    relative to the first pixel, which makes the variance of a constant image exactly 0.
    """
    origin_o, origin_p = float(observed.flat[0]), float(predicted.flat[0])
    count, mean_o, mean_p, ss_o, ss_p, cross = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for block_o, block_p in blocks(observed, predicted):
        o = block_o.astype(np.float64).ravel()
        p = block_p.astype(np.float64).ravel()
        o -= origin_o
        p -= origin_p
        block_mean_o, block_mean_p = float(o.mean()), float(p.mean())
        o -= block_mean_o
        p -= block_mean_p
        delta_o, delta_p = block_mean_o - mean_o, block_mean_p - mean_p
        total = count + o.size
        weight = count * o.size / total
        ss_o += float(o @ o) + delta_o * delta_o * weight
        ss_p += float(p @ p) + delta_p * delta_p * weight
        cross += float(o @ p) + delta_o * delta_p * weight
        mean_o += delta_o * o.size / total
        mean_p += delta_p * o.size / total
        count = total
    return Moments(
        count, origin_o + mean_o, origin_p + mean_p, ss_o / count, ss_p / count, cross / count
    )


def blocks(*arrays: np.ndarray, size: int = BLOCK) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the same part of each array in turn, as views of at most `size` pixels.

    The parts cover the arrays in order. A row along the last axis is cut like any other, and
    arrays need not be contiguous.
    """
    first = arrays[0]
    if first.size <= size:
        raise_if_stopped()
        yield arrays
        return
    per_entry = first.size // len(first)
    step = max(1, size // per_entry)
    for start in range(0, len(first), step):
        if per_entry > size:
            yield from blocks(*(array[start] for array in arrays), size=size)
        else:
            raise_if_stopped()
            yield tuple(array[start : start + step] for array in arrays)
