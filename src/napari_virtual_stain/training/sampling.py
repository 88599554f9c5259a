"""Where patches are drawn: anywhere, where a target counts, or around its foreground."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.foreground import draw_centre, foreground_map

CELL = 16
"""Pixels along the side of the cells in which is counted what counts."""

BLOCK = 1024
"""Pixels along the side of what is read at once of an example that is not in memory."""


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws the middle of patches of one example.

    Parameters
    ----------
    sizes : tuple of int
        Of its spatial axes.
    counting : ndarray, optional
        How much counts in each cell; None where everything does.
    foreground : ndarray, optional
        Probability of each cell; None where there is none.
    """

    sizes: tuple[int, ...]
    counting: np.ndarray | None = None
    foreground: np.ndarray | None = None

    @property
    def share(self) -> float:
        """How many pixels count."""
        pixels = float(np.prod(self.sizes))
        return pixels if self.counting is None else float(self.counting.sum())

    def middle(self, rng: np.random.Generator, foreground: float) -> tuple[int, ...] | None:
        """Return where the middle of a patch lies, or None for anywhere.

        Parameters
        ----------
        rng : Generator
        foreground : float
            Probability with which it lies in the foreground.
        """
        cells = None if self.counting is None else self.counting / self.counting.sum()
        if foreground and rng.random() < foreground and self.foreground is not None:
            cells = self.foreground
        return None if cells is None else draw_centre(cells, CELL, self.sizes, rng)


def sampler(example: Example, foreground: float = 0.0) -> Sampler:
    """Return the sampler of an example.

    Parameters
    ----------
    example : Example
        Of one that is not in memory, the weights are read once, block by block, and its
        foreground is not looked for.
    foreground : float
        Share of patches that are to lie around foreground.
    """
    sizes = tuple(example.target.shape[1:])
    counting = None if example.weight is None else _counting(example)
    cells = None
    if foreground and isinstance(example.target, np.ndarray):
        cells = foreground_map(example.target, example.weight, CELL)  # type: ignore[arg-type]
    return Sampler(sizes, counting, cells)


def _counting(example: Example) -> np.ndarray:
    weight, sizes = example.weight, tuple(example.target.shape[1:])
    assert weight is not None
    cells = np.zeros(tuple(-(-size // CELL) for size in sizes))
    for block in _blocks(sizes):
        raise_if_stopped()
        counts = np.asarray(weight[(slice(None), *block)]).any(0).astype(np.float64)
        for axis in range(counts.ndim):
            counts = np.add.reduceat(counts, np.arange(0, counts.shape[axis], CELL), axis=axis)
        corner = tuple(
            slice(part.start // CELL, part.start // CELL + n)
            for part, n in zip(block, counts.shape, strict=True)
        )
        cells[corner] = counts
    return cells


def _blocks(sizes: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    starts = [range(0, size, BLOCK) for size in sizes]
    for corner in product(*starts):
        yield tuple(
            slice(first, min(first + BLOCK, size))
            for first, size in zip(corner, sizes, strict=True)
        )
