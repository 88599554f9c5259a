"""The confusion matrix of grey values: which brightness was predicted for which.

References
----------
.. [1] Liu et al., "Global transformer U-Nets for label-free prediction of fluorescence images"
   (2020): ten bins of values between 0 and 1; overall accuracy and that of each bin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.moments import counted

BINS = 10


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often pixels of one brightness were predicted to have another.

    Parameters
    ----------
    counts : ndarray of int64, shape (bins, bins)
        Pixels by bin of the observed (row) and of the predicted grey value (column).
    """

    counts: np.ndarray

    @property
    def overall_accuracy(self) -> float:
        """Share of the pixels whose bin is right; NaN where no pixel counts."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else math.nan

    @property
    def bin_accuracy(self) -> np.ndarray:
        """Share of the pixels of each observed bin whose bin is right, shape (bins,).

        NaN for a bin without pixels.
        """
        rows = self.counts.sum(1)
        shares = np.full(len(rows), np.nan)
        np.divide(np.diag(self.counts), rows, out=shares, where=rows > 0)
        return shares

    @property
    def shares(self) -> np.ndarray:
        """Rows as shares of their observed bin, shape (bins, bins); NaN in an empty row."""
        rows = self.counts.sum(1, keepdims=True)
        shares = np.full(self.counts.shape, np.nan)
        np.divide(self.counts, rows, out=shares, where=rows > 0)
        return shares


class ConfusionCounter:
    """Counts pixels by the bins of their observed and predicted grey values.

    Parameters
    ----------
    low, high : float
        Grey values that become 0 and 1. Bin i holds values from i/bins up to (i + 1)/bins, the
        last one 1 as well; what lies beyond belongs to the first or the last.
    bins : int

    Raises
    ------
    VirtualStainError
        If `high` is not above `low`, or there is no bin.
    """

    def __init__(self, low: float, high: float, bins: int = BINS) -> None:
        if not high > low or bins < 1:
            raise VirtualStainError(
                f"grey values from {low:g} to {high:g} cannot be cut into {bins} bins."
            )
        self._low, self._range, self._bins = low, high - low, bins
        self._counts = np.zeros((bins, bins), np.int64)

    def add(
        self, observed: np.ndarray, predicted: np.ndarray, mask: np.ndarray | None = None
    ) -> None:
        """Add a pair of one shape; pixels count where the mask is not 0 and both are numbers."""
        for o, p in counted(observed, predicted, mask):
            known = ~np.isnan(p)
            places = self._bin(o[known]) * self._bins + self._bin(p[known])
            self._counts += np.bincount(places, minlength=self._counts.size).reshape(
                self._counts.shape
            )

    def result(self) -> Confusion:
        """Return the matrix of all that was added."""
        return Confusion(self._counts.copy())

    def _bin(self, values: np.ndarray) -> np.ndarray:
        scaled = (values - self._low) / self._range * self._bins
        # Beyond the range first: what is huge or infinite has no integer.
        result: np.ndarray = np.floor(scaled.clip(0, self._bins - 1)).astype(np.int64)
        return result


def confusion_matrix(
    observed: np.ndarray,
    predicted: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    limits: tuple[float, float],
    bins: int = BINS,
) -> Confusion:
    """Count pixels by the bins of their observed and predicted grey values.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype
        In one unit.
    mask : ndarray, same shape, optional
        0 where a pixel does not count.
    limits : (low, high)
        Grey values that become 0 and 1, for both; often those of a whole set of images.
    bins : int

    Returns
    -------
    Confusion
    """
    counter = ConfusionCounter(*limits, bins)
    counter.add(observed, predicted, mask)
    return counter.result()
