"""Lower resolutions of an image, from block to block."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.image import Image
from napari_virtual_stain.io.ome_zarr.arrays import create_array

SMALLEST = 256
"""An image whose sides have at most so many pixels has no lower resolution."""

WORKERS = 8
"""Most blocks that are in memory at a time; each has at most eight chunks."""


def level_factors(image: Image) -> list[tuple[int, ...]]:
    """Return, for each resolution, by what every axis is smaller than in the image.

    Y and X are halved until both have at most `SMALLEST` pixels; Z with them, as long as its
    planes lie no further apart than the pixels of the resolution before.
    """
    factors = [dict.fromkeys(image.axes, 1)]
    while any(-(-image.sizes[axis] // factors[-1][axis]) > SMALLEST for axis in "YX"):
        last = factors[-1]
        pixel = [image.voxel_size.get(axis, 0.0) * last[axis] for axis in "YX"]
        plane = image.voxel_size.get("Z", np.inf) * last.get("Z", 1)
        halved = "ZYX" if plane <= min(pixel) else "YX"
        factors.append({axis: n * (2 if axis in halved else 1) for axis, n in last.items()})
    return [tuple(level.values()) for level in factors]


def write_levels(
    folder: Path, full: Any, like: Image, version: str
) -> list[tuple[Any, tuple[int, ...]]]:
    """Write the lower resolutions beside the full one.

    Each is the mean over two pixels along every axis that is halved, of the resolution before
    (the last of an odd number stays by itself), or every other pixel of labels. The blocks of
    a resolution are computed in parallel, and few of them are in memory.

    Parameters
    ----------
    folder : Path
        Of the image; resolution n is written to ``folder/n``.
    full : zarr.Array
        Full resolution.
    like : Image
        Axes, voxel size and provenance.
    version : str
        Of OME-Zarr.

    Returns
    -------
    list of (zarr.Array, tuple of int)
        Every resolution, the full one first, and its factors as of :func:`level_factors`.
    """
    factors = level_factors(like)
    labels = like.provenance.get("labels") or like.dtype.kind == "b"
    levels = [(full, factors[0])]
    for number, (before, now) in enumerate(pairwise(factors), 1):
        source = levels[-1][0]
        steps = [b // a for a, b in zip(before, now, strict=True)]
        shape = [-(-size // step) for size, step in zip(source.shape, steps, strict=True)]
        chunks = [min(c, n) for c, n in zip(full.chunks, shape, strict=True)]
        level = create_array(folder / str(number), like.axes, shape, like.dtype, chunks, version)
        _fill(level, source, steps, labels=bool(labels))
        levels.append((level, now))
    return levels


def mean_of_two(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean of each pair along `axis`; the last of an odd number stays by itself."""
    even, odd = _pairs(values, axis)
    mean = even.copy()
    both = tuple(slice(n) for n in odd.shape)
    mean[both] += odd
    mean[both] *= 0.5
    return mean


def every_other(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the first of each pair along `axis`."""
    return _pairs(values, axis)[0]


def _pairs(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    before = (slice(None),) * axis
    return values[(*before, slice(0, None, 2))], values[(*before, slice(1, None, 2))]


def _fill(level: Any, source: Any, steps: Sequence[int], *, labels: bool) -> None:
    halve = every_other if labels else mean_of_two
    wide = source.dtype if labels else _wide_enough(source.dtype)

    def one(block: tuple[slice, ...]) -> None:
        read = tuple(
            slice(part.start * step, part.stop * step)
            for part, step in zip(block, steps, strict=True)
        )
        values = source[read].astype(wide, copy=False)
        for axis, step in enumerate(steps):
            if step == 2:
                values = halve(values, axis)
        if level.dtype.kind in "iu" and wide.kind == "f":
            values = np.rint(values)
        level[block] = values.astype(level.dtype, copy=False)

    ranges = [
        [slice(i, min(i + chunk, size)) for i in range(0, size, chunk)]
        for size, chunk in zip(level.shape, level.chunks, strict=True)
    ]
    with ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1)) as pool:
        try:
            for _ in pool.map(one, product(*ranges)):
                raise_if_stopped()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _wide_enough(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which means are taken; float32 holds sums of 16-bit integers exactly."""
    if dtype.kind == "f":
        return np.result_type(dtype, np.float32)
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
