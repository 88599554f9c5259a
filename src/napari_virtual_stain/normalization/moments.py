"""Mean and standard deviation of an image, chunk by chunk."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_virtual_stain.errors import ConstantImageError, VirtualStainError
from napari_virtual_stain.events import raise_if_stopped

CHUNK_PIXELS = 2**22
"""Pixels that are converted to float64 at a time (32 MiB)."""


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation (population) of grey values."""

    mean: float
    std: float


def statistics(data: Any, label: str) -> Statistics:
    """Return mean and standard deviation of all pixels, in float64, chunk by chunk.

    Integers are measured exactly, but for the rounding of float64.

    Parameters
    ----------
    data : array, shape ([Z,] Y, X)
        One channel at one time point, or several time points; may be lazy.
    label : str
        What the user calls it, for the errors.

    Returns
    -------
    Statistics
        In grey values.

    Raises
    ------
    VirtualStainError
        If a pixel is NaN or infinite, or all pixels have the same value.

    References
    ----------
    Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances" (1979): how the moments of chunks are joined.
    """
    count, mean, moment = 0, 0.0, 0.0
    lowest, highest = math.inf, -math.inf
    for values in chunks(data):
        low, high = finite_range(values, label)
        lowest, highest = min(lowest, low), max(highest, high)
        exact = values.astype(np.float64)
        chunk_mean = float(exact.mean())
        exact -= chunk_mean
        difference, total = chunk_mean - mean, count + exact.size
        moment += (
            float(np.vdot(exact, exact)) + difference * difference * count * exact.size / total
        )
        mean += difference * exact.size / total
        count = total
    check_varies(lowest, highest, label)
    variance = moment / count
    if not (math.isfinite(variance) and variance > 0):
        raise VirtualStainError(
            f"{label} has grey values from {lowest:g} to {highest:g}, which cannot be scaled; "
            "convert them to ordinary numbers (for example 16-bit integers)."
        )
    return Statistics(mean, math.sqrt(variance))


def pooled(parts: list[Statistics]) -> Statistics:
    """Return the statistics of several equally large parts together."""
    mean = sum(part.mean for part in parts) / len(parts)
    square = sum(part.std**2 + (part.mean - mean) ** 2 for part in parts) / len(parts)
    return Statistics(mean, math.sqrt(square))


def chunks(data: Any) -> Iterator[np.ndarray]:
    """Yield all pixels of an array of two or more axes, in blocks that fit into memory.

    Blocks of a lazy array follow the chunks that it is stored in, so that none is decoded twice.
    Between the blocks, the work can be stopped.
    """
    starts = [range(0, n, m) for n, m in zip(data.shape, _block(data), strict=True)]
    for corner in itertools.product(*starts):
        raise_if_stopped()
        region = tuple(
            slice(first, first + axis.step) for first, axis in zip(corner, starts, strict=True)
        )
        yield np.asarray(data[region])


def _block(data: Any) -> tuple[int, ...]:
    """Return the shape of blocks of at most `CHUNK_PIXELS`, or of one stored chunk."""
    stored = getattr(data, "chunksize", None) or getattr(data, "chunks", None)
    block = [1] * data.ndim if stored is None else [max(1, int(n)) for n in stored]
    for axis in reversed(range(data.ndim)):
        times = max(1, CHUNK_PIXELS // math.prod(block))
        block[axis] = min(data.shape[axis], block[axis] * times)
    return tuple(block)


def finite_range(values: np.ndarray, label: str) -> tuple[float, float]:
    """Return the lowest and the highest value.

    Raises
    ------
    VirtualStainError
        If one is NaN or infinite.
    """
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise VirtualStainError(
            f"{label} contains NaN or infinite pixels; replace them (for example by the "
            "background) before predicting or training."
        )
    return low, high


def check_varies(lowest: float, highest: float, label: str) -> None:
    """Raise a ConstantImageError if all pixels have the same value."""
    if lowest == highest:
        raise ConstantImageError(
            f"{label} is constant: every pixel is {lowest:g}. There is nothing to predict from or "
            "to learn; check the exposure and that the right channel is chosen."
        )
