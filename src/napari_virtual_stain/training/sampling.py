"""Where patches are drawn: anywhere, where a target counts, or around its foreground."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.foreground import (
    draw_centre,
    foreground_map,
    foreground_threshold,
    in_cells,
    sampled,
)

CELL = 16
"""Pixels along the side of the cells in which is counted what counts."""

BLOCK = 1024
"""Pixels along the side of what is read at once of a plane that is not in memory; of a volume, an
eighth of it."""

LOOKED_AT = 16
"""Blocks that show where the foreground begins."""


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
        One that is not in memory is read block by block: its weights, and its targets if there is
        to be foreground.
    foreground : float
        Share of patches that are to lie around foreground.
    """
    sizes = tuple(example.target.shape[1:])
    counting = None if example.weight is None else _counting(example)
    cells = None
    if foreground and isinstance(example.target, np.ndarray):
        cells = foreground_map(example.target, example.weight, CELL)  # type: ignore[arg-type]
    elif foreground:
        cells = _foreground(example)
    return Sampler(sizes, counting, cells)


def _counting(example: Example) -> np.ndarray:
    weight, sizes = example.weight, tuple(example.target.shape[1:])
    assert weight is not None
    cells = np.zeros(_grid(sizes))
    for block in _blocks(sizes):
        counts = np.asarray(weight[(slice(None), *block)]).any(axis=0)
        cells[_corner(block)] = in_cells(np.asarray(counts), CELL)
    return cells


def _foreground(example: Example) -> np.ndarray | None:
    """Return what :func:`.foreground_map` would, of targets that are not in memory.

    The thresholds are those of some blocks. None where nothing is foreground.
    """
    sizes = tuple(example.target.shape[1:])
    blocks = list(_blocks(sizes))
    looked_at = blocks[:: -(-len(blocks) // LOOKED_AT)]
    samples: list[list[np.ndarray]] = [[] for _ in range(example.target.shape[0])]
    for block in looked_at:
        for sample, values, counts in zip(samples, *_read(example, block), strict=True):
            sample.append(sampled(values, counts, len(looked_at)))
    thresholds = [
        foreground_threshold(pixels) if (pixels := np.concatenate(sample)).size else np.inf
        for sample in samples
    ]
    cells = np.zeros((len(samples), *_grid(sizes)))
    for block in blocks:
        several = zip(cells, thresholds, *_read(example, block), strict=True)
        for into, threshold, values, counts in several:
            into[_corner(block)] = in_cells((values > threshold) & counts, CELL)
    shares = [one / one.sum() for one in cells if one.any()]
    return np.mean(shares, axis=0) if shares else None


def _read(example: Example, block: tuple[slice, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the targets of a block, and what counts of them."""
    values = np.asarray(example.target[(slice(None), *block)])
    if example.weight is None:
        return values, np.ones(values.shape, bool)
    return values, np.asarray(example.weight[(slice(None), *block)])


def _grid(sizes: Sequence[int]) -> tuple[int, ...]:
    return tuple(-(-size // CELL) for size in sizes)


def _corner(block: Sequence[slice]) -> tuple[slice, ...]:
    """Return the cells of a block."""
    return tuple(slice(part.start // CELL, -(-part.stop // CELL)) for part in block)


def _blocks(sizes: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    side = BLOCK if len(sizes) == 2 else BLOCK // 8
    starts = [range(0, size, side) for size in sizes]
    for corner in product(*starts):
        raise_if_stopped()
        yield tuple(
            slice(first, min(first + side, size)) for first, size in zip(corner, sizes, strict=True)
        )
