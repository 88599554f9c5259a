"""Levels of the targets of examples that need not be in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.losses import Levels, target_levels

MOST_EXAMPLES, SIDE = 16, 512
"""Of what is not in memory, the middle of so many examples shows how bright targets are."""


def levels_of(examples: Sequence[Example]) -> Levels:
    """Return thresholds and ranges of the targets of examples, or of a part of each."""
    if all(isinstance(example.target, np.ndarray) for example in examples):
        chosen, side = list(examples), None
    else:
        chosen, side = list(examples[:: -(-len(examples) // MOST_EXAMPLES)]), SIDE
    targets, weights = [], []
    for example in chosen:
        region = (slice(None), *(_middle(size, side) for size in example.target.shape[1:]))
        targets.append(np.asarray(example.target[region]))
        weights.append(None if example.weight is None else np.asarray(example.weight[region]))
    return target_levels(targets, weights)


def _middle(size: int, side: int | None) -> slice:
    first = 0 if side is None else max(0, (size - side) // 2)
    return slice(first, size if side is None else min(size, first + side))
