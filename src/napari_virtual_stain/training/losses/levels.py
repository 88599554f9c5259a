"""What a loss has to know of the targets as a whole, measured once before a training.

Measured on a patch or a batch, it would depend on what else is in it: on a patch without a cell,
half of the noise is above any threshold; and two processes would train on different losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.training.foreground import EXTREMES, foreground_threshold, sampled


@dataclass(frozen=True)
class Levels:
    """Levels of each output, on the scale on which it is learned.

    Parameters
    ----------
    thresholds : tuple of float
        Above which a target is foreground.
    ranges : tuple of float
        How far target values reach, from dark to bright; above 0.
    """

    thresholds: tuple[float, ...]
    ranges: tuple[float, ...]


def target_levels(
    targets: Sequence[np.ndarray], weights: Sequence[np.ndarray | None] | None = None
) -> Levels:
    """Measure the levels of all targets together.

    Parameters
    ----------
    targets : sequence of ndarray of float32, shape (outputs, [Z,] Y, X)
        At least one; sizes may differ.
    weights : sequence of ndarray or None, optional
        Shapes as the targets; where one is 0, the pixel does not count, and may be NaN.

    Returns
    -------
    Levels
        Otsu's threshold, and the range between the percentiles :data:`EXTREMES`, of the pixels
        that count, or of an even sample of them. An output of which no pixel counts has a
        threshold of 0; it and a constant one have a range of 1.
    """
    if weights is None:
        weights = [None] * len(targets)
    thresholds, ranges = [], []
    for output in range(len(targets[0])):
        parts = [
            sampled(target[output], None if weight is None else weight[output], len(targets))
            for target, weight in zip(targets, weights, strict=True)
        ]
        values = np.concatenate(parts)
        thresholds.append(foreground_threshold(values) if values.size else 0.0)
        ranges.append(_range(values))
    return Levels(tuple(thresholds), tuple(ranges))


def _range(values: np.ndarray) -> float:
    if not values.size:
        return 1.0
    low, high = np.percentile(values, EXTREMES, method="nearest")
    if low == high:
        low, high = values.min(), values.max()
    return float(high - low) or 1.0
