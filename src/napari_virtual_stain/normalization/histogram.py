"""The histogram of an image: its quantiles, its moments, and its cumulative distribution.

Integers of up to 16 bits have a bin for each value, so that everything is exact. Other pixels fall
into 65,536 bins between the lowest and the highest value; a quantile is then known to
1/65,536 of that range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_virtual_stain.normalization.moments import check_varies, chunks, finite_range

BINS = 2**16


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often each grey value occurs.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Grey values, or centres of bins, increasing.
    counts : ndarray of int64, shape (n,)
    """

    values: np.ndarray
    counts: np.ndarray

    def quantile(self, percent: float) -> float:
        """Return a percentile, interpolated linearly between pixels as NumPy does it."""
        upto = np.cumsum(self.counts)
        rank = percent / 100 * (upto[-1] - 1)
        below, above = (
            self.values[np.searchsorted(upto, position, side="right")]
            for position in (np.floor(rank), np.ceil(rank))
        )
        return float(below + (above - below) * (rank - np.floor(rank)))

    def cumulative(self) -> np.ndarray:
        """Return the share of pixels at or below each value, 0 for the lowest that occurs, to 1.

        shape (n,), float64.
        """
        upto = np.cumsum(self.counts).astype(np.float64)
        first = upto[np.flatnonzero(self.counts)[0]]
        result: np.ndarray = np.clip((upto - first) / (upto[-1] - first), 0, 1)
        return result


def histogram(data: Any, label: str) -> Histogram:
    """Count the grey values of all pixels, chunk by chunk.

    Parameters
    ----------
    data : array, shape ([…,] Y, X)
        May be lazy; it is read once if its pixels are integers of up to 16 bits, else twice.
    label : str
        What the user calls it, for the errors.

    Raises
    ------
    VirtualStainError
        If a pixel is NaN or infinite, or all pixels have the same value.
    """
    dtype = np.dtype(data.dtype)
    if dtype.kind in "bui" and dtype.itemsize <= 2:
        return _of_integers(data, dtype, label)
    ranges = [finite_range(values, label) for values in chunks(data)]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    check_varies(low, high, label)
    counts = np.zeros(BINS, np.int64)
    width = (high - low) / (BINS - 1)
    for values in chunks(data):
        # The outermost bins are centred on the lowest and the highest value, which stay exact.
        bins = np.rint((values.astype(np.float64) - low) / width).astype(np.int64)
        counts += np.bincount(np.clip(bins, 0, BINS - 1).ravel(), minlength=BINS)
    return Histogram(low + width * np.arange(BINS), counts)


def _of_integers(data: Any, dtype: np.dtype[Any], label: str) -> Histogram:
    lowest = 0 if dtype.kind in "bu" else int(np.iinfo(dtype).min)
    n = 2 if dtype.kind == "b" else 2 ** (8 * dtype.itemsize)
    counts = np.zeros(n, np.int64)
    for values in chunks(data):
        counts += np.bincount(values.astype(np.int64).ravel() - lowest, minlength=n)
    occurring = np.flatnonzero(counts) + lowest
    check_varies(float(occurring[0]), float(occurring[-1]), label)
    return Histogram(np.arange(n, dtype=np.float64) + lowest, counts)
