"""Channels that are read when they are asked for, and look like an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np


class Channels(Protocol):
    """What examples hold: a NumPy array (channels, *spatial), or something that is read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole: channels, then the spatial axes."""

    def __getitem__(self, region: tuple[slice, ...], /) -> np.ndarray:
        """Return a region; all channels, one slice for each spatial axis."""


class LazyChannels:
    """Channels of which a region is read whenever it is asked for.

    Parameters
    ----------
    read : callable
        Tuple of slices, one for each spatial axis, to an array (channels, *region).
    shape : sequence of int
        Channels, then the spatial axes.
    """

    def __init__(
        self, read: Callable[[tuple[slice, ...]], np.ndarray], shape: Sequence[int]
    ) -> None:
        self._read = read
        self.shape = tuple(shape)

    def __getitem__(self, region: tuple[slice, ...], /) -> np.ndarray:
        """Return a region: ``[:, 0:64, 0:64]`` reads all channels of these pixels."""
        channels, *spatial = region
        bounds = [part.indices(size) for part, size in zip(spatial, self.shape[1:], strict=True)]
        return self._read(tuple(slice(start, stop) for start, stop, _ in bounds))[channels]


def whole(channels: Channels) -> np.ndarray:
    """Return all of it in memory; an array stays what it is."""
    if isinstance(channels, np.ndarray):
        return channels
    return channels[(slice(None),) * len(channels.shape)]
