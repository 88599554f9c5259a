"""Display limits: what is shown black and what is shown white.

Observed and predicted are only comparable by eye under the same limits, and so
are the three error maps.

References
----------
.. [1] Allen Institute for Cell Science, "Fluorescence images without fluorescent markers": the
   0.02 and 99.8 percentiles of the observed image for both images, and of the three error maps
   pooled for all three.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from napari_virtual_stain.image import Image

PERCENTILES = (0.02, 99.8)

SAMPLED = {"T": (0.0, 0.5, 1.0), "Z": (0.25, 0.5, 0.75)}
"""Where along an axis planes are looked at, as parts of its length."""

SAMPLED_SIDE = 1024
"""Side in pixels of the middle of a plane that is looked at."""

Limits = tuple[float, float]


def display_limits(observed: np.ndarray, percentiles: tuple[float, float] = PERCENTILES) -> Limits:
    """Limits for an observed image and for its prediction.

    Parameters
    ----------
    observed : ndarray, any shape, any real dtype
        All pixels that are to share the limits: one channel over volume and time.
    percentiles : pair of float
        In percent, interpolated linearly.

    Returns
    -------
    (low, high) : float
        ``low < high``. Where both percentiles coincide, as in an image with very few bright
        pixels, they are the minimum and the maximum; of a constant image, its value and 1 more.
    """
    low, high = np.percentile(observed.astype(_wide_enough(observed), copy=False), percentiles)
    if not low < high:
        low, high = observed.min(), observed.max()
    return (float(low), float(high)) if low < high else (float(low), float(low) + 1.0)


def sampled_limits(channel: Image) -> Limits:
    """Return display limits from a sample of the pixels of an image without C axis.

    The sample are the middles of up to nine planes, so that a large file is not read for it.
    Pixels that are not finite are left out; where there are no others, the limits are 0 and 1.
    """
    index: list[Any] = []
    for axis, size in channel.sizes.items():
        if axis in SAMPLED:
            index.append(sorted({round(part * (size - 1)) for part in SAMPLED[axis]}))
        else:
            start = max(0, (size - SAMPLED_SIDE) // 2)
            index.append([slice(start, start + SAMPLED_SIDE)])
    sample = np.stack([np.asarray(channel.data[key]) for key in itertools.product(*index)])
    if sample.dtype.kind == "f":
        sample = sample[np.isfinite(sample)]
    return display_limits(sample) if sample.size else (0.0, 1.0)


def error_limits(
    absolute_error: np.ndarray, percentiles: tuple[float, float] = PERCENTILES
) -> Limits:
    """Limits for the three error maps: the percentiles of the three pooled.

    Parameters
    ----------
    absolute_error : ndarray, any shape
        The absolute error over all pixels that are to share the limits. It is all that is
        needed: observed − predicted and predicted − observed hold each of its values once with
        either sign, so the pooled pixels in rising order are its negated values followed by
        every value twice. The result is exact, without the three maps being copied together.
    percentiles : pair of float
        In percent, interpolated linearly.

    Returns
    -------
    (low, high) : float
        ``low < 0 < high``. Where a percentile is 0, as with very few wrong pixels, they are the
        largest absolute error with either sign; without any error, -1 and 1.
    """
    count = absolute_error.size
    positions = [q / 100 * (3 * count - 1) for q in percentiles]
    ranks = sorted({f(p) for p in positions for f in (math.floor, math.ceil)})
    sources = {rank: count - 1 - rank if rank < count else (rank - count) // 2 for rank in ranks}
    ordered = np.partition(absolute_error, sorted(set(sources.values())), axis=None)
    values = {
        rank: float(ordered[source]) * (-1 if rank < count else 1)
        for rank, source in sources.items()
    }
    low, high = (float(np.interp(p, ranks, [values[rank] for rank in ranks])) for p in positions)
    if not low < 0 < high:
        largest = float(absolute_error.max()) or 1.0
        low, high = -largest, largest
    return low, high


def _wide_enough(image: np.ndarray) -> np.dtype:
    # Interpolation between two float16 values overflows where float32 does not.
    return np.dtype(np.float32) if image.dtype in (np.bool_, np.float16) else image.dtype
