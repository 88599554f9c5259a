"""The histogram of an image: its quantiles, its moments, and its cumulative distribution.

Integers have a bin for each value where they span up to four million values, so that everything is
exact. Other pixels fall into bins that are refined where many pixels are, and that stand for the
mean of their pixels. In the end a bin holds at most a thousandth of the pixels, or is narrower than
a 65,536th of a 65,536th of the range: so far a quantile may be off, in rank or in value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.normalization.moments import check_varies, chunks, finite_range

BINS = 2**16
MAX_INTEGERS = 2**22
PASSES = 3
CROWDED = 1e-3
"""Share of the pixels above which a bin is refined."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often each grey value occurs.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Grey values, or means of bins, increasing.
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
        May be lazy; it is read once if its pixels are integers of up to 16 bits, twice if they
        are others that span few values, and up to four times else.
    label : str
        What the user calls it, for the errors.

    Raises
    ------
    VirtualStainError
        If a pixel is NaN or infinite, all pixels have the same value, or they span too much.
    """
    dtype = np.dtype(data.dtype)
    if dtype.kind not in "bui":
        ranges = [finite_range(values, label) for values in chunks(data)]
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        check_varies(low, high, label)
        return _refined(data, low, high, label)
    lowest, highest = _limits(dtype) if dtype.itemsize <= 2 else _integer_range(data)
    if highest - lowest >= MAX_INTEGERS:
        return _refined(data, float(lowest), float(highest), label)
    counts = np.zeros(highest - lowest + 1, np.int64)
    for values in chunks(data):
        # Of wide integers the difference fits, where the values themselves might not.
        above = values.astype(np.int64) if dtype.itemsize <= 4 else values - dtype.type(lowest)
        above = above.astype(np.int64).ravel() - (lowest if dtype.itemsize <= 4 else 0)
        counts += np.bincount(above, minlength=len(counts))
    occurring = np.flatnonzero(counts)
    first, last = lowest + int(occurring[0]), lowest + int(occurring[-1])
    check_varies(first, last, label)
    return Histogram(np.arange(len(counts), dtype=np.float64) + lowest, counts)


def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    if dtype.kind == "b":
        return 0, 1
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def _integer_range(data: Any) -> tuple[int, int]:
    """Return the range of integers exactly; as real numbers, wide ones would be rounded."""
    ranges = [(int(values.min()), int(values.max())) for values in chunks(data)]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _refined(data: Any, low: float, high: float, label: str) -> Histogram:
    """Count in bins that become narrower where pixels are, so that outliers take no resolution."""
    if not np.isfinite(high - low):
        raise VirtualStainError(
            f"{label} has grey values from {low:g} to {high:g}, which cannot be scaled; convert "
            "them to ordinary numbers (for example 16-bit integers)."
        )
    edges = np.linspace(low, high, BINS + 1)
    for left in reversed(range(PASSES)):
        counts, sums = np.zeros(len(edges) - 1, np.int64), np.zeros(len(edges) - 1)
        for values in chunks(data):
            exact = values.ravel().astype(np.float64)
            bins = np.searchsorted(edges[1:-1], exact, side="right")
            counts += np.bincount(bins, minlength=len(counts))
            sums += np.bincount(bins, exact, minlength=len(counts))
        shares = counts / counts.sum()
        if shares.max() <= CROWDED or not left:
            break
        parts = 1 + np.floor(shares * BINS).astype(np.int64)
        edges = _split(edges, parts)
    occurring = counts > 0
    means = sums[occurring] / counts[occurring]
    means[0], means[-1] = low, high
    # Rounding may swap the means of two bins that are one number apart.
    return Histogram(np.maximum.accumulate(means), counts[occurring])


def _split(edges: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Split each bin into so many equal parts."""
    widths = np.diff(edges) / parts
    position = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    result = np.repeat(edges[:-1], parts) + position * np.repeat(widths, parts)
    return np.append(result, edges[-1])
