"""Fields: a pair with its channels apart, in the order of the model's inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.image import Image
from napari_virtual_stain.training.pairs import TrainingPair


@dataclass(frozen=True, eq=False)
class Target:
    """One target channel of a pair.

    Parameters
    ----------
    name : str
    image : Image
        Without C axis.
    counts : Image, optional
        Of the same axes and sizes; 0 where the target does not count.
    is_mask : bool
    """

    name: str
    image: Image
    counts: Image | None = None
    is_mask: bool = False


@dataclass(frozen=True, eq=False)
class Field:
    """One field of view.

    Parameters
    ----------
    pair : int
        Position of the pair it comes from.
    sources : tuple of Image
        One for each input, without C axis.
    targets : tuple of Target or None
        One for each output; None where the pair lacks it.
    learn, score : ndarray of bool, shape (Y, X), optional
        As in :class:`.TrainingPair`.
    """

    pair: int
    sources: tuple[Image, ...]
    targets: tuple[Target | None, ...]
    learn: np.ndarray | None = None
    score: np.ndarray | None = None

    @property
    def given(self) -> list[Target]:
        """The targets that there are."""
        return [target for target in self.targets if target is not None]


def channels_apart(
    pair: TrainingPair, inputs: Sequence[str] | None, targets: Sequence[str] | None, position: int
) -> Field:
    """Return the input and the target channels of a pair.

    Parameters
    ----------
    pair : TrainingPair
    inputs, targets : sequence of str, optional
        Names of channels; by default all. Of the targets, those that the pair lacks are left out
        if it has any of them.
    position : int
        Of the pair, among all.

    Raises
    ------
    VirtualStainError
        If the pair lacks an input channel, or all target channels.
    """
    sources = _channels(pair.source, inputs)
    wanted = [targets] if isinstance(targets, str) else targets
    if wanted is not None and pair.target.channels:
        there = {name.casefold() for name in pair.target.channels}
        wanted = [name for name in wanted if name.casefold() in there] or wanted
    images = _channels(pair.target, wanted)
    found = []
    for number, image in enumerate(images):
        name = channel_name(image, "target", number)
        channel = _position(pair.target, image, number)
        found.append(Target(name, image, pair.counts_of(channel), name in pair.masks))
    return Field(position, tuple(sources), tuple(found), pair.learn, pair.score)


def channel_name(image: Image, role: str, position: int) -> str:
    """Return the name of a channel, or one by its position where it has none."""
    return image.channels[0] if image.channels else f"{role} {position + 1}"


def _channels(image: Image, names: Sequence[str] | None) -> list[Image]:
    if names is None:
        return [image.channel(position) for position in range(image.n_channels)]
    if isinstance(names, str):
        names = [names]
    if len(names) == 1 and not image.channels:
        # A file of its own for each channel need not name it inside.
        return [image.channel(0).replace(channels=tuple(names))]
    return [image.channel(name) for name in names]


def _position(target: Image, channel: Image, number: int) -> int:
    if target.channels and channel.channels and "C" in target.axes:
        return target.channels.index(channel.channels[0])
    return number
