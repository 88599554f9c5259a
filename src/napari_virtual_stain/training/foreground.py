"""Where there is something to learn: the foreground of targets, and patches drawn around it.

Drawn uniformly, most patches of a sparse stain show nothing but its background.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.evaluation.masks import otsu_threshold

EXTREMES = (0.01, 99.99)
"""Percentiles beyond which pixels do not stretch the histogram that is cut into two: the hot ones
of a camera. A cell of 30 px in an image of 2048 × 2048 px fills 0.07 %, and is not beyond them."""

MAX_PIXELS = 2**20
"""So many pixels show what a threshold is."""


def foreground_map(target: np.ndarray, weight: np.ndarray | None, cell: int) -> np.ndarray:
    """Return how likely the centre of a patch is to be drawn from each cell of a coarse grid.

    Parameters
    ----------
    target : ndarray of float32, shape (outputs, [Z,] Y, X)
    weight : ndarray, same shape, optional
        Where it is 0, the pixel does not count, and may be NaN.
    cell : int
        Size of a cell along each axis (px); the last one may be cut off.

    Returns
    -------
    ndarray of float64, shape (ceil([Z,] Y, X / cell))
        Adds up to 1. In proportion to the pixels of a cell that are foreground by
        :func:`foreground_threshold`, the mean over the outputs that have any, so that a rare
        marker counts as much as a common one. Where no output has any, in proportion to the
        pixels that count, and where none counts, to all.
    """
    counts: np.ndarray = np.ones(target.shape, bool) if weight is None else weight > 0
    shares = []
    for values, counted in zip(target, counts, strict=True):
        pixels = sampled(values, counted)
        if pixels.size:
            foreground = in_cells((values > foreground_threshold(pixels)) & counted, cell)
            if foreground.any():
                shares.append(foreground / foreground.sum())
    if shares:
        mean: np.ndarray = np.mean(shares, axis=0)
        return mean
    anything = np.asarray(counts.any(axis=0))
    cells = in_cells(anything if anything.any() else ~anything, cell)
    uniform: np.ndarray = cells / cells.sum()
    return uniform


def draw_centre(
    chances: np.ndarray, cell: int, sizes: Sequence[int], rng: np.random.Generator
) -> tuple[int, ...]:
    """Draw the centre of a patch, uniform within a cell.

    Parameters
    ----------
    chances : ndarray
        Of each cell, as :func:`foreground_map` returns them.
    cell : int
        Size of a cell (px).
    sizes : sequence of int
        Of the target, [Z,] Y, X (px).
    rng : numpy.random.Generator

    Returns
    -------
    tuple of int
        A pixel of the target.
    """
    drawn = rng.choice(chances.size, p=chances.ravel())
    starts = [cell * int(index) for index in np.unravel_index(drawn, chances.shape)]
    return tuple(
        int(rng.integers(start, min(start + cell, size)))
        for start, size in zip(starts, sizes, strict=True)
    )


def foreground_threshold(values: np.ndarray) -> float:
    """Return Otsu's threshold of values between their percentiles :data:`EXTREMES`.

    A hot pixel would otherwise leave a few of the 256 bins to the image. Where the percentiles
    are one, as with a marker of rare cells, all values are taken.
    """
    low, high = np.percentile(values, EXTREMES, method="nearest")
    return otsu_threshold(np.clip(values, low, high) if low < high else values)


def sampled(values: np.ndarray, weight: np.ndarray | None, among: int = 1) -> np.ndarray:
    """Return an even sample of the values of an output that count, shape (n,).

    Parameters
    ----------
    values, weight : ndarray, same shape
    among : int
        Images that share :data:`MAX_PIXELS`.
    """
    pixels = values.ravel() if weight is None else values[weight > 0]
    # An odd step does not fall into one column of an image whose width is a power of two.
    step = -(-pixels.size * among // MAX_PIXELS)
    return pixels[:: step | 1]


def in_cells(mask: np.ndarray, cell: int) -> np.ndarray:
    """Return how many pixels of a mask there are in each cell."""
    counts = mask
    for axis, size in enumerate(mask.shape):
        counts = np.add.reduceat(counts, np.arange(0, size, cell), axis, dtype=np.int64)
    return counts
