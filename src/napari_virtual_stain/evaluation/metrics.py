"""Scores of a prediction: one function a metric, found by name in `METRICS`.

Every metric takes the observed and the predicted image as arrays of one shape
and any real dtype, and a mask of the pixels that count; works in float64 block
by block; and returns a float. It is NaN where it is not defined: where no pixel
counts, or where a predicted pixel that counts is NaN. Observed pixels that are
no finite number do not count.

All of them follow from :class:`Moments`, so that one pass over the pixels gives
all: `SCORES` holds what each makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from napari_virtual_stain.evaluation.moments import Moments, counted, moments
from napari_virtual_stain.normalization import histogram

FIT_PERCENTILES = (0.1, 99.9)
"""Between which lies the range that a restoration's error is a part of."""

Mask = np.ndarray | None
Metric = Callable[[np.ndarray, np.ndarray, Mask], float]


def pearson_r(observed: np.ndarray, predicted: np.ndarray, mask: Mask = None) -> float:
    """Pearson correlation coefficient of all pixels.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype
    mask : ndarray, same shape, optional
        0 where a pixel does not count.

    Returns
    -------
    float
        In [-1, 1]; NaN where one of the two is constant, for which r is not defined.

    References
    ----------
    .. [1] Ounkomol et al., "Label-free prediction of three-dimensional fluorescence images from
       transmitted-light microscopy", Nature Methods 15, 917-920 (2018).
    """
    return _pearson_r(moments(observed, predicted, mask))


def r_squared(observed: np.ndarray, predicted: np.ndarray, mask: Mask = None) -> float:
    """Coefficient of determination, R² = 1 − Σ(observed − predicted)² / Σ(observed − mean)².

    At most 1; 0 for a prediction that is everywhere the mean of the observed image, and
    negative for a worse one. NaN where the observed image is constant.
    """
    return _r_squared(moments(observed, predicted, mask))


def mean_absolute_error(observed: np.ndarray, predicted: np.ndarray, mask: Mask = None) -> float:
    """Mean of abs(observed - predicted), in intensity units."""
    return moments(observed, predicted, mask).mean_absolute_error


def root_mean_squared_error(
    observed: np.ndarray, predicted: np.ndarray, mask: Mask = None
) -> float:
    """Square root of the mean of (observed - predicted)², in intensity units."""
    return _root_mean_squared_error(moments(observed, predicted, mask))


def normalized_root_mean_squared_error(
    observed: np.ndarray, predicted: np.ndarray, mask: Mask = None
) -> float:
    """Root mean squared error over the root mean square of the observed image.

    What scikit-image's ``normalized_root_mse`` computes by default; NaN where the observed
    image is 0 everywhere.
    """
    return _normalized_root_mean_squared_error(moments(observed, predicted, mask))


def relative_squared_error(observed: np.ndarray, predicted: np.ndarray, mask: Mask = None) -> float:
    """Σ(predicted − observed)² / Σ observed²: 0 is exact, and 1 is what a blank image gets.

    References
    ----------
    .. [1] Ounkomol et al. (2018), preprint: the normalized error.
    """
    return _relative_squared_error(moments(observed, predicted, mask))


def relative_absolute_error(
    observed: np.ndarray, predicted: np.ndarray, mask: Mask = None
) -> float:
    """Σ abs(predicted − observed) / Σ abs(observed): 0 is exact, 1 is what a blank image gets.

    References
    ----------
    .. [1] Ounkomol et al. (2018), preprint: the normalized error.
    """
    return _relative_absolute_error(moments(observed, predicted, mask))


def fitted_normalized_root_mean_squared_error(
    observed: np.ndarray,
    predicted: np.ndarray,
    mask: Mask = None,
    *,
    percentiles: tuple[float, float] = FIT_PERCENTILES,
) -> float:
    """Root mean squared error after the gain and offset that fit best, over a range of percentiles.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype
    mask : ndarray, same shape, optional
        0 where a pixel does not count.
    percentiles : (low, high)
        Of the observed pixels that count; the range between them is what the error is a part of.
        Exact for integers, within the bounds of :class:`.Histogram` for other pixels.

    Returns
    -------
    float
        NaN where the observed or the predicted image is constant.

    References
    ----------
    .. [1] Weigert et al., "Content-aware image restoration", Nature Methods 15, 1090-1097 (2018):
       the gain is the covariance (divided by n − 1) over the variance (divided by n).
    """
    found = moments(observed, predicted, mask)
    if not (found.var_observed > 0 and found.var_predicted > 0):
        return math.nan
    pixels = observed
    if mask is not None or observed.dtype.kind not in "biu":
        pixels = np.concatenate([o for o, _ in counted(observed, observed, mask)])[np.newaxis]
    counts = histogram(pixels, "the observed image")
    low, high = (counts.quantile(percent) for percent in percentiles)
    return fitted_error_of(found, high - low)


