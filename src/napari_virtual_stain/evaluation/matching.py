"""Bring the predicted image to the intensities of the observed one before they are subtracted.

A network that predicts z-scores, or was trained on another microscope, can be
right about every structure and differ everywhere in brightness. A match is one
gain and one offset for a channel at a time point, and both are recorded.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.moments import blocks, moments

Match = Literal["none", "z-score", "least-squares"]
MATCHES: tuple[Match, ...] = get_args(Match)


class Coefficients(NamedTuple):
    """Matched = `gain` × predicted + `offset`."""

    gain: float
    offset: float


def match_coefficients(
    observed: np.ndarray,
    predicted: np.ndarray,
    method: Match = "z-score",
    mask: np.ndarray | None = None,
) -> Coefficients:
    """Find the gain and offset that match `predicted` to `observed`.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype
        One channel at one time point: the whole volume, or the plane where there is no Z.
    method : {"none", "z-score", "least-squares"}
        ``none`` changes nothing. ``z-score`` gives the predicted image the mean and the standard
        deviation of the observed one, which is what standardising both does, expressed in the
        observed image's units. ``least-squares`` minimises the sum of squared errors; its gain
        is 0 for a constant predicted image, and negative where r is negative.
    mask : ndarray, same shape, optional
        0 where a pixel does not count. Where the observed image is no finite number it does not
        either; where none counts, nothing is changed.

    Returns
    -------
    Coefficients

    Raises
    ------
    VirtualStainError
        If the method is unknown, or is ``z-score`` and the predicted image is constant.

    References
    ----------
    .. [1] Allen Institute for Cell Science, "Fluorescence images without fluorescent markers":
       observed and predicted are standardised over the whole volume.
    .. [2] Weigert et al., "Content-aware image restoration", Nature Methods 15, 1090-1097
       (2018): the least-squares match.
    """
    check_method(method)
    if method == "none":
        return Coefficients(1.0, 0.0)
    found = moments(observed, predicted, mask)
    if not found.count:
        return Coefficients(1.0, 0.0)
    if method == "least-squares":
        gain = found.covariance / found.var_predicted if found.var_predicted > 0 else 0.0
    elif found.var_predicted == 0:
        raise VirtualStainError(
            "the predicted image is constant and has no standard deviation to match by z-score; "
            "use the match 'none' or 'least-squares'."
        )
    else:
        gain = math.sqrt(found.var_observed / found.var_predicted)
    return Coefficients(gain, found.mean_observed - gain * found.mean_predicted)


def apply_match(predicted: np.ndarray, coefficients: Coefficients) -> np.ndarray:
    """Return gain × predicted + offset, computed in float64, as a new float32 array."""
    gain, offset = coefficients
    matched = np.empty(predicted.shape, np.float32)
    for source, target in blocks(predicted, matched):
        target[...] = source.astype(np.float64) * gain + offset
    return matched


def check_method(method: str) -> None:
    """Raise a :class:`VirtualStainError` unless `method` is one of `MATCHES`."""
    if method not in MATCHES:
        known = ", ".join(repr(name) for name in MATCHES)
        raise VirtualStainError(f"there is no match {method!r}; choose one of {known}.")
