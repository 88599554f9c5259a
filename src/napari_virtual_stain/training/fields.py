"""Fields: a pair with its channels apart, in the order of the model's inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
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
    learn, score, pooled, cut
        As in :class:`.TrainingPair`.
    """

    pair: int
    sources: tuple[Image, ...]
    targets: tuple[Target | None, ...]
    learn: np.ndarray | None = None
    score: np.ndarray | None = None
    pooled: bool = False
    cut: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def given(self) -> list[Target]:
        """The targets that there are."""
        return [target for target in self.targets if target is not None]

    def part(self, crop: Mapping[str, slice]) -> dict[str, slice]:
        """Return a crop of the images that these were cut from, as one of these.

        What leaves those images leaves these too, and is refused.
        """
        sizes = self.sources[0].sizes
        return {
            axis: _moved(one, *self.cut[axis], sizes[axis]) if axis in self.cut else one
            for axis, one in crop.items()
        }


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
        If the pair lacks an input channel, or all target channels, or two of its channels cannot
        be told apart.
    """
    sources = _channels(pair.source, inputs)
    wanted = [targets] if isinstance(targets, str) else targets
    if wanted is not None and pair.target.channels:
        known = {name.casefold() for name in pair.target.channels}
        wanted = [name for name in wanted if name.casefold() in known] or wanted
    images = _channels(pair.target, wanted)
    found = []
    for number, image in enumerate(images):
        there = channel_name(image, "target", number)
        # As it was asked for, however the file spells it.
        name = wanted[number] if wanted is not None else there
        channel = _position(pair.target, image, number)
        found.append(Target(name, image, pair.counts_of(channel), there in pair.masks))
    _check_names([channel_name(image, "input", n) for n, image in enumerate(sources)], pair.source)
    _check_names([target.name for target in found], pair.target)
    return Field(
        position, tuple(sources), tuple(found), pair.learn, pair.score, pair.pooled, pair.cut
    )


def _check_names(names: Sequence[str], image: Image) -> None:
    for number, name in enumerate(names):
        if name.casefold() in (other.casefold() for other in names[:number]):
            raise VirtualStainError(
                f"{image.name} has two channels named {name!r}, which cannot be told apart; give "
                "them different names, or choose one of them."
            )


def _moved(part: slice, begin: int, whole: int, size: int) -> slice:
    """Return a slice of an axis as one of its part of this size, which begins there."""

    def inside(bound: int | None) -> int | None:
        if bound is None or not 0 <= bound <= whole:
            return bound
        return min(max(bound - begin, 0), size)

    return slice(inside(part.start), inside(part.stop), part.step)


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
