"""Channels and planes that a network must do without."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from napari_virtual_stain.training.augmentation.draws import Draws
from napari_virtual_stain.training.augmentation.options import Augmentation
from napari_virtual_stain.training.augmentation.tensors import beside


def kept(how: Augmentation, draws: Draws, planes: Sequence[int]) -> np.ndarray:
    """Return which channels of the network keep their values.

    Parameters
    ----------
    how : Augmentation
    draws : Draws
    planes : sequence of int
        Channels of the network for each input channel.

    Returns
    -------
    ndarray of bool, shape (B, sum(planes))
        In each sample one input channel at least stays, and one plane at least of each channel.
    """
    of_channels = [
        _some(rng, how.channel_dropout, len(planes)) for rng in draws.streams("channels")
    ]
    of_planes = [
        np.concatenate([_some(rng, how.plane_dropout, count) for count in planes])
        for rng in draws.streams("planes")
    ]
    result: np.ndarray = np.repeat(of_channels, planes, axis=1) & of_planes
    return result


def silenced(inputs: Tensor, stay: np.ndarray) -> Tensor:
    """Return inputs (B, C, [Z,] Y, X) with 0, the mean, in channels (B, C) that do not stay."""
    return inputs.where(beside(stay, inputs) > 0, 0.0)


def _some(rng: np.random.Generator, chance: float, count: int) -> np.ndarray:
    """Return which of `count` stay: each is dropped by `chance`, but never all."""
    stay = rng.random(count) >= chance
    if not stay.any():
        stay[rng.integers(count)] = True
    return stay
