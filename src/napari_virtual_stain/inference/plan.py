"""Tile plan: which parts of an image are computed together. Pure integers, no torch.

Cores lie on the stride lattice and cover the padded image without overlap; each is read with the
network's halo around it, so that it equals the same part of the whole-image result and
nothing is blended. All tiles have one shape: at the borders the read region is shifted
inwards, where more context does no harm.

Global operators look at all of the image, or at the block of it in which a tile lies: tiles
do not reach across blocks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """One tile; half-open ranges along each spatial axis.

    Parameters
    ----------
    core : tuple of slice
        The part of the padded image that this tile yields.
    read : tuple of slice
        The part of the padded image that it reads.
    inner : tuple of slice
        Where the core lies within what is read.
    """

    core: tuple[slice, ...]
    read: tuple[slice, ...]
    inner: tuple[slice, ...]


@dataclass(frozen=True)
class TilePlan:
    """How an image is tiled.

    Parameters
    ----------
    size : tuple of int
        Padded size, multiples of the stride.
    core, read : tuple of int
        Sizes of a tile's core and of what it reads.
    halo : tuple of int
        Input needed beyond a core on each side.
    block : tuple of int
        Sizes of the blocks that global operators look at, multiples of the stride; `size` where
        they look at everything.
    """

    size: tuple[int, ...]
    core: tuple[int, ...]
    read: tuple[int, ...]
    halo: tuple[int, ...]
    block: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the image is computed in one piece."""
        return self.read == self.size and self.core == self.size

    @property
    def count(self) -> int:
        """Number of tiles."""
        axes = zip(self.size, self.core, self.block, strict=True)
        return math.prod(_axis_count(*axis) for axis in axes)

    @property
    def voxels(self) -> int:
        """Voxels computed at a time."""
        return math.prod(self.read)

    @property
    def overhead(self) -> float:
        """Voxels computed ÷ voxels kept."""
        return self.count * self.voxels / math.prod(self.size)

    def blocks(self) -> Iterator[list[Tile]]:
        """Yield the tiles of each block, the last axis fastest."""
        axes = zip(self.size, self.core, self.read, self.halo, self.block, strict=True)
        for block in itertools.product(*(_axis_blocks(*axis) for axis in axes)):
            yield [
                Tile(*zip(*parts, strict=True))  # core, read and inner, along each axis
                for parts in itertools.product(*block)
            ]

    def tiles(self) -> Iterator[Tile]:
        """Yield all tiles, block by block."""
        return itertools.chain.from_iterable(self.blocks())


def plan(
    size: Sequence[int],
    stride: Sequence[int],
    halo: Sequence[int],
    *,
    max_voxels: int,
    preferred_voxels: int | None = None,
    core: int | None = None,
    block: Sequence[int] | None = None,
    whole_z: bool = False,
) -> TilePlan:
    """Return the cheapest plan that computes at most `max_voxels` at a time.

    Parameters
    ----------
    size : sequence of int
        Padded size of the spatial axes, multiples of `stride`.
    stride, halo : sequence of int
        Of the network.
    max_voxels : int
        What fits into memory.
    preferred_voxels : int, optional
        What takes an agreeable time. It is kept where that makes a plan not much dearer than
        one of larger tiles.
    core : int, optional
        Size of a core along Y and X; rounded up to the stride. Changes memory and time, not
        the result.
    block : sequence of int, optional
        Sizes of the blocks that global operators look at; rounded up to the stride. By default,
        one block is everything.
    whole_z : bool
        Whether the first of three axes is never tiled.

    Raises
    ------
    TooLittleMemory
        If the smallest exact tile exceeds `max_voxels`.
    """
    size, stride, halo = tuple(size), tuple(stride), tuple(halo)
    blocks = tuple(
        min(n, -(-b // s) * s) for n, s, b in zip(size, stride, block or size, strict=True)
    )
    plans = list(_candidates(size, stride, halo, core, blocks, whole_z))
    smallest = min(p.voxels for p in plans)
    if smallest > max_voxels:
        raise TooLittleMemory(smallest, max_voxels)
    affordable = [p for p in plans if p.voxels <= max_voxels]
    cheapest = min(affordable, key=_cost)
    if preferred_voxels is not None:
        quick = [p for p in affordable if p.voxels <= preferred_voxels]
        if quick:
            best = min(quick, key=_cost)
            if best.overhead <= ACCEPTED_OVERHEAD * cheapest.overhead:
                return best
        # No quick plan is worth its price: the quickest among those that are.
        fair = [p for p in affordable if p.overhead <= ACCEPTED_OVERHEAD * cheapest.overhead]
        return min(fair, key=lambda p: (p.voxels, p.overhead))
    return cheapest


ACCEPTED_OVERHEAD = 1.5
"""How much dearer than the cheapest a plan may be for the sake of prompt progress and cancel."""


class TooLittleMemory(Exception):
    """The smallest exact tile does not fit; whoever knows the bytes says so to the user.

    Parameters
    ----------
    needed, available : int
        Voxels.
    """

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(
            f"the smallest exact tile has {needed} voxels, and {available} fit into memory."
        )
        self.needed, self.available = needed, available


def _cost(candidate: TilePlan) -> tuple[float, int, int]:
    return round(candidate.overhead, 3), candidate.count, candidate.voxels


def _candidates(
    size: tuple[int, ...],
    stride: tuple[int, ...],
    halo: tuple[int, ...],
    core: int | None,
    block: tuple[int, ...],
    whole_z: bool,
) -> Iterator[TilePlan]:
    per_axis = []
    for axis, (n, s) in enumerate(zip(block, stride, strict=True)):
        in_plane = axis >= len(size) - 2
        if whole_z and not in_plane:
            per_axis.append([n])
        elif core is not None and in_plane:
            per_axis.append([min(n, max(s, -(-core // s) * s))])
        else:
            per_axis.append(sorted({-(-n // s // parts) * s for parts in _part_counts(n // s)}))
    for cores in itertools.product(*per_axis):
        tiled_in_z = len(size) == 3 and cores[0] < block[0]
        if tiled_in_z and core is None and max(cores[1:]) > cores[0] * 8:
            continue  # Z is tiled only where tiling Y and X is not enough: no flat slabs
        counts = [_axis_count(*axis) for axis in zip(size, cores, block, strict=True)]
        reads = tuple(
            n if count == 1 else min(n, c + halo_ * (1 if count == 2 else 2))
            for n, c, halo_, count in zip(size, cores, halo, counts, strict=True)
        )
        yield TilePlan(size, cores, reads, halo, block)


def _part_counts(blocks: int) -> list[int]:
    """Return the numbers of parts that are tried: each up to 16, then in steps of about 12 %."""
    counts, parts = [], 1
    while parts <= blocks:
        counts.append(parts)
        parts = max(parts + 1, parts * 9 // 8)
    return [*counts, blocks]


def _axis_count(size: int, core: int, block: int) -> int:
    whole, rest = divmod(size, block)
    return whole * -(-block // core) + -(-rest // core)


def _axis_blocks(
    size: int, core: int, read: int, halo: int, block: int
) -> list[list[tuple[slice, slice, slice]]]:
    """Return core, read and inner of the tiles of each block along one axis."""
    blocks = []
    for origin in range(0, size, block):
        end = min(origin + block, size)
        tiles = []
        for start in range(origin, end, core):
            stop = min(start + core, end)
            first = min(max(start - halo, 0), size - read)
            inner = slice(start - first, stop - first)
            tiles.append((slice(start, stop), slice(first, first + read), inner))
        blocks.append(tiles)
    return blocks
