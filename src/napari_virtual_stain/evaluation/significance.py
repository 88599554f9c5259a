"""Whether one model is better than another, and how sure a mean is, over a set of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.errors import VirtualStainError

RESAMPLES = 10_000


@dataclass(frozen=True)
class PairedTest:
    """A one-tailed paired t-test.

    Parameters
    ----------
    mean_difference : float
        Mean of first − second.
    statistic : float
        t; NaN where all differences are equal.
    degrees : int
        Degrees of freedom, n − 1.
    p : float
        Probability of a t as large or larger if the first were no better.
    """

    mean_difference: float
    statistic: float
    degrees: int
    p: float


def paired_t_test(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Test whether the scores of one model are higher than those of another on the same images.

    Parameters
    ----------
    first, second : sequence of float
        A score of each image, in one order; higher is better. Images that lack a score in one of
        the two (NaN) are left out.

    Raises
    ------
    VirtualStainError
        If the numbers of scores differ, or fewer than two images have both.

    References
    ----------
    .. [1] Wang et al., "Global voxel transformer networks for augmented microscopy", Nature
       Machine Intelligence 3, 161-171 (2021): one-tailed paired t-test of r per image.
    """
    from scipy.stats import ttest_rel

    if len(first) != len(second):
        raise VirtualStainError(
            f"one model has scores of {len(first)} images and the other of {len(second)}; score "
            "both on the same images."
        )
    pairs = np.array([first, second], np.float64)
    pairs = pairs[:, np.isfinite(pairs).all(0)]
    if pairs.shape[1] < 2:
        raise VirtualStainError("a paired test needs two images or more that both models scored.")
    differences = pairs[0] - pairs[1]
    if np.ptp(differences) == 0:
        # No spread: t is undefined or infinite, and there is nothing to test.
        p = 1.0 if differences[0] <= 0 else 0.0
        return PairedTest(float(differences[0]), math.nan, pairs.shape[1] - 1, p)
    found = ttest_rel(*pairs, alternative="greater")
    return PairedTest(
        float(differences.mean()),
        float(found.statistic),
        pairs.shape[1] - 1,
        float(found.pvalue),
    )


def bootstrap_interval(
    values: Sequence[float],
    confidence: float = 0.95,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Return an interval of the mean of scores, by drawing the images again and again.

    Parameters
    ----------
    values : sequence of float
        A score of each image; NaN are left out.
    confidence : float
        Between 0 and 1.
    resamples : int
    seed : int

    Returns
    -------
    (low, high) : float
        Percentiles of the means of the draws; NaN for fewer than two scores.

    References
    ----------
    .. [1] Efron & Tibshirani, "An introduction to the bootstrap" (1993), the percentile interval.
    """
    known = np.array([value for value in values if math.isfinite(value)], np.float64)
    if len(known) < 2:
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    # In parts, as all draws of thousands of images together would fill the memory.
    at_once = max(1, (1 << 22) // len(known))
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        means[start : start + count] = known[
            rng.integers(len(known), size=(count, len(known)))
        ].mean(1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)
