"""Which sizes of tiles are worth considering: none that another beats in both memory and work.

Along each axis, a core size gives what a tile reads and how many tiles there are. Work (voxels
computed in all) and memory (voxels computed at a time) are products over the axes. So what is
beaten along one axis is beaten in all products, and the search stays small for images of any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Sizes(NamedTuple):
    """Sizes of a tile along some of the axes, and what they cost.

    Parameters
    ----------
    voxels : int
        Computed at a time.
    work : int
        Voxels computed in all.
    core, read : tuple of int
    """

    voxels: int
    work: int
    core: tuple[int, ...]
    read: tuple[int, ...]


def axis_sizes(size: int, halo: int, block: int, cores: Iterable[int]) -> list[Sizes]:
    """Return what cores of these sizes cost along one axis, without those that are beaten."""
    found = []
    for core in cores:
        count = axis_count(size, core, block)
        # The first and the last tile of an axis have a border of the image on one side.
        sides = {1: 0, 2: 1}.get(count, 2)
        read = size if count == 1 else min(size, core + sides * halo)
        found.append(Sizes(read, count * read, (core,), (read,)))
    return _unbeaten(found)


def joined(axes: Sequence[Sequence[Sizes]]) -> list[Sizes]:
    """Return the combinations of sizes along several axes that none beats, by rising memory."""
    result = [Sizes(1, 1, (), ())]
    for axis in axes:
        result = _unbeaten(
            Sizes(a.voxels * b.voxels, a.work * b.work, a.core + b.core, a.read + b.read)
            for a in result
            for b in axis
        )
    return result


def core_sizes(block: int, stride: int) -> list[int]:
    """Return the sizes of cores to try: a block in 1 … 16 equal parts, then in 12 % more each."""
    strides = block // stride
    counts, parts = [strides], 1
    while parts < strides:
        counts.append(parts)
        parts = max(parts + 1, parts * 9 // 8)
    return sorted({-(-strides // parts) * stride for parts in counts})


def axis_count(size: int, core: int, block: int) -> int:
    """Return how many cores cover an axis whose blocks are tiled one by one."""
    whole, rest = divmod(size, block)
    return whole * -(-block // core) + -(-rest // core)


def _unbeaten(sizes: Iterable[Sizes]) -> list[Sizes]:
    """Return those with less work than all that need as little memory."""
    kept: list[Sizes] = []
    for one in sorted(sizes):
        if not kept or one.work < kept[-1].work:
            kept.append(one)
    return kept
