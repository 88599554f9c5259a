"""Random numbers of a batch: each sample and operation has numbers of its own.

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
    most : int
        The largest `count` that :meth:`uniform` is asked for.
    """

    def __init__(self, seeds: Sequence[tuple[int, ...]], most: int = 1) -> None:
        self.seeds = seeds
        # A generator takes longer to set up than all these numbers take to draw.
        shape = (len(_STREAMS), 1 + most)
        self._numbers = np.stack([_generator(seed).random(shape) for seed in seeds])

    def streams(self, name: Stream) -> list[np.random.Generator]:
        """Return a generator for each sample, in its first state, for many numbers."""
        return [_generator(seed, _STREAMS.index(name)) for seed in self.seeds]

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
        numbers = self._numbers[:, _STREAMS.index(name)]
        drawn = low + (high - low) * numbers[:, 1 : 1 + count]
        return np.where(numbers[:, :1] < probability, drawn, 0.0)

    def choices(self, name: Stream, count: int) -> list[int]:
        """Return one of `count` numbers from 0 for each sample."""
        return [int(number) for number in self.uniform(name, 0, count)[:, 0]]


def _generator(seed: tuple[int, ...], *stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=stream)))
