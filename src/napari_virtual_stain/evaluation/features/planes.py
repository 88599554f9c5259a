"""Channels of an image as planes: a stack becomes its maximum projection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.events import Progress, Work
from napari_virtual_stain.image import Image


def read_planes(
    image: Image, positions: Sequence[int], stage: str, counts: np.ndarray | None = None
) -> Work[np.ndarray]:
    """Read channels, each stack projected; a generator of events that returns the planes.

    Parameters
    ----------
    image : Image
        A lazy image is read one frame (a channel at a time point) after the other.
    positions : sequence of int
        The channels, in the order in which they are wanted.
    stage : str
        What the events call the work.
    counts : ndarray of bool, shape (T, C, [Z,] Y, X), optional
        False where a pixel does not count.

    Returns
    -------
    ndarray of float64, shape (T, C, Y, X)
        T is 1 where there is no T axis. NaN where no pixel along Z counts and is finite.
    """
    sizes = image.sizes
    times = sizes.get("T", 1)
    planes = np.empty((times, len(positions), sizes["Y"], sizes["X"]))
    for done, (t, c) in enumerate(np.ndindex(times, len(positions)), 1):
        one = image.channel(positions[c])
        frame = (one.select("T", t) if "T" in one.axes else one).numpy().astype(np.float64)
        frame[~np.isfinite(frame)] = np.nan
        if counts is not None:
            frame[~counts[t, c].reshape(frame.shape)] = np.nan
        # Of NaN and a number, fmax takes the number.
        planes[t, c] = np.fmax.reduce(frame, axis=0) if frame.ndim == 3 else frame
        yield Progress(stage, done, times * len(positions))
    return planes
