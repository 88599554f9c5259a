"""How much of what is held out is scored: of a large set, a part that shows how the rest does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_virtual_stain.events import Notice
from napari_virtual_stain.training.examples import Example

MOST_NUMBERS = 2**24
"""Pixels times channels, of inputs and targets together: a score is to take seconds."""

MOST_EXAMPLES = 64


def scored_part(examples: Sequence[Example]) -> tuple[list[Example], list[Notice]]:
    """Return the part that is scored, in memory, and what a person should know about it.

    Parameters
    ----------
    examples : sequence of Example
        All that is held out.

    Returns
    -------
    examples : list of Example
        All of them, or every so many, and of large ones the middle.
    notices : list of Notice
    """
    if sum(map(_numbers, examples)) <= MOST_NUMBERS:
        return [example.in_memory() for example in examples], []
    every = -(-len(examples) // MOST_EXAMPLES)
    chosen = list(examples[::every])
    most = MOST_NUMBERS // len(chosen)
    parts = [_middle(example, most).in_memory() for example in chosen]
    text = (
        f"Much is held out for scoring: the middle of {len(parts)} of {len(examples)} planes or "
        "stacks of it is scored."
    )
    return parts, [Notice(text)]


def _numbers(example: Example) -> int:
    return int(np.prod(example.values.shape) + np.prod(example.target.shape))


def _middle(example: Example, most: int) -> Example:
    """Return the middle of an example: the longer sides in the plane are cut first."""
    numbers = _numbers(example)
    if numbers <= most:
        return example
    sizes = example.target.shape[1:]
    side = int((np.prod(sizes[-2:]) * most / numbers) ** 0.5)
    kept = [*sizes[:-2], *(max(1, min(side, size)) for size in sizes[-2:])]
    starts = [(size - keep) // 2 for size, keep in zip(sizes, kept, strict=True)]
    region = tuple(slice(a, a + n) for a, n in zip(starts, kept, strict=True))
    depth = (slice(None),) * (len(example.values.shape) - len(example.target.shape))
    place = example.place
    if place is not None:
        axes = "ZYX"[-len(region) :]
        moved = {
            axis: place.origin.get(axis, 0) + round(start / zoom)
            for axis, start, zoom in zip(axes, starts, place.zooms, strict=True)
        }
        grid = tuple(round(n / zoom) for n, zoom in zip(kept, place.zooms, strict=True))
        place = replace(place, origin={**place.origin, **moved}, sizes=grid)
    everything = slice(None)
    return replace(
        example,
        values=example.values[(everything, *depth, *region)],
        target=example.target[(everything, *region)],
        weight=None if example.weight is None else example.weight[(everything, *region)],
        place=place,
    )