def fitted_error_of(found: Moments, span: float) -> float:
    """Return the root mean squared error after the best fit, as a part of a span of grey values."""
    if not (span > 0 and found.var_predicted > 0 and found.count > 1):
        return math.nan
    gain = found.covariance * found.count / (found.count - 1) / found.var_predicted
    squared = found.var_observed - 2 * gain * found.covariance + gain**2 * found.var_predicted
    return math.sqrt(max(0.0, squared)) / span


def peak_signal_to_noise_ratio(
    observed: np.ndarray,
    predicted: np.ndarray,
    mask: Mask = None,
    *,
    data_range: float | None = None,
) -> float:
    """10 · log10(data_range² / mean squared error), in dB.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype
    mask : ndarray, same shape, optional
        0 where a pixel does not count.
    data_range : float, optional
        By default largest minus smallest observed pixel that counts. Values of different
        ranges cannot be compared.

    Returns
    -------
    float
        Infinite where the two are equal; NaN for a range of 0.
    """
    found = moments(observed, predicted, mask)
    return psnr_of(found, found.range_observed if data_range is None else data_range)


def _pearson_r(found: Moments) -> float:
    scale = math.sqrt(found.var_observed) * math.sqrt(found.var_predicted)
    if scale == 0:
        return math.nan
    r = found.covariance / scale
    return r if math.isnan(r) else max(-1.0, min(1.0, r))


def _r_squared(found: Moments) -> float:
    return 1 - _over(found.mean_squared_error, found.var_observed)


def _root_mean_squared_error(found: Moments) -> float:
    return math.sqrt(found.mean_squared_error)


def _normalized_root_mean_squared_error(found: Moments) -> float:
    return math.sqrt(_relative_squared_error(found))


def _relative_squared_error(found: Moments) -> float:
    return _over(found.mean_squared_error, found.mean_squared_observed)


def _relative_absolute_error(found: Moments) -> float:
    return _over(found.mean_absolute_error, found.mean_absolute_observed)


def psnr_of(found: Moments, data_range: float) -> float:
    """Return :func:`peak_signal_to_noise_ratio` from moments."""
    if not data_range > 0 or math.isnan(found.mean_squared_error):
        return math.nan
    if found.mean_squared_error == 0:
        return math.inf
    return 20 * math.log10(data_range) - 10 * math.log10(found.mean_squared_error)


def _over(value: float, by: float) -> float:
    return value / by if by else math.nan


SCORES: dict[str, Callable[[Moments], float]] = {
    "pearson_r": _pearson_r,
    "mean_absolute_error": lambda found: found.mean_absolute_error,
    "root_mean_squared_error": _root_mean_squared_error,
    "r_squared": _r_squared,
    "normalized_root_mean_squared_error": _normalized_root_mean_squared_error,
    "relative_squared_error": _relative_squared_error,
    "relative_absolute_error": _relative_absolute_error,
    "peak_signal_to_noise_ratio": lambda found: psnr_of(found, found.range_observed),
}
"""What each metric makes of the moments of a pair, by the name under which it is reported."""

METRICS: dict[str, Metric] = {
    "pearson_r": pearson_r,
    "mean_absolute_error": mean_absolute_error,
    "root_mean_squared_error": root_mean_squared_error,
    "r_squared": r_squared,
    "normalized_root_mean_squared_error": normalized_root_mean_squared_error,
    "relative_squared_error": relative_squared_error,
    "relative_absolute_error": relative_absolute_error,
    "peak_signal_to_noise_ratio": peak_signal_to_noise_ratio,
}
"""All metrics of a comparison that need no more than the pixels one by one, by their names."""

BEFORE_MATCH = frozenset({"pearson_r"})
"""Metrics of the predicted image as it was given, before any intensity match.

A match must not change them: least squares would turn a negative r into a positive one.
"""
