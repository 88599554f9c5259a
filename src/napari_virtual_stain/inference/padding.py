"""The whole-image result is defined on the image padded at the end of each axis to the stride.

The padding reflects the image about its last pixel; where an axis is too short for that, its
last value is repeated. The padded image is never made: a region of it is read by mapping
its positions back into the image.

Networks with a window of their own read beyond both ends of an axis, however far: there the image
is reflected again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Read = Callable[[tuple[slice, ...]], np.ndarray]


def padded_size(size: int, stride: int) -> int:
    """Return the smallest multiple of `stride` that is not below `size`."""
    return -(-size // stride) * stride


def source_positions(start: int, stop: int, size: int, padded: int) -> np.ndarray:
    """Return where the padded positions ``start … stop − 1`` of an axis lie in the image.

    Parameters
    ----------
    start, stop : int
        Half-open range in padded positions.
    size, padded : int
        Size of the axis without and with padding.
    """
    positions = np.arange(start, stop)
    beyond = np.full_like(positions, size - 1)
    if padded - size <= size - 1:
        beyond = 2 * (size - 1) - positions
    result: np.ndarray = np.where(positions < size, positions, beyond)
    return result


def read_padded(
    read: Read, region: Sequence[slice], sizes: Sequence[int], padded: Sequence[int]
) -> np.ndarray:
    """Read a region of the padded image.

    Parameters
    ----------
    read : callable
        Reads a region of the image itself: tuple of slices, one for each spatial axis, to an
        array (C, *sizes of the region).
    region : sequence of slice
        In padded positions.
    sizes, padded : sequence of int
        Sizes of the spatial axes without and with padding.

    Returns
    -------
    ndarray, shape (C, *sizes of the region)
    """
    wanted = [
        source_positions(part.start, part.stop, size, total)
        for part, size, total in zip(region, sizes, padded, strict=True)
    ]
    return _take(read, wanted)


def reflected_positions(start: int, stop: int, size: int) -> np.ndarray:
    """Return where positions ``start … stop − 1`` lie in an axis that is reflected without end.

    It is reflected about its first and its last pixel; an axis of one pixel repeats it.
    """
    if size == 1:
        return np.zeros(stop - start, int)
    period = 2 * (size - 1)
    positions = np.arange(start, stop) % period
    return np.minimum(positions, period - positions)


def read_reflected(read: Read, region: Sequence[slice], sizes: Sequence[int]) -> np.ndarray:
    """Read a region of the image reflected about its borders without end.

    Parameters
    ----------
    read : callable
        As for :func:`read_padded`.
    region : sequence of slice
        May leave the image at either end.
    sizes : sequence of int
        Sizes of the spatial axes.

    Returns
    -------
    ndarray, shape (C, *sizes of the region)
    """
    return _take(
        read,
        [
            reflected_positions(part.start, part.stop, size)
            for part, size in zip(region, sizes, strict=True)
        ],
    )


def _take(read: Read, wanted: Sequence[np.ndarray]) -> np.ndarray:
    """Read the positions of each axis; neighbours among them differ by at most 1."""
    values = read(tuple(slice(int(p.min()), int(p.max()) + 1) for p in wanted))
    for axis, positions in enumerate(wanted, start=1):
        if len(positions) != values.shape[axis] or positions[0] > positions[-1]:
            values = np.take(values, positions - positions.min(), axis=axis)
    return values
