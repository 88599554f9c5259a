"""Pixels that show nothing of the specimen: where the detector was full, and blanked blocks.

A blanked block is a region in which every pixel has one value that the rest of the image hardly
has: a part that was cut out, a camera line that was lost, the empty corner of a mosaic. The dark
background of a segmented or clipped image is none, as its value is everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image, lazily
from napari_virtual_stain.normalization import Histogram, histogram
from napari_virtual_stain.training.pairs import TrainingPair

PLATEAU = 1e-3
"""Share of the pixels at the top value from which they are a plateau."""

STEEP, NEXT = 4.0, 0.02
"""A plateau holds so many times more pixels than any value in this part of the range below it."""

FEW_VALUES = 8
"""An image of fewer grey values is a drawing, such as a mask, and has no plateau."""

BLOCK = 15
"""Side of the smallest square that is taken for a blanked block (px)."""

COMMON, MOST = 0.01, 0.5
"""Share of the other pixels that have the value of a constant region, and share of the plane that
the region covers, from which it is the background."""


def counted(pair: TrainingPair) -> TrainingPair:
    """Return a pair whose target counts nowhere where it shows nothing of the specimen.

    Pixels of a plateau at the top of a channel's grey values do not count, nor do blanked
    blocks. Masks are left as they are. What did not count before does not count either.

    Parameters
    ----------
    pair : TrainingPair
        Its pixels are read once to find the plateaus. Of a lazy target, where it counts is lazy
        too: a part of it reads whole planes.

    Returns
    -------
    TrainingPair
        The same, where everything counts.
    """
    target = pair.target
    before = [pair.counts_of(channel) for channel in range(target.n_channels)]
    marks = []
    for position, given in enumerate(before):
        channel = target.channel(position)
        is_mask = bool(channel.channels) and channel.channels[0] in pair.masks
        mark = None if is_mask else _shows(channel)
        if given is not None:
            was = lazily(given.data) != 0
            mark = was if mark is None else mark & was
        marks.append(mark)
    if all(mark is None or _is_true(mark) for mark in marks):
        return pair
    filled = [_everywhere(target) if mark is None else mark for mark in marks]
    axis = target.axes.find("C")
    data = filled[0] if axis < 0 else _stacked(filled, axis)
    return replace(pair, counts=target.replace(data=data, provenance={}))


def plateau(histogram: Histogram) -> float | None:
    """Return the top grey value if too many pixels have it, as where the detector was full.

    Parameters
    ----------
    histogram : Histogram
        Of one channel.

    Returns
    -------
    float or None
    """
    values, counts = _occurring(histogram)
    if len(values) < FEW_VALUES or counts[-1] < PLATEAU * counts.sum():
        return None
    below = (values >= values[-1] - NEXT * (values[-1] - values[0])) & (values < values[-1])
    return float(values[-1]) if counts[-1] > STEEP * counts[below].max(initial=0) else None


def plateau_share(histogram: Histogram) -> float:
    """Return the share of the pixels that have the top grey value."""
    _, counts = _occurring(histogram)
    return float(counts[-1] / counts.sum())


def common_share(histogram: Histogram) -> float:
    """Return the share of the pixels that have the most common grey value."""
    return float(histogram.counts.max() / histogram.counts.sum())


def blanked(plane: np.ndarray) -> np.ndarray:
    """Return where a plane is blanked: squares of `BLOCK` px of one value, and what they make up.

    Parameters
    ----------
    plane : ndarray, shape (Y, X), any real dtype

    Returns
    -------
    ndarray of bool, shape (Y, X)
    """
    from scipy import ndimage

    found = np.zeros(plane.shape, bool)
    if min(plane.shape) < BLOCK:
        return found
    if plane.dtype == np.float16:  # which SciPy does not take
        plane = plane.astype(np.float32)
    flat = ndimage.maximum_filter(plane, BLOCK) == ndimage.minimum_filter(plane, BLOCK)
    if not flat.any():
        return found
    regions = ndimage.binary_dilation(flat, np.ones((BLOCK, BLOCK), bool))
    rest = plane[~regions]
    for value in np.unique(plane[flat]):
        region = regions & (plane == value)
        elsewhere = np.mean(rest == value) if rest.size else 0.0
        if elsewhere < COMMON and region.mean() <= MOST:
            found |= region
    return found


def _occurring(histogram: Histogram) -> tuple[np.ndarray, np.ndarray]:
    there = histogram.counts > 0
    return histogram.values[there], histogram.counts[there]


def _shows(channel: Image) -> Any:
    """Return where a channel shows something, bool, lazy where its pixels are; None: everywhere."""
    try:
        top = plateau(histogram(channel.data, channel.name))
    except VirtualStainError:
        return None  # A constant or NaN is for whoever trains to refuse.
    data = lazily(channel.data)
    if isinstance(data, np.ndarray):
        return _seen(data, top)
    planes = data.rechunk({data.ndim - 2: -1, data.ndim - 1: -1})
    return planes.map_blocks(_seen, top, dtype=bool)


def _seen(values: np.ndarray, top: float | None) -> np.ndarray:
    """Return where planes, shape ([…,] Y, X), are neither at the top value nor blanked."""
    seen = np.ones(values.shape, bool) if top is None else values != top
    for place in np.ndindex(values.shape[:-2]):
        seen[place] &= ~blanked(values[place])
    return seen


def _is_true(mark: Any) -> bool:
    return isinstance(mark, np.ndarray) and bool(mark.all())


def _everywhere(target: Image) -> np.ndarray:
    sizes = tuple(size for axis, size in target.sizes.items() if axis != "C")
    return np.broadcast_to(np.True_, sizes)


def _stacked(marks: list[Any], axis: int) -> Any:
    if all(isinstance(mark, np.ndarray) for mark in marks):
        return np.stack(marks, axis)
    import dask.array as da

    return da.stack(marks, axis)
