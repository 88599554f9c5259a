"""Objects of two segmentations, matched by their overlap.

References
----------
.. [1] Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science
   Bowl", Nature Methods 16, 1247-1253 (2019): IoU from 0.5 to 0.95, TP / (TP + FP + FN).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.shapes import check_same_shape

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""IoU from which objects match: 0.5, 0.55, …, 0.95."""


@dataclass(frozen=True)
class InstanceMatch:
    """Objects that match at one threshold.

    Parameters
    ----------
    threshold : float
        Least IoU of a match.
    matched, missed, false : int
        Observed objects with and without a partner, and predicted ones without.
    """

    threshold: float
    matched: int
    missed: int
    false: int

    @property
    def average_precision(self) -> float:
        """TP / (TP + FP + FN), 0 to 1; NaN where there is no object at all."""
        total = self.matched + self.missed + self.false
        return self.matched / total if total else math.nan


def match_instances(
    observed: np.ndarray, predicted: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> list[InstanceMatch]:
    """Match the objects of two label images.

    At each threshold, objects are paired so that as many as possible match, each at most once.

    Parameters
    ----------
    observed, predicted : ndarray of integers, same shape
        0 is background, every other value an object.
    thresholds : sequence of float
        Least IoU of a match, above 0.

    Returns
    -------
    list of InstanceMatch
        One for each threshold.

    Raises
    ------
    VirtualStainError
        If the shapes differ, or an image does not hold integers.
    """
    check_same_shape(observed_labels=observed, predicted_labels=predicted)
    for labels in (observed, predicted):
        if labels.dtype.kind not in "biu":
            raise VirtualStainError(
                f"labels are integers, and these are {labels.dtype}; give a segmentation."
            )
    pairs = _pairs(observed, predicted)
    return [_at(pairs, threshold) for threshold in thresholds]


class _Pairs(NamedTuple):
    """Objects that overlap: their positions among the observed and the predicted, and IoU."""

    observed: np.ndarray
    predicted: np.ndarray
    iou: np.ndarray
    count_observed: int
    count_predicted: int


def _pairs(observed: np.ndarray, predicted: np.ndarray) -> _Pairs:
    (o, sizes_o), (p, sizes_p) = _objects(observed), _objects(predicted)
    both = (o > 0) & (p > 0)
    # Pairs that occur, as a table of all would be huge for thousands of objects.
    codes, shared = np.unique((o[both] - 1) * len(sizes_p) + p[both] - 1, return_counts=True)
    first, second = np.divmod(codes, max(1, len(sizes_p)))
    iou = shared / (sizes_o[first] + sizes_p[second] - shared)
    return _Pairs(first, second, iou, len(sizes_o), len(sizes_p))


def _objects(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each pixel the number of its object, from 1, or 0; and the objects' sizes."""
    values, places, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    is_object = values != 0
    numbers = np.where(is_object, np.cumsum(is_object), 0)
    return numbers[places].ravel(), sizes[is_object]


def _at(pairs: _Pairs, threshold: float) -> InstanceMatch:
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    there = pairs.iou >= threshold
    places = pairs.observed[there], pairs.predicted[there]
    shape = max(1, pairs.count_observed), max(1, pairs.count_predicted)
    graph = csr_matrix((np.ones(there.sum(), np.int8), places), shape=shape)
    matched = int((maximum_bipartite_matching(graph) >= 0).sum())
    return InstanceMatch(
        threshold, matched, pairs.count_observed - matched, pairs.count_predicted - matched
    )
