"""Whether a predicted uncertainty means what it says: how often the truth lies within so many σ.

A prediction with its σ states, for each pixel, an interval that holds the truth with probability p,
for any p. If σ is right, a share p of all pixels lies within it. What is measured is that share,
for a number of p; it is counted block by block, so that images of any size can be added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.moments import blocks
from napari_virtual_stain.evaluation.shapes import check_same_shape

Distribution = Literal["gaussian", "laplace"]

LEVELS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Nominal coverages that are measured by default: 0.05, 0.1, …, 0.95."""


def half_width(level: float, distribution: Distribution = "gaussian") -> float:
    """Return how many σ on either side of the mean hold the share `level` of a distribution.

    Parameters
    ----------
    level : float
        Between 0 and 1.
    distribution : {"gaussian", "laplace"}
        σ is the standard deviation of either: of Laplace's, √2 times its scale b.
    """
    from scipy.special import erfinv

    if distribution == "laplace":
        return -math.log1p(-level) / math.sqrt(2)
    return math.sqrt(2) * float(erfinv(level))


@dataclass(frozen=True)
class Calibration:
    """How a predicted uncertainty compares with the errors that were made.

    Parameters
    ----------
    distribution : {"gaussian", "laplace"}
    nominal : tuple of float
        Coverages that σ promises.
    observed : tuple of float
        Shares of pixels that lie within the intervals; NaN where no pixel counts.
    error : float
        Mean of abs(observed − nominal), 0 (calibrated) to 1.
    scale : float
        By what σ should be multiplied: that of the largest likelihood. Above 1, the model is
        too sure of itself; infinite where it is wrong in pixels whose σ is 0.
    count : int
        Pixels that count.
    """

    distribution: Distribution
    nominal: tuple[float, ...]
    observed: tuple[float, ...]
    error: float
    scale: float
    count: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; what is not a finite number becomes None."""
        return {
            "distribution": self.distribution,
            "nominal_coverage": list(self.nominal),
            "observed_coverage": [_finite(share) for share in self.observed],
            "expected_calibration_error": _finite(self.error),
            "sigma_scale": _finite(self.scale),
            "pixels": self.count,
        }


class CalibrationCounter:
    """Counts the pixels within the intervals of σ, image after image.

    Parameters
    ----------
    distribution : {"gaussian", "laplace"}
        What is assumed of the errors.
    levels : sequence of float
        Nominal coverages, increasing, each between 0 and 1.

    Raises
    ------
    VirtualStainError
        If there is no such distribution, or the levels are not such numbers.
    """

    def __init__(
        self, distribution: Distribution = "gaussian", levels: Sequence[float] = LEVELS
    ) -> None:
        if distribution not in get_args(Distribution):
            raise VirtualStainError(
                f"there is no distribution {distribution!r} of errors; choose one of "
                f"{', '.join(get_args(Distribution))}."
            )
        given = [float(level) for level in levels]
        if not given or given != sorted(set(given)) or not (given[0] > 0 and given[-1] < 1):
            raise VirtualStainError(
                "the coverages to measure are increasing numbers between 0 and 1, not "
                f"{', '.join(f'{level:g}' for level in given) or 'none'}."
            )
        self._distribution, self._nominal = distribution, tuple(given)
        self._edges = np.array([half_width(level, distribution) for level in given])
        self._within = np.zeros(len(given) + 1, np.int64)
        self._deviation = 0.0

    def add(
        self,
        observed: np.ndarray,
        predicted: np.ndarray,
        sigma: np.ndarray,
        counts: np.ndarray | None = None,
    ) -> None:
        """Add an image or a part of one.

        Pixels that are NaN or infinite in one of the three do not count.

        Parameters
        ----------
        observed, predicted, sigma : ndarray, same shape, any real dtype
            In one unit; σ is a standard deviation. None of them is changed.
        counts : ndarray, same shape, optional
            0 where a pixel does not count.

        Raises
        ------
        VirtualStainError
            If the shapes differ, or a σ is negative.
        """
        given = [observed, predicted, sigma] + ([] if counts is None else [counts])
        check_same_shape(
            observed_image=observed, predicted_image=predicted, image_of_σ=sigma, mask=counts
        )
        if not observed.size:
            return
        for parts in blocks(*given):
            self._add_block(*parts)

    def result(self) -> Calibration:
        """Return the calibration of all that was added."""
        count = int(self._within.sum())
        if not count:
            nothing = (math.nan,) * len(self._nominal)
            return Calibration(
                self._distribution, self._nominal, nothing, math.nan, math.nan, count
            )
        observed = np.cumsum(self._within[:-1]) / count
        error = float(np.abs(observed - self._nominal).mean())
        mean = self._deviation / count
        scale = math.sqrt(2) * mean if self._distribution == "laplace" else math.sqrt(mean)
        shares = tuple(float(share) for share in observed)
        return Calibration(self._distribution, self._nominal, shares, error, scale, count)

    def _add_block(
        self,
        observed: np.ndarray,
        predicted: np.ndarray,
        sigma: np.ndarray,
        counts: np.ndarray | None = None,
    ) -> None:
        error = np.abs(np.subtract(observed, predicted, dtype=np.float64))
        spread = sigma.astype(np.float64)
        taken = np.isfinite(error) & np.isfinite(spread)
        if counts is not None:
            taken &= counts != 0
        error, spread = error[taken], spread[taken]
        if (spread < 0).any():
            raise VirtualStainError(
                f"σ is negative in some pixels (down to {spread.min():g}), and a standard "
                "deviation cannot be; check that the right image is given."
            )
        # A pixel that is exactly right lies within any interval, of no width too.
        times = np.where(error > 0, np.inf, 0.0)
        np.divide(error, spread, out=times, where=spread > 0)
        # An edge belongs to its interval.
        bins = np.searchsorted(self._edges, times, side="left")
        self._within += np.bincount(bins, minlength=len(self._within))
        deviation = times if self._distribution == "laplace" else np.square(times)
        self._deviation += float(deviation.sum())


def calibration(
    observed: np.ndarray,
    predicted: np.ndarray,
    sigma: np.ndarray,
    *,
    counts: np.ndarray | None = None,
    distribution: Distribution = "gaussian",
    levels: Sequence[float] = LEVELS,
) -> Calibration:
    """Compare the errors of a prediction with the uncertainty that came with it.

    Parameters
    ----------
    observed, predicted, sigma : ndarray, same shape, any real dtype
        In one unit; σ is a standard deviation. Pixels that are NaN or infinite in one of the
        three do not count.
    counts : ndarray, same shape, optional
        0 where a pixel does not count.
    distribution : {"gaussian", "laplace"}
        What is assumed of the errors.
    levels : sequence of float
        Nominal coverages, increasing, each between 0 and 1.

    Returns
    -------
    Calibration

    Raises
    ------
    VirtualStainError
        If the shapes differ, a σ is negative, or an option is not one of the above.

    References
    ----------
    .. [1] Kuleshov, Fenner & Ermon, "Accurate uncertainties for deep learning using calibrated
       regression" (ICML 2018): observed against nominal coverage, the calibration plot.
    .. [2] Laves et al., "Well-calibrated regression uncertainty in medical imaging with deep
       learning" (MIDL 2020): the factor of σ by which the likelihood is largest,
       √(mean (error/σ)²) for a Gaussian; for Laplace, with σ = √2 b, it is √2 · mean(error/σ).
    """
    counter = CalibrationCounter(distribution, levels)
    counter.add(observed, predicted, sigma, counts)
    return counter.result()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
