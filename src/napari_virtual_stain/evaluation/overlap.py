"""How two masks overlap: what was hit, missed and made up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.evaluation.shapes import check_same_shape

HIT, MISSED, FALSE = 1, 2, 3
"""Labels of :func:`overlap_labels`."""


@dataclass(frozen=True)
class Overlap:
    """Pixels of two masks.

    Parameters
    ----------
    hit, missed, false, neither : int
        Pixels in both masks, in the observed alone, in the predicted alone, and in none.
    """

    hit: int
    missed: int
    false: int
    neither: int

    @property
    def dice(self) -> float:
        """2 · hit / (observed + predicted), 0 to 1; NaN where both masks are empty."""
        return _over(2 * self.hit, 2 * self.hit + self.missed + self.false)

    @property
    def iou(self) -> float:
        """Intersection over union, 0 to 1; NaN where both masks are empty."""
        return _over(self.hit, self.hit + self.missed + self.false)

    @property
    def precision(self) -> float:
        """Share of the predicted mask that is right; NaN where it is empty."""
        return _over(self.hit, self.hit + self.false)

    @property
    def recall(self) -> float:
        """Share of the observed mask that was found; NaN where it is empty."""
        return _over(self.hit, self.hit + self.missed)

    def __add__(self, other: Overlap) -> Overlap:
        """Return the pixels of two parts together."""
        return Overlap(
            self.hit + other.hit,
            self.missed + other.missed,
            self.false + other.false,
            self.neither + other.neither,
        )


def mask_overlap(
    observed: np.ndarray, predicted: np.ndarray, mask: np.ndarray | None = None
) -> Overlap:
    """Count the pixels of two masks.

    Parameters
    ----------
    observed, predicted : ndarray, same shape
        Anything but 0 is in the mask, so labels do too.
    mask : ndarray, same shape, optional
        0 where a pixel does not count.

    Raises
    ------
    VirtualStainError
        If the shapes differ.
    """
    labels = overlap_labels(observed, predicted)
    if mask is not None:
        check_same_shape(observed_mask=observed, mask_of_what_counts=mask)
        labels = labels[mask != 0]
    neither, hit, missed, false = np.bincount(labels.ravel(), minlength=4).tolist()
    return Overlap(hit, missed, false, neither)


def threshold_overlap(
    observed: np.ndarray,
    predicted: np.ndarray,
    thresholds: tuple[float, float],
    mask: np.ndarray | None = None,
) -> Overlap:
    """Count the pixels of the two masks that lie above thresholds.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype
    thresholds : (observed, predicted)
        Grey values; NaN for an empty mask.
    mask : ndarray, same shape, optional
        0 where a pixel does not count. Where the observed image is no finite number it does not
        either.

    Raises
    ------
    VirtualStainError
        If the shapes differ.
    """
    check_same_shape(observed_image=observed, predicted_image=predicted, mask=mask)
    above_o, above_p = (
        # With a threshold of one of NumPy's own types, a whole image would be cast to float64.
        image > np.float64(threshold) if image.dtype.kind == "f" else image > float(threshold)
        for image, threshold in zip((observed, predicted), thresholds, strict=True)
    )
    counts = None if mask is None else mask != 0
    if observed.dtype.kind == "f" and not np.isfinite(observed).all():
        known = np.isfinite(observed)
        counts = known if counts is None else counts & known
    if counts is not None:
        above_o, above_p = above_o & counts, above_p & counts
    total = observed.size if counts is None else int(np.count_nonzero(counts))
    hit = int(np.count_nonzero(above_o & above_p))
    missed = int(np.count_nonzero(above_o)) - hit
    false = int(np.count_nonzero(above_p)) - hit
    return Overlap(hit, missed, false, total - hit - missed - false)


def overlap_labels(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return 1 where both masks are, 2 where the observed is alone, 3 where the predicted is.

    Parameters
    ----------
    observed, predicted : ndarray, same shape
        Anything but 0 is in the mask.

    Returns
    -------
    ndarray of uint8, same shape
        0 where neither is.
    """
    check_same_shape(observed_mask=observed, predicted_mask=predicted)
    o, p = observed != 0, predicted != 0
    labels = np.zeros(observed.shape, np.uint8)
    labels[o & p], labels[o & ~p], labels[p & ~o] = HIT, MISSED, FALSE
    return labels


def _over(value: float, by: float) -> float:
    return value / by if by else math.nan
