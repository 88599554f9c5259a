"""Tile plan: which parts of an image are computed together. Pure integers, no torch.

Cores lie on the stride lattice and cover the padded image without overlap; each is read with the
network's halo around it, so that it equals the same part of the whole-image result and
nothing is blended. All tiles have one shape: at the borders the read region is shifted
inwards, where more context does no harm.
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
    """

    size: tuple[int, ...]
    core: tuple[int, ...]
    read: tuple[int, ...]
    halo: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the image is computed in one piece."""
        return self.read == self.size and self.core == self.size

    @property
    def count(self) -> int:
        """Number of tiles."""
        return math.prod(-(-n // c) for n, c in zip(self.size, self.core, strict=True))

    @property
    def overhead(self) -> float:
        """Voxels computed ÷ voxels kept."""
        return self.count * math.prod(self.read) / math.prod(self.size)

    def tiles(self) -> Iterator[Tile]:
        """Yield all tiles, the last axis fastest."""
        axes = zip(self.size, self.core, self.read, self.halo, strict=True)
        for parts in itertools.product(*(_axis_tiles(*axis) for axis in axes)):
            core, read, inner = zip(*parts, strict=True)
            yield Tile(core, read, inner)


def plan(
    size: Sequence[int],
    stride: Sequence[int],
    halo: Sequence[int],
    *,
    max_voxels: int,
    preferred_voxels: int | None = None,
    core: int | None = None,
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

    Raises
    ------
    TooLittleMemory
        If the smallest exact tile exceeds `max_voxels`.
    """
    size, stride, halo = tuple(size), tuple(stride), tuple(halo)
    plans = list(_candidates(size, stride, halo, core))
    smallest = min(math.prod(p.read) for p in plans)
    if smallest > max_voxels:
        raise TooLittleMemory(smallest, max_voxels)
    affordable = [p for p in plans if math.prod(p.read) <= max_voxels]
    cheapest = min(affordable, key=_cost)
    if preferred_voxels is not None:
        quick = [p for p in affordable if math.prod(p.read) <= preferred_voxels]
        if quick:
            best = min(quick, key=_cost)
            if best.overhead <= ACCEPTED_OVERHEAD * cheapest.overhead:
                return best
        # No quick plan is worth its price: the quickest among those that are.
        fair = [p for p in affordable if p.overhead <= ACCEPTED_OVERHEAD * cheapest.overhead]
        return min(fair, key=lambda p: (math.prod(p.read), p.overhead))
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
    return round(candidate.overhead, 3), candidate.count, math.prod(candidate.read)


def _candidates(
    size: tuple[int, ...], stride: tuple[int, ...], halo: tuple[int, ...], core: int | None
) -> Iterator[TilePlan]:
    per_axis = []
    for axis, (n, s) in enumerate(zip(size, stride, strict=True)):
        in_plane = axis >= len(size) - 2
        if core is not None and in_plane:
            per_axis.append([min(n, max(s, -(-core // s) * s))])
        else:
            per_axis.append(sorted({-(-n // s // parts) * s for parts in _part_counts(n // s)}))
    for cores in itertools.product(*per_axis):
        if len(size) == 3 and cores[0] < size[0] and core is None and max(cores[1:]) > cores[0] * 8:
            continue  # Z is tiled only where tiling Y and X is not enough: no flat slabs
        reads = tuple(
            n if c == n else min(n, c + halo_ * (1 if 2 * c >= n else 2))
            for n, c, halo_ in zip(size, cores, halo, strict=True)
        )
        yield TilePlan(size, cores, reads, halo)


def _part_counts(blocks: int) -> list[int]:
    """Return the numbers of parts that are tried: each up to 16, then in steps of about 12 %."""
    counts, parts = [], 1
    while parts <= blocks:
        counts.append(parts)
        parts = max(parts + 1, parts * 9 // 8)
    return [*counts, blocks]


def _axis_tiles(size: int, core: int, read: int, halo: int) -> list[tuple[slice, slice, slice]]:
    tiles = []
    for start in range(0, size, core):
        stop = min(start + core, size)
        first = min(max(start - halo, 0), size - read)
        tiles.append(
            (slice(start, stop), slice(first, first + read), slice(start - first, stop - first))
        )
    return tiles
