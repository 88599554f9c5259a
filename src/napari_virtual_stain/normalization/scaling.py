"""The scaling of pixels: measured once on an image, applied to any part of it, and undone.

It is measured once per image and channel, of all its pixels, before any resampling and never
of a tile or patch: two tiles of one image are scaled alike, so no seam can come from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.normalization.histogram import Histogram, histogram
from napari_virtual_stain.normalization.moments import statistics

Method = Literal["z-score", "percentile", "range", "none"]


@dataclass(frozen=True, eq=False)
class Equalization:
    """Histogram equalization: a grey value becomes the share of pixels at or below it, 0 … 1.

    Parameters
    ----------
    values, shares : ndarray of float64, shape (n,)
        Both increasing; between them it is linear.
    """

    values: np.ndarray
    shares: np.ndarray

    def apply(self, grey: np.ndarray) -> np.ndarray:
        """Return the shares of grey values."""
        result: np.ndarray = np.interp(grey, self.values, self.shares)
        return result

    def undo(self, shares: np.ndarray) -> np.ndarray:
        """Return the grey values of shares."""
        result: np.ndarray = np.interp(shares, self.shares, self.values)
        return result


@dataclass(frozen=True)
class Scaling:
    """Normalized value = (grey value − `offset`) / `unit`, after equalization where there is one.

    Parameters
    ----------
    offset, unit : float
        Of grey values, or of shares (0 … 1) with an equalization.
    equalization : Equalization, optional
    """

    offset: float
    unit: float
    equalization: Equalization | None = None


def measure(
    data: Any,
    label: str,
    method: Method = "z-score",
    percentiles: tuple[float, float] = (0.0, 100.0),
    equalize: bool = False,
) -> Scaling:
    """Measure how an image is scaled.

    Parameters
    ----------
    data : array, shape ([…,] Y, X)
        One channel; may be lazy.
    label : str
        What the user calls it, for the errors.
    method : {"z-score", "percentile", "range", "none"}
        ``z-score``: mean 0, standard deviation 1. ``percentile``: the two percentiles
        become 0 and 1. ``range``: they become −1 and 1. ``none``: grey values stay. Nothing is cut
        off.
    percentiles : tuple of float
        For ``percentile`` and ``range``: lowest and highest, in percent.
    equalize : bool
        Equalize the histogram before.

    Raises
    ------
    VirtualStainError
        If a pixel is NaN or infinite, all pixels have the same value, or the percentiles coincide.
    """
    if method == "z-score" and not equalize:
        found = statistics(data, label)
        return Scaling(found.mean, found.std)
    counted = histogram(data, label)
    equalization = None
    if equalize:
        equalization = _equalization(counted)
        # What follows is of the equalized image, whose histogram has the same counts.
        counted = Histogram(equalization.apply(counted.values), counted.counts)
    if method == "none":
        return Scaling(0.0, 1.0, equalization)
    if method == "z-score":
        total = counted.counts.sum()
        mean = float(counted.values @ counted.counts / total)
        variance = float((counted.values - mean) ** 2 @ counted.counts / total)
        return Scaling(mean, math.sqrt(variance), equalization)
    low, high = (counted.quantile(percent) for percent in percentiles)
    if not low < high:
        raise VirtualStainError(
            f"{label}: its percentiles {percentiles[0]:g} and {percentiles[1]:g} are both {low:g}, "
            "so nearly all of it is one grey value and it cannot be scaled; crop it to where "
            "something is, or choose a model that scales by the mean."
        )
    return between(low, high, method, equalization)


def between(
    low: float, high: float, method: Method, equalization: Equalization | None = None
) -> Scaling:
    """Return the scaling by which `low` and `high` become 0 and 1, or −1 and 1 (``range``)."""
    if method == "range":
        return Scaling((low + high) / 2, (high - low) / 2, equalization)
    return Scaling(low, high - low, equalization)


def normalize(values: np.ndarray, by: Scaling) -> np.ndarray:
    """Return normalized values of grey values, in float32."""
    # float32 holds 24 bits: of wider pixels with a large offset it would keep nothing else.
    exact: Any = np.float32 if np.can_cast(values.dtype, np.float32) else np.float64
    if by.equalization is not None:
        values = by.equalization.apply(values)
    scaled = (values.astype(exact) - exact(by.offset)) / exact(by.unit)
    result: np.ndarray = scaled.astype(np.float32, copy=False)
    return result


def restore(normalized: np.ndarray, by: Scaling) -> np.ndarray:
    """Return grey values of normalized values, the inverse of :func:`normalize`, in float32."""
    result: np.ndarray = normalized * np.float32(by.unit) + np.float32(by.offset)
    if by.equalization is not None:
        result = by.equalization.undo(result).astype(np.float32)
    return result


def _equalization(counted: Histogram) -> Equalization:
    occurring = counted.counts > 0
    return Equalization(counted.values[occurring], counted.cumulative()[occurring])
