"""The grid on which a specimen is rendered, and shapes and textures that do not depend on it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_virtual_stain.simulate.layout import GLASS

EDGES = tuple(GLASS + i for i in range(9))
"""Heights between which the eight slices lie, in µm: from the glass to above a dividing cell."""

HEIGHTS = tuple((low + high) / 2 for low, high in pairwise(EDGES))
"""Middle of each slice in µm."""

Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Grid:
    """Where pixels lie: `y` and `x` in µm, evenly spaced."""

    y: np.ndarray
    x: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Number of pixels along y and x."""
        return len(self.y), len(self.x)

    def window(self, y: float, x: float, reach: float) -> Window:
        """Pixels within `reach` of a point along each axis (possibly none)."""
        rows = np.searchsorted(self.y, (y - reach, y + reach))
        columns = np.searchsorted(self.x, (x - reach, x + reach))
        return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))

    def offsets(self, y: float, x: float, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Distances of a window's pixels from a point, shapes (rows, 1) and (columns,)."""
        return self.y[window[0], None] - y, self.x[window[1]] - x


def in_slices(bottom: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Thickness of each slice that lies between two heights.

    Parameters
    ----------
    bottom, top : (Y, X) arrays
        In µm.

    Returns
    -------
    (slices, Y, X) float32 array
        In µm; zero where `top` is below `bottom`.
    """
    filled = np.empty((len(HEIGHTS), *bottom.shape), np.float32)
    for one, (low, high) in zip(filled, pairwise(EDGES), strict=True):
        one[...] = np.maximum(np.minimum(top, high) - np.maximum(bottom, low), 0)
    return filled


def softplus(value: np.ndarray, width: float) -> np.ndarray:
    """Positive part of `value`, its corner rounded over `width`."""
    soft: np.ndarray = width * np.logaddexp(0, value / width)
    return soft


def texture(
    rng: np.random.Generator, grid: Grid, shortest: float, longest: float, waves: int = 240
) -> np.ndarray:
    """Draw a random texture of zero mean and unit variance, a sum of plane waves.

    It is a function of place, and so the same at every sampling.

    Parameters
    ----------
    rng : Generator
    grid : Grid
    shortest, longest : float
        Range of the waves' periods in µm, drawn log-uniformly.
    waves : int
        How many to sum.

    Returns
    -------
    (Y, X) float32 array
    """
    frequency = 1 / np.exp(rng.uniform(np.log(shortest), np.log(longest), waves))
    direction, phase = rng.uniform(0, 2 * np.pi, (2, waves))
    turns_y = np.outer(grid.y, 2 * np.pi * frequency * np.sin(direction))
    turns_x = np.outer(2 * np.pi * frequency * np.cos(direction), grid.x) + phase[:, None]
    # cos(a + b) as a product of matrices: no array of the shape (waves, Y, X).
    rows = np.concatenate([np.cos(turns_y), -np.sin(turns_y)], axis=1, dtype=np.float32)
    columns = np.concatenate([np.cos(turns_x), np.sin(turns_x)], dtype=np.float32)
    drawn: np.ndarray = (rows @ columns) * np.float32((2 / waves) ** 0.5)
    return drawn
