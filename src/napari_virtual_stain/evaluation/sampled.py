"""Pearson r of random pixels of a set of images, and how much it varies from draw to draw.

References
----------
.. [1] Liu et al., "Global transformer U-Nets for label-free prediction of fluorescence images"
   (2020): a million pixels, thirty times, of all test images together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.metrics import pearson_r
from napari_virtual_stain.evaluation.shapes import times
from napari_virtual_stain.events import raise_if_stopped

PIXELS, REPEATS = 1_000_000, 30


@dataclass(frozen=True)
class SampledR:
    """Pearson r of draws of random pixels.

    Parameters
    ----------
    values : tuple of float
        r of each draw.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean of the draws."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float:
        """Standard deviation of the draws (divided by n − 1)."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else math.nan


def sampled_pearson_r(
    observed: Sequence[np.ndarray],
    predicted: Sequence[np.ndarray],
    *,
    pixels: int = PIXELS,
    repeats: int = REPEATS,
    seed: int = 0,
) -> SampledR:
    """Draw pixels of all images of a set together, and correlate them, again and again.

    The positions follow from the seed and the images' sizes, so that two models are scored on
    the same pixels. A pixel may be drawn twice.

    Parameters
    ----------
    observed, predicted : sequence of ndarray
        Images of a set in one order; two that belong together have one shape.
    pixels, repeats : int
        Pixels in a draw, and draws.
    seed : int

    Returns
    -------
    SampledR

    Raises
    ------
    VirtualStainError
        If there is no image, or shapes differ.
    """
    shapes = [(o.shape, p.shape) for o, p in zip(observed, predicted, strict=True)]
    if not shapes:
        raise VirtualStainError("there is no image to draw pixels from.")
    for position, (of_observed, of_predicted) in enumerate(shapes):
        if of_observed != of_predicted:
            raise VirtualStainError(
                f"image {position + 1} has {times(of_observed)} observed and {times(of_predicted)} "
                "predicted pixels; give them on one grid."
            )
    flat = [[np.ravel(image) for image in images] for images in (observed, predicted)]
    ends = np.cumsum([image.size for image in flat[0]])
    rng, values = np.random.default_rng(seed), []
    for _ in range(repeats):
        raise_if_stopped()
        # In rising order, which memory gives much faster; the order is of no matter to r.
        drawn = np.sort(rng.integers(ends[-1], size=pixels))
        parts = np.split(drawn, np.searchsorted(drawn, ends[:-1]))
        starts = (0, *ends[:-1])
        pair = [
            np.concatenate(
                [
                    image[part - start]
                    for image, part, start in zip(images, parts, starts, strict=True)
                ]
            )
            for images in flat
        ]
        values.append(pearson_r(pair[0], pair[1]))
    return SampledR(tuple(values))
