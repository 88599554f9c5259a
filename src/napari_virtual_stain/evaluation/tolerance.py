"""The tolerance index: how much error to forgive so that wrong places and wrong values balance.

Epifluorescence is qualitative in intensity, so small differences of grey values hardly mislead,
while signal where there is none, or none where there is, does. As the tolerance grows, more of the
error counts as one of intensity (IE rises) and less of the area as wrong (SE falls). Their weighted
sum has a minimum: the index.

The paper's text can be read in two ways, and names two normalizations; all four are here.

References
----------
.. [1] Nguyen et al., "Virtual organelle self-coding for fluorescence imaging via adversarial
   learning", Journal of Biomedical Optics 25(9), 096009 (2020), equation 7 and Discussion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.masks import otsu_threshold
from napari_virtual_stain.evaluation.moments import counted, moments

Reading = Literal["error", "images"]
Normalization = Literal["range", "signal"]

LEVELS = 100
"""Tolerances: 0 to 99 percent of the range."""


@dataclass(frozen=True, eq=False)
class Tolerance:
    """The two errors at each tolerance, and where their sum is least.

    Parameters
    ----------
    levels : ndarray of float64, shape (100,)
        Tolerances as parts of the range: 0, 0.01, …, 0.99.
    intensity_error, spatial_error : ndarray of float64, shape (100,)
        IE and SE, normalized.
    total : ndarray of float64, shape (100,)
        β₁ · IE + β₂ · SE.
    """

    levels: np.ndarray
    intensity_error: np.ndarray
    spatial_error: np.ndarray
    total: np.ndarray

    @property
    def index(self) -> float:
        """Smallest total: the tolerance index. NaN where no pixel counts."""
        return float(self.total.min())

    @property
    def level(self) -> float:
        """Tolerance at which the total is smallest, as a part of the range; the lowest of several.

        NaN where no pixel counts.
        """
        place = int(self.total.argmin())
        return float(self.levels[place]) if np.isfinite(self.total[place]) else float("nan")


def tolerance_index(
    observed: np.ndarray,
    predicted: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    reading: Reading = "error",
    normalization: Normalization = "range",
    weights: tuple[float, float] = (1.0, 1.0),
    data_range: tuple[float, float] | None = None,
) -> Tolerance:
    """Compute the errors of intensity and of place over all tolerances.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype
    mask : ndarray, same shape, optional
        0 where a pixel does not count. Where the observed image is no finite number it does not
        either.
    reading : {"error", "images"}
        ``error``: the tolerance is put on abs(observed − predicted). IE is the mean error of the
        pixels at or below it, SE the share of those above. ``images``: it is put on both
        images. IE is the mean error of pixels that are at or below it in both, SE the share of
        pixels that are above it in one alone.
    normalization : {"range", "signal"}
        ``range``: IE as a part of the range (of the bit depth, in the paper), SE as a part of
        the image. ``signal``: IE as a part of the mean signal of the observed image, SE as a
        part of the area of the signal, which is where it is above Otsu's threshold.
    weights : pair of float
        β₁ of IE and β₂ of SE.
    data_range : (low, high), optional
        Grey values between which tolerances are counted, such as (0, 255); by default those of
        the observed image.

    Returns
    -------
    Tolerance

    Raises
    ------
    VirtualStainError
        If the shapes differ, or an option is not one of the above.
    """
    for value, known in ((reading, Reading), (normalization, Normalization)):
        if value not in get_args(known):
            raise VirtualStainError(
                f"the tolerance index knows no {value!r}; choose one of "
                f"{', '.join(get_args(known))}."
            )
    found = moments(observed, predicted, mask)
    low, high = data_range or (found.min_observed, found.max_observed)
    levels = np.arange(LEVELS) / LEVELS
    if not found.count or not high > low or np.isnan(found.mean_squared_error):
        nothing = np.full(LEVELS, np.nan)
        return Tolerance(levels, nothing, nothing, nothing)
    edges = low + levels * (high - low)
    sums, below, apart = np.zeros(LEVELS + 1), np.zeros(LEVELS + 1), np.zeros(LEVELS + 1)
    for o, p in counted(observed, predicted, mask):
        error = np.abs(o - p)
        if reading == "error":
            # The first level at which an error is tolerated; the last bin is for none.
            first = np.searchsorted(edges - low, error)
        else:
            of_o, of_p = np.searchsorted(edges, o), np.searchsorted(edges, p)
            first = np.maximum(of_o, of_p)
            apart += np.bincount(np.minimum(of_o, of_p), minlength=LEVELS + 1)
            apart -= np.bincount(first, minlength=LEVELS + 1)
        sums += np.bincount(first, error, LEVELS + 1)
        below += np.bincount(first, minlength=LEVELS + 1)
    sums, below = np.cumsum(sums)[:-1], np.cumsum(below)[:-1]
    intensity = np.divide(sums, below, out=np.zeros(LEVELS), where=below > 0)
    wrong = found.count - below if reading == "error" else np.cumsum(apart)[:-1]
    spatial = wrong / found.count
    of_intensity, of_area = (
        (high - low, 1.0) if normalization == "range" else _signal(observed, mask, low)
    )
    intensity, spatial = intensity / of_intensity, spatial / of_area
    return Tolerance(levels, intensity, spatial, weights[0] * intensity + weights[1] * spatial)


def _signal(observed: np.ndarray, mask: np.ndarray | None, low: float) -> tuple[float, float]:
    """Return the mean of the signal above `low`, and its share of the pixels that count."""
    parts = [o for o, _ in counted(observed, observed, mask)]
    pixels = np.concatenate(parts)
    signal = pixels[pixels > otsu_threshold(pixels)]
    if not signal.size:
        return float("nan"), float("nan")
    return float(signal.mean() - low), signal.size / pixels.size
