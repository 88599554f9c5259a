"""Which channel shows the nuclei."""

from __future__ import annotations

import re

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image

STAINS = re.compile(
    r"dapi|hoechst|draq|dna|nucle(us|i|ar)|sytox|\bh2b|histone|\bpi\b|propidium|to-?pro|nucspot",
    re.IGNORECASE,
)
"""What stains of nuclei, and channels that show them, are called."""


def find_nuclear_channel(observed: Image, name: str | None = None) -> int | None:
    """Return the position of the channel that shows the nuclei.

    Parameters
    ----------
    observed : Image
    name : str, optional
        The channel; without it, the first one whose name is that of a nuclear stain.

    Returns
    -------
    int or None
        None where no name tells.

    Raises
    ------
    VirtualStainError
        If there is no channel of the name.
    """
    if name is not None:
        exact = [i for i, channel in enumerate(observed.channels) if channel == name]
        folded = [
            i
            for i, channel in enumerate(observed.channels)
            if channel.casefold() == name.casefold()
        ]
        for found in (exact, folded):
            if found:
                return found[0]
        known = ", ".join(repr(channel) for channel in observed.channels) or "no channel names"
        raise VirtualStainError(
            f"{observed.name}: there is no channel {name!r} to find nuclei in; it has {known}."
        )
    for position, channel in enumerate(observed.channels):
        if STAINS.search(channel):
            return position
    return None
