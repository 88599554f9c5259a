"""Files of which each holds one channel of a place, and the pairs that they make together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._channels import stack_channels
from napari_virtual_stain.io.pairs.sides import Pairs, Read, Side, reader, warn_of_missing

Channels = Mapping[str, Mapping[str, Path]]
"""The files of each channel, keyed by its name and by the place that they show."""


def matched(
    channels: Channels,
    inputs: Sequence[str],
    targets: Sequence[str],
    lone: Callable[[Path, str], VirtualStainError],
) -> Pairs:
    """Return a pair for each place; it may lack some of the targets.

    Parameters
    ----------
    channels : mapping
    inputs, targets : sequence of str
        Which of them.
    lone : callable
        Returns what is to be said of a file that has no partner in a channel.

    Raises
    ------
    VirtualStainError
        If a place lacks an input or all targets, or its channels do not fit each other.

    Warns
    -----
    VirtualStainWarning
        If a place lacks some of the targets.
    """
    used = {name: channels[name] for name in [*inputs, *targets]}
    places = sorted(set().union(*used.values()))
    present = {place: [name for name in targets if place in used[name]] for place in places}
    for place in places:
        needed = [*inputs, *(targets if not present[place] else [])]
        for name in needed:
            if place not in used[name]:
                raise lone(next(files[place] for files in used.values() if place in files), name)
    warn_of_missing(targets, places, list(present.values()))
    read = reader(len(places) * len(used))
    return [
        (
            _from_each(inputs, place, used, read, several=len(inputs) > 1),
            _from_each(present[place], place, used, read, several=len(targets) > 1),
        )
        for place in places
    ]


def _from_each(
    names: Sequence[str], place: str, channels: Channels, read: Read, *, several: bool
) -> Side:
    """Return the image that the files of a place in the channels `names` make together."""
    sides: list[Side] = []
    for name in names:
        file = channels[name][place]
        image = read(file)
        if "C" not in image.axes:
            image = image.replace(channels=[name])
        elif several:
            image = image.replace(channels=[f"{name} {channel}" for channel in image.channels])
        sides.append(Side(image, f"{file.parent.name}/{file.name}"))
        if sides[-1].sizes != sides[0].sizes:
            raise VirtualStainError(
                f"{sides[0]} and {sides[-1]} cannot be channels of one image; they need the same "
                "axes and sizes."
            )
    if len(sides) == 1:
        return sides[0]
    parts = [side.image.channel(i) for side in sides for i in range(side.image.n_channels)]
    return Side(stack_channels(parts), " + ".join(side.files for side in sides))
