"""Read the channels of an image frame by frame, however it is stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.events import Progress, Work
from napari_virtual_stain.image import Image


def read_channels(
    image: Image, positions: Sequence[int], spatial: Sequence[int], stage: str
) -> Work[np.ndarray]:
    """Read channels into one array; a generator of events that returns it.

    Parameters
    ----------
    image : Image
        A lazy image is read one frame (a channel at a time point) after the other.
    positions : sequence of int
        The channels, in the order in which they are wanted.
    spatial : sequence of int
        Shape that a frame gets; it may have a Z axis of one plane more or less than `image`.
    stage : str
        What the events call the work.

    Returns
    -------
    ndarray, shape (T, C, *spatial)
        T is 1 where there is no T axis; dtype of `image`. It shares memory with an image that
        is a NumPy array, and must not be written to.

    """
    times, total = image.sizes.get("T", 1), image.sizes.get("T", 1) * len(positions)
    in_memory = isinstance(image.data, np.ndarray)
    frames = _view(image, positions, spatial) if in_memory else _room(image, positions, spatial)
    for done, (t, c) in enumerate(np.ndindex(times, len(positions)), 1):
        if not in_memory:
            frames[t, c] = _frame(image, t, positions[c]).reshape(spatial)
        yield Progress(stage, done, total)
    return frames


def _view(image: Image, positions: Sequence[int], spatial: Sequence[int]) -> np.ndarray:
    data = np.asarray(image.data)
    if "T" not in image.axes:
        data = data[np.newaxis]
    if "C" not in image.axes:
        data = data[:, np.newaxis]
    first, last = positions[0], positions[-1]
    ascending = list(positions) == list(range(first, last + 1))
    chosen = data[:, first : last + 1] if ascending else data[:, list(positions)]
    return chosen.reshape(*chosen.shape[:2], *spatial)


def _room(image: Image, positions: Sequence[int], spatial: Sequence[int]) -> np.ndarray:
    return np.empty((image.sizes.get("T", 1), len(positions), *spatial), image.dtype)


def _frame(image: Image, time: int, position: int) -> np.ndarray:
    at = {"T": time, "C": position}
    return np.asarray(image.data[tuple(at.get(axis, slice(None)) for axis in image.axes)])
