"""Scores of a prediction: one function a metric, found by name in `METRICS`.

Every metric takes the observed and the predicted image as arrays of one shape
and any real dtype, works in float64 block by block, and returns a float.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from napari_virtual_stain.evaluation.moments import blocks, moments

Metric = Callable[[np.ndarray, np.ndarray], float]


def pearson_r(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Pearson correlation coefficient of all pixels.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype

    Returns
    -------
    float
        In [-1, 1]; NaN where one of the two is constant or holds NaN, for which r is not defined.

    References
    ----------
    .. [1] Ounkomol et al., "Label-free prediction of three-dimensional fluorescence images from
       transmitted-light microscopy", Nature Methods 15, 917-920 (2018).
    """
    found = moments(observed, predicted)
    scale = math.sqrt(found.var_observed) * math.sqrt(found.var_predicted)
    if scale == 0:
        return math.nan
    r = found.covariance / scale
    return r if math.isnan(r) else max(-1.0, min(1.0, r))


def mean_absolute_error(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Mean of abs(observed - predicted), in intensity units."""
    pairs = blocks(observed, predicted)
    total = sum(float(np.abs(_difference(o, p)).sum()) for o, p in pairs)
    return total / observed.size


def root_mean_squared_error(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Square root of the mean of (observed - predicted)², in intensity units."""
    pairs = blocks(observed, predicted)
    total = sum(float(np.square(_difference(o, p)).sum()) for o, p in pairs)
    return math.sqrt(total / observed.size)


METRICS: dict[str, Metric] = {
    "pearson_r": pearson_r,
    "mean_absolute_error": mean_absolute_error,
    "root_mean_squared_error": root_mean_squared_error,
}
"""All metrics of a comparison, by the name under which they are reported."""

BEFORE_MATCH = frozenset({"pearson_r"})
"""Metrics of the predicted image as it was given, before any intensity match.

A match must not change them: least squares would turn a negative r into a positive one.
"""


def _difference(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    difference: np.ndarray = np.subtract(observed, predicted, dtype=np.float64)
    return difference
