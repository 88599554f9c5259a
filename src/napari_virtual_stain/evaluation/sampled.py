"""Pearson r of random pixels of a set of images, and how much it varies from draw to draw.

References
----------
.. [1] Liu et al., "Global transformer U-Nets for label-free prediction of fluorescence images"
   (2020): a million pixels, thirty times, of all test images together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.metrics import SCORES
from napari_virtual_stain.evaluation.moments import MomentsCounter, counted
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
    pixels : int
        In a draw.
    """

    values: tuple[float, ...]
    pixels: int = PIXELS

    @property
    def mean(self) -> float:
        """Mean of the draws."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float:
        """Standard deviation of the draws (divided by n − 1)."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else math.nan


class Positions:
    """Random positions among all pixels of a set of images that count.

    They follow from the seed and the numbers of pixels, so that models are scored on the same
    pixels. A pixel may be drawn twice.

    Parameters
    ----------
    sizes : sequence of int
        Pixels of each image that count.
    pixels : int, optional
        In a draw; by default a million, or as many as there are where there are fewer.
    repeats : int
        Draws.
    seed : int

    Raises
    ------
    VirtualStainError
        If there is no pixel to draw.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        pixels: int | None = None,
        repeats: int = REPEATS,
        seed: int = 0,
    ) -> None:
        self.ends = np.cumsum([0, *sizes])
        total = int(self.ends[-1])
        if not total:
            raise VirtualStainError("there is no image to draw pixels from.")
        self.pixels = min(PIXELS, total) if pixels is None else pixels
        rng = np.random.default_rng(seed)
        # In rising order, which memory gives much faster; the order is of no matter to r. And in
        # as few bytes as do, as 30 draws of a million are kept.
        kind = np.uint32 if total < 2**32 else np.int64
        self.draws = [
            np.sort(rng.integers(total, size=self.pixels).astype(kind)) for _ in range(repeats)
        ]

    def of_image(self, place: int) -> Iterator[np.ndarray]:
        """Yield for each draw its positions within an image."""
        start, end = self.ends[place : place + 2]
        for drawn in self.draws:
            low, high = np.searchsorted(drawn, (start, end))
            yield drawn[low:high] - start


class PixelDraws:
    """Correlates random pixels of a set of images that are given one after the other.

    Parameters
    ----------
    positions : Positions
        Of the images, in the order in which they will be added.
    """

    def __init__(self, positions: Positions) -> None:
        self._positions, self._added = positions, 0
        self._counters = [MomentsCounter() for _ in positions.draws]

    def add(
        self, observed: np.ndarray, predicted: np.ndarray, mask: np.ndarray | None = None
    ) -> None:
        """Add the next image.

        Parameters
        ----------
        observed, predicted : ndarray, same shape, any real dtype
            Pixels that are no finite number in `observed` do not count.
        mask : ndarray, same shape, optional
            0 where a pixel does not count.

        Raises
        ------
        VirtualStainError
            If it has another number of pixels that count than was said, or one too many is added.
        """
        sizes = np.diff(self._positions.ends)
        if self._added >= len(sizes):
            raise VirtualStainError("more images are added than pixels were to be drawn from.")
        blocks = list(counted(observed, predicted, mask))
        none = np.empty(0)
        o, p = (np.concatenate([none, *(block[i] for block in blocks)]) for i in (0, 1))
        if len(o) != sizes[self._added]:
            raise VirtualStainError(
                f"of image {self._added + 1}, {len(o)} pixels count, where {sizes[self._added]} "
                "were to be drawn from; it has changed, so compare the images anew."
            )
        drawn = self._positions.of_image(self._added)
        for counter, inside in zip(self._counters, drawn, strict=True):
            raise_if_stopped()
            if inside.size:
                counter.add(o[inside], p[inside])
        self._added += 1

    def result(self) -> SampledR:
        """Return r of each draw of all that was added."""
        pearson = SCORES["pearson_r"]
        values = (pearson(counter.result()) for counter in self._counters)
        return SampledR(tuple(values), self._positions.pixels)


def sampled_pearson_r(
    observed: Sequence[np.ndarray],
    predicted: Sequence[np.ndarray],
    *,
    pixels: int | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> SampledR:
    """Draw pixels of all images of a set together, and correlate them, again and again.

    :class:`PixelDraws` does the same with one image in memory at a time.

    Parameters
    ----------
    observed, predicted : sequence of ndarray
        Images of a set in one order; two that belong together have one shape. Observed pixels
        that are no finite number are not drawn.
    pixels, repeats, seed : int
        As those of :class:`Positions`.

    Returns
    -------
    SampledR

    Raises
    ------
    VirtualStainError
        If there is no image, or shapes differ.
    """
    shapes = [(o.shape, p.shape) for o, p in zip(observed, predicted, strict=True)]
    for position, (of_observed, of_predicted) in enumerate(shapes):
        if of_observed != of_predicted:
            raise VirtualStainError(
                f"image {position + 1} has {times(of_observed)} observed and {times(of_predicted)} "
                "predicted pixels; give them on one grid."
            )
    sizes = [int(np.count_nonzero(np.isfinite(image))) for image in observed]
    draws = PixelDraws(Positions(sizes, pixels, repeats, seed))
    for pair in zip(observed, predicted, strict=True):
        draws.add(*pair)
    return draws.result()
