"""How large the chunks of an image are."""

from __future__ import annotations

import math
from collections.abc import Sequence

SIDE = 512
"""Pixels along Y and X that a chunk has where it may have any size."""

SIDES = (64, 1024)
"""Smallest and largest divisor of a core that is taken for a chunk's side. Below, the many
files would cost more than writing parts of chunks in turn."""

PLANES = 16
"""Most planes of a chunk: a viewer that shows one plane reads all of them."""

CHUNK_BYTES = 4 * 2**20
"""Most bytes of a chunk before compression, while a plane of it has fewer."""


def chunk_shape(
    axes: str, shape: Sequence[int], itemsize: int, core: Sequence[int]
) -> tuple[int, ...]:
    """Return the chunks of an image that is written in parts of the size `core`.

    Parameters
    ----------
    axes : str
        Axes of the image.
    shape : sequence of int
        Its sizes.
    itemsize : int
        Bytes of a pixel.
    core : sequence of int
        Sizes of the parts along the last axes.

    Returns
    -------
    tuple of int
        Divisors of `core`, so that no two parts share a chunk; any size along an axis that
        `core` covers wholly. 1 along T, C and every axis that `core` does not name. Only
        where a core has no divisor in `SIDES` along Y or X is a chunk shared.
    """
    parts = dict(zip(axes[len(axes) - len(core) :], core, strict=True))
    sizes = dict(zip(axes, shape, strict=True))
    chunk = dict.fromkeys(axes, 1)
    for axis in "YX":
        chunk[axis] = _side(sizes[axis], parts.get(axis, 1))
    if "Z" in parts:
        plane = chunk["Y"] * chunk["X"] * itemsize
        most = min(PLANES, sizes["Z"], max(1, CHUNK_BYTES // plane))
        whole = parts["Z"] >= sizes["Z"]
        chunk["Z"] = most if whole else max(_divisors(parts["Z"], 1, most))
    return tuple(chunk.values())


def _side(size: int, core: int) -> int:
    if core >= size:
        return size if size <= SIDE * 3 // 2 else SIDE
    divisors = _divisors(core, *SIDES)
    return min(divisors, key=lambda d: abs(math.log(d / SIDE))) if divisors else min(size, SIDE)


def _divisors(n: int, low: int, high: int) -> list[int]:
    return [d for d in range(low, min(n, high) + 1) if n % d == 0]
