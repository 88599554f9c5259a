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
from dataclasses import dataclass, field

from napari_virtual_stain.inference.tile_sizes import (
    Sizes,
    axis_count,
    axis_sizes,
    core_sizes,
    joined,
)

PRICE_OF_LONG_STEPS = 0.15
"""A step of twice the agreeable time weighs as much as 15 % more work.

What time is agreeable is known roughly and timed on noisy machines: a tile that is slightly too
large is no reason to compute a tenth more, and one that is many times too large is."""

PRICE_OF_TILING_Z = 0.1
"""Z is tiled only where that saves 10 % of the work: tiles of all planes are fewer pieces to read,
and stacks are rarely much higher than the halo."""


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

    @property
    def voxels(self) -> int:
        """Voxels computed."""
        return math.prod(part.stop - part.start for part in self.read)


@dataclass(frozen=True)
class TilePlan:
    """How an image is tiled.

    Parameters
    ----------
    size : tuple of int
        Padded size, multiples of the stride.
    core, read : tuple of int
        Sizes of a tile's core and of what it reads.
    stride : tuple of int
        Lattice on which cores begin and end.
    halo : tuple of int
        Input needed beyond a core on each side.
    block : tuple of int
        Sizes of the blocks that global operators look at, multiples of the stride; `size` where
        they look at everything.
    whole_z : bool
        Whether the first of three axes is never tiled.
    why : str
        A sentence for the user: what led to this plan.
    """

    size: tuple[int, ...]
    core: tuple[int, ...]
    read: tuple[int, ...]
    stride: tuple[int, ...]
    halo: tuple[int, ...]
    block: tuple[int, ...]
    whole_z: bool = False
    why: str = field(default="", compare=False)

    @property
    def is_whole(self) -> bool:
        """Whether the image is computed in one piece."""
        return self.read == self.size and self.core == self.size

    @property
    def count(self) -> int:
        """Number of tiles."""
        axes = zip(self.size, self.core, self.block, strict=True)
        return math.prod(axis_count(*axis) for axis in axes)

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


