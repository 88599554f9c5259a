"""Whether two images are the same one, read twice."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache

import numpy as np

from napari_virtual_stain.image import Image, lazily

ROWS = 16
"""So many rows of the middle plane are looked at first. No two images have the same noise."""

WHOLE = 2**28
"""Bytes up to which pixels that are in memory are then compared as a whole."""


class Sameness:
    """Tells images that are the same; each is looked at once, however often it is compared."""

    def __init__(self) -> None:
        self._mark = cache(_mark)  # keyed by the image itself, which it keeps

    def __call__(self, one: Image, other: Image) -> bool:
        """Whether two images have the same pixels, which constant ones do not tell."""
        if one.data is other.data:
            return True
        if (one.axes, one.shape, one.dtype) != (other.axes, other.shape, other.dtype):
            return False
        mark = self._mark(one)
        return mark is not None and mark == self._mark(other) and _equal(one.data, other.data)


def _mark(image: Image) -> Hashable:
    """Return some rows of an image as bytes, None if they are constant."""
    step = -(-image.sizes["Y"] // ROWS)
    plane = tuple(slice(size // 2, size // 2 + 1) for size in image.shape[:-2])
    rows = np.asarray(lazily(image.data)[(*plane, slice(step // 2, None, step))])
    return rows.tobytes() if (rows != rows.flat[0]).any() else None


def _equal(one: object, other: object) -> bool:
    """Whether pixels whose samples are alike are so everywhere, where that is quickly told."""
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)) or one.nbytes > WHOLE:
        return True
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
