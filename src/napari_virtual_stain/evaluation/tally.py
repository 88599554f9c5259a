"""What all scores of a plane, a region or a whole stack follow from, and how parts are joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.evaluation.matching import Coefficients, apply_match
from napari_virtual_stain.evaluation.metrics import BEFORE_MATCH, SCORES, fitted_error_of, psnr_of
from napari_virtual_stain.evaluation.moments import Moments, moments, pooled
from napari_virtual_stain.evaluation.overlap import Overlap, threshold_overlap

NO_MATCH = Coefficients(1.0, 0.0)


@dataclass(frozen=True)
class Scale:
    """What scores of parts are measured by, so that they can be held against each other.

    Parameters
    ----------
    data_range : float
        Largest minus smallest observed pixel of all, for the signal-to-noise ratio and for
        structural similarity.
    span : float
        Between the percentiles 0.1 and 99.9 of all observed pixels, of which the error after
        the best fit is a part.
    """

    data_range: float
    span: float


@dataclass(frozen=True)
class Tally:
    """Sums over some pixels of a pair.

    Parameters
    ----------
    given : Moments
        Of the images as they were given.
    matched : Moments
        With the predicted one after the match.
    overlap : Overlap
        Of the masks of both.
    """

    given: Moments
    matched: Moments
    overlap: Overlap

    def scores(self, scale: Scale) -> dict[str, float]:
        """Return every score that follows from sums; NaN where one is not defined.

        Parameters
        ----------
        scale : Scale
            Of the whole that these pixels are a part of.

        Returns
        -------
        dict of str to float
            Those of `SCORES`, ``fitted_normalized_root_mean_squared_error``, ``dice`` and
            ``intersection_over_union``.
        """
        found = {
            name: score(self.given if name in BEFORE_MATCH else self.matched)
            for name, score in SCORES.items()
        }
        found["peak_signal_to_noise_ratio"] = psnr_of(self.matched, scale.data_range)
        found["fitted_normalized_root_mean_squared_error"] = fitted_error_of(self.given, scale.span)
        found["dice"] = self.overlap.dice
        found["intersection_over_union"] = self.overlap.iou
        return found


def tally(
    observed: np.ndarray,
    predicted: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    match: Coefficients = NO_MATCH,
    thresholds: tuple[float, float] = (math.nan, math.nan),
) -> Tally:
    """Sum up a pair.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype
        Neither is changed.
    mask : ndarray, same shape, optional
        0 where a pixel does not count. Where the observed image is no finite number it does not
        either.
    match : Coefficients
        Gain and offset for the predicted image.
    thresholds : (observed, predicted)
        Above which a pixel is in the mask; of the predicted image after the match.

    Raises
    ------
    VirtualStainError
        If the shapes differ.
    """
    given = moments(observed, predicted, mask)
    matched, changed = given, predicted
    if match != NO_MATCH:
        changed = apply_match(predicted, match)
        matched = moments(observed, changed, mask)
    return Tally(given, matched, threshold_overlap(observed, changed, thresholds, mask))


def joined_tally(parts: Sequence[Tally]) -> Tally:
    """Return the sums of several parts together."""
    return Tally(
        pooled([part.given for part in parts]),
        pooled([part.matched for part in parts]),
        sum((part.overlap for part in parts), Overlap(0, 0, 0, 0)),
    )
