"""A folder of files of one channel each, whose names tell the channel: ``well0_bf.tif``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._names import image_name
from napari_virtual_stain.io.pairs.matching import Channels, matched
from napari_virtual_stain.io.pairs.sides import Pairs

SEPARATORS = r" _.,\-"
"""What stands between the parts of a name."""


def by_name(files: Iterable[Path], channels: Sequence[str]) -> Channels:
    """Return the files that are named after one of the channels, as a part of their name.

    Whatever else their names have in common says that they show the same place. Files that are
    named after none, or after several, are left out.

    Parameters
    ----------
    files : iterable of Path
    channels : sequence of str
        In upper or lower case.

    Returns
    -------
    mapping of str to (mapping of str to Path)
        The files of each channel, keyed by channel and by place; nothing if a channel has none.

    Raises
    ------
    VirtualStainError
        If two files are of the same place and channel.
    """
    found: dict[str, dict[str, Path]] = {channel: {} for channel in channels}
    for file in files:
        named = [
            (channel, part)
            for channel in channels
            for part in _part(channel).finditer(image_name(file))
        ]
        if len(named) != 1:
            continue
        [(channel, part)] = named
        place = part.string[: part.start()] + "*" + part.string[part.end() :]
        twin = found[channel].setdefault(place, file)
        if twin is not file:
            raise VirtualStainError(
                f"{twin.name} and {file.name} are named as the same channel of the same place; "
                "rename one or take it away."
            )
    return found if all(found.values()) else {}


def from_names(channels: Channels, inputs: list[str], targets: list[str]) -> Pairs:
    """Return the pairs of what :func:`by_name` found; an image may lack some of the targets."""
    return matched(channels, inputs, targets, _lone)


def _part(channel: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?:^|(?<=[{SEPARATORS}])){re.escape(channel)}(?=$|[{SEPARATORS}])", re.IGNORECASE
    )


def _lone(file: Path, name: str) -> VirtualStainError:
    return VirtualStainError(
        f"{file.parent.name}/{file.name} has no partner: there is no file of the same name but "
        f"for {name!r}; add it, or take {file.name} away."
    )
