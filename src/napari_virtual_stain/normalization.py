"""Statistics of an image, and the scaling of its pixels by them, forwards and back.

Statistics are taken once per image and channel, of all its pixels, before any resampling and
never of a tile or patch: two tiles of one image are scaled alike, so no seam can come from here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
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
    for chunk in _chunks(data):
        raise_if_stopped()
        values = np.asarray(chunk)
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise VirtualStainError(
                f"{label} contains NaN or infinite pixels; replace them (for example by the "
                "background) before predicting or training."
            )
        lowest, highest = min(lowest, low), max(highest, high)
        values = values.astype(np.float64)
        chunk_mean = float(values.mean())
        values -= chunk_mean
        difference, total = chunk_mean - mean, count + values.size
        moment += (
            float(np.vdot(values, values)) + difference * difference * count * values.size / total
        )
        mean += difference * values.size / total
        count = total
    variance = moment / count
    if lowest < highest and not (math.isfinite(variance) and variance > 0):
        raise VirtualStainError(
            f"{label} has grey values from {lowest:g} to {highest:g}, which cannot be scaled; "
            "convert them to ordinary numbers (for example 16-bit integers)."
        )
    if lowest == highest:
        raise VirtualStainError(
            f"{label} is constant: every pixel is {lowest:g}. There is nothing to predict from or "
            "to learn; check the exposure and that the right channel is chosen."
        )
    return Statistics(mean, math.sqrt(variance))


def pooled(parts: list[Statistics]) -> Statistics:
    """Return the statistics of several equally large parts together."""
    mean = sum(part.mean for part in parts) / len(parts)
    square = sum(part.std**2 + (part.mean - mean) ** 2 for part in parts) / len(parts)
    return Statistics(mean, math.sqrt(square))


def standardize(values: np.ndarray, by: Statistics) -> np.ndarray:
    """Return z-scores, (values − mean) / std, in float32."""
    # float32 holds 24 bits: of wider pixels with a large offset it would keep nothing else.
    exact: Any = np.float32 if np.can_cast(values.dtype, np.float32) else np.float64
    z_scores = (values.astype(exact) - exact(by.mean)) / exact(by.std)
    result: np.ndarray = z_scores.astype(np.float32, copy=False)
    return result


def restore(z_scores: np.ndarray, by: Statistics) -> np.ndarray:
    """Return grey values of z-scores, the inverse of :func:`standardize`, in float32."""
    result: np.ndarray = z_scores * np.float32(by.std) + np.float32(by.mean)
    return result


def _chunks(data: Any) -> Iterator[Any]:
    if data.ndim > 2:
        for plane in range(data.shape[0]):
            yield from _chunks(data[plane])
        return
    rows = max(1, CHUNK_PIXELS // data.shape[-1])
    for start in range(0, data.shape[0], rows):
        yield data[start : start + rows]