class TooLittleMemory(Exception):
    """The smallest exact tile does not fit; whoever knows the bytes says so to the user.

    Parameters
    ----------
    needed : int
        Voxels of the smallest exact tile.
    available : int, optional
        Voxels that fit; None where it is only known that the tile does not.
    """

    def __init__(self, needed: int, available: int | None = None) -> None:
        fit = "more than fit" if available is None else f"and {available} fit"
        super().__init__(f"the smallest exact tile has {needed} voxels, {fit} into memory.")
        self.needed, self.available = needed, available


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
    memory: int | None = None,
    seconds: float | None = None,
) -> TilePlan:
    """Return the cheapest plan that computes at most `max_voxels` at a time.

    Its cost is the overhead, voxels computed ÷ voxels kept.

    Parameters
    ----------
    size : sequence of int
        Padded size of the spatial axes, multiples of `stride`.
    stride, halo : sequence of int
        Of the network.
    max_voxels : int
        What fits into memory.
    preferred_voxels : int, optional
        What takes an agreeable time. Larger tiles are taken where they save enough work:
        :data:`PRICE_OF_LONG_STEPS`.
    core : int, optional
        Size of a core along Y and X; rounded up to the stride. Changes memory and time, not
        the result.
    block : sequence of int, optional
        Sizes of the blocks that global operators look at; rounded up to the stride. By default,
        one block is everything.
    whole_z : bool
        Whether the first of three axes is never tiled.
    memory : int, optional
        Bytes that `max_voxels` take, for `TilePlan.why`.
    seconds : float, optional
        Time that `preferred_voxels` take, for `TilePlan.why`.

    Raises
    ------
    TooLittleMemory
        If the smallest exact tile exceeds `max_voxels`.
    """
    size, stride, halo = tuple(size), tuple(stride), tuple(halo)
    blocks = tuple(
        min(n, -(-b // s) * s) for n, s, b in zip(size, stride, block or size, strict=True)
    )
    axes = [
        axis_sizes(n, h, b, _cores(b, s, core if axis >= len(size) - 2 else None))
        for axis, (n, s, h, b) in enumerate(zip(size, stride, halo, blocks, strict=True))
    ]
    whole_stack = []
    if len(size) == 3:
        in_z = axis_sizes(size[0], halo[0], blocks[0], [blocks[0]])
        whole_stack = joined([in_z, *axes[1:]])
    everything = whole_stack if whole_stack and whole_z else joined(axes)

    def cost(sizes: Sizes) -> float:
        steps = 1.0
        if preferred_voxels is not None and sizes.voxels > preferred_voxels:
            longer = math.log2(sizes.voxels / max(preferred_voxels, 1))
            steps += PRICE_OF_LONG_STEPS * longer
        return steps * sizes.work

    def cheapest(allowed: float) -> Sizes:
        best = min((one for one in everything if one.voxels <= allowed), key=cost)
        in_full = (one for one in whole_stack if one.voxels <= allowed)
        full = min(in_full, key=cost, default=best)
        return full if cost(full) <= (1 + PRICE_OF_TILING_Z) * cost(best) else best

    if everything[0].voxels > max_voxels:
        raise TooLittleMemory(everything[0].voxels, max_voxels)
    chosen = cheapest(max_voxels)
    count = chosen.work // chosen.voxels
    if chosen.core == size:
        why = "the whole image fits into memory"
    elif chosen != cheapest(math.inf):
        why = f"{count} tiles: what {_allows(memory)}"
    elif core is not None:
        why = f"{count} tiles with cores of {_times(chosen.core)}, as asked for"
    elif chosen.core == blocks:
        why = f"{count} tiles: the blocks of the context"
    else:
        why = f"{count} tiles{_lasting(seconds, chosen.voxels, preferred_voxels)}, "
        why += "for prompt progress"
    return TilePlan(size, chosen.core, chosen.read, stride, halo, blocks, whole_z, why)


def split(tile: Tile, plan: TilePlan) -> tuple[Tile, ...]:
    """Return tiles that together yield the core of a tile, on the way to such as need less memory.

    The core is halved on the stride lattice along the axis that saves most, which is the longest
    unless what is read beyond a border is clipped. Each half reads its core and the halo around it,
    as far as there is an image. A tile at a border that cannot be halved, but reads more than
    it needs since all tiles of a plan have one shape, is returned alone without that.

    Parameters
    ----------
    tile : Tile
        Of the plan, or a half of one.
    plan : TilePlan

    Raises
    ------
    TooLittleMemory
        If no parts of it would need less: the core is one stride along all axes, or has along
        the others a stride that needs all that is read.
    """
    alone = _exact(tile.core, plan)
    pairs = [_halves(tile, plan, axis) for axis in _worth_halving(alone, plan)]
    if pairs:
        return min(pairs, key=lambda pair: max(half.voxels for half in pair))
    if alone.voxels < tile.voxels:
        return (alone,)
    raise TooLittleMemory(alone.voxels)


def _cores(block: int, stride: int, asked_for: int | None) -> list[int]:
    if asked_for is None:
        return core_sizes(block, stride)
    return [min(block, max(stride, -(-asked_for // stride) * stride))]


def _allows(memory: int | None) -> str:
    return "the memory allows" if memory is None else f"{memory / 2**30:.3g} GiB allow"


def _lasting(seconds: float | None, voxels: int, preferred_voxels: int | None) -> str:
    if seconds is None or not preferred_voxels:
        return ""
    lasts = seconds * voxels / preferred_voxels
    return f" of about {lasts:.0f} s" if lasts >= 1 else f" of about {lasts:.1g} s"


def _times(sizes: Sequence[int]) -> str:
    return " × ".join(str(n) for n in sizes)


def _worth_halving(tile: Tile, plan: TilePlan) -> list[int]:
    """Return the axes along which no stride of a core needs all that is read, the longest first."""
    worth = []
    for axis, (core, read) in enumerate(zip(tile.core, tile.read, strict=True)):
        stride, halo, size = plan.stride[axis], plan.halo[axis], plan.size[axis]
        most = max(
            min(start + stride + halo, size) - max(start - halo, 0)
            for start in range(core.start, core.stop, stride)
        )
        if most < read.stop - read.start and not (plan.whole_z and axis == 0):
            worth.append(axis)
    return sorted(worth, key=lambda axis: tile.core[axis].start - tile.core[axis].stop)


def _halves(tile: Tile, plan: TilePlan, axis: int) -> tuple[Tile, Tile]:
    part, stride = tile.core[axis], plan.stride[axis]
    middle = part.start + -(-(part.stop - part.start) // stride // 2) * stride
    before, after = tile.core[:axis], tile.core[axis + 1 :]
    return (
        _exact((*before, slice(part.start, middle), *after), plan),
        _exact((*before, slice(middle, part.stop), *after), plan),
    )


def _exact(core: tuple[slice, ...], plan: TilePlan) -> Tile:
    """Return the tile that yields a core and reads no more than it takes."""
    read = tuple(
        slice(max(part.start - h, 0), min(part.stop + h, n))
        for part, h, n in zip(core, plan.halo, plan.size, strict=True)
    )
    inner = tuple(
        slice(part.start - r.start, part.stop - r.start) for part, r in zip(core, read, strict=True)
    )
    return Tile(core, read, inner)


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
