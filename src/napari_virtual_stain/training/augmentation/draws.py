"""Random numbers of a batch: each sample and operation has a stream of its own.

So a sample does not depend on those beside it, and an operation not on which others are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

Stream = Literal[
    "turn",
    "scale",
    "rotation",
    "blur",
    "illumination",
    "field",
    "contrast",
    "brightness",
    "noise",
    "grain",
    "channels",
    "planes",
]
# The position of a name is part of the seed: new names are added at the end.
_STREAMS = get_args(Stream)


class Draws:
    """Random numbers of the samples of a batch.

    Parameters
    ----------
    seeds : sequence of tuple of int
        One for each sample, from which everything random in it follows.
    """

    def __init__(self, seeds: Sequence[tuple[int, ...]]) -> None:
        self.seeds = seeds

    def streams(self, name: Stream) -> list[np.random.Generator]:
        """Return a generator for each sample, in its first state."""
        key = (_STREAMS.index(name),)
        return [
            np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
            for seed in self.seeds
        ]

    def uniform(
        self, name: Stream, low: float, high: float, count: int = 1, probability: float = 1.0
    ) -> np.ndarray:
        """Return uniform numbers, or 0 for a sample that is left out.

        Parameters
        ----------
        name : str
        low, high : float
        count : int
            Numbers for each sample.
        probability : float
            With which a sample is not left out.

        Returns
        -------
        ndarray of float64, shape (samples, count)
        """
        return np.stack(
            [
                rng.uniform(low, high, count) if rng.random() < probability else np.zeros(count)
                for rng in self.streams(name)
            ]
        )
