"""Taking channels from images and making one image of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from napari_virtual_stain.image import Image


def pick_channels(image: Image, names: Sequence[str]) -> Image:
    """Return the channels `names` of an image, without a C axis if it is one.

    Raises
    ------
    VirtualStainError
        If the image has no such channel, or several of that name.
    """
    if image.n_channels == 1 == len(names) and not image.channels:
        # A file of one nameless channel is that channel, whatever the user calls it.
        image = image.replace(channels=names)
    channels = [image.channel(name) for name in names]
    return channels[0] if len(channels) == 1 else stack_channels(channels)


def stack_channels(channels: Sequence[Image]) -> Image:
    """Return images of one channel each, without C and of the same sizes, as one image."""
    first = channels[0]
    position = int("T" in first.axes)
    stack: Callable[..., Any] = np.stack
    if not all(isinstance(channel.data, np.ndarray) for channel in channels):
        import dask.array as da

        stack = da.stack
    return first.replace(
        data=stack([channel.data for channel in channels], axis=position),
        axes=f"{first.axes[:position]}C{first.axes[position:]}",
        channels=[channel.channels[0] for channel in channels],
    )
