"""What a network needs to know about its surroundings to give an exact result.

A network that goes down ``levels`` times by a factor of 2 is equivariant to shifts by
multiples of ``stride = 2**levels``. A tile whose core starts and ends on that lattice
needs `halo` more input on each side; with that margin its core equals the core of
the whole-image result. The halo follows by interval arithmetic from the output
backwards, so that it is neither guessed nor too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Interval = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """The window of a network that is defined on patches of one size only.

    An image is covered by windows on a fixed lattice, whatever the memory, and
    their outputs are joined with weights that fall off towards their borders. One
    integer for each spatial axis (px).

    Parameters
    ----------
    input : tuple of int
        Size of the patch that the network reads.
    output : tuple of int
        Size of what it yields for it, at the centre of the patch.
    step : tuple of int
        Distance between neighbouring windows, at most `output`.
    blend : {"smooth", "linear"}
        Weights across the overlap of neighbours: a raised cosine, or a linear ramp
        (alpha blending). Either way they add up to 1.
    """

    input: tuple[int, ...]
    output: tuple[int, ...]
    step: tuple[int, ...]
    blend: Literal["smooth", "linear"] = "smooth"


@dataclass(frozen=True)
class Geometry:
    """Geometry of a network; one integer for each spatial axis of its input.

    Parameters
    ----------
    stride : tuple of int
        Sizes are multiples of it (px).
    halo : tuple of int
        Input that a tile on the stride lattice needs beyond its core on each side (px);
        a multiple of the stride.
    has_global_operators : bool
        Whether some outputs depend on sums over all positions.
    window : Window or None
        Where the network is defined on patches of one size; `stride` and `halo` then say what
        sizes it can be called with, and nothing about tiles.
    projects : bool
        Whether Z is consumed: it is always read whole, and the output is (B, C, Y, X).
    """

    stride: tuple[int, ...]
    halo: tuple[int, ...]
    has_global_operators: bool = False
    window: Window | None = None
    projects: bool = False


class Layer:
    """How one layer maps an interval of its output to the interval of input that it reads."""

    def reads(self, output: Interval) -> Interval:
        """Return the half-open input interval that determines the half-open `output`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Conv(Layer):
    """A strided convolution: output o reads inputs ``stride·o − before … stride·o + after``."""

    before: int
    after: int
    stride: int = 1

    def reads(self, output: Interval) -> Interval:
        """Return the half-open input interval that determines the half-open `output`."""
        start, stop = output
        return start * self.stride - self.before, (stop - 1) * self.stride + self.after + 1


@dataclass(frozen=True)
class TransposedConv(Layer):
    """A transposed convolution of stride 2: input i reaches outputs ``2i … 2i + kernel − 1``."""

    kernel: int

    def reads(self, output: Interval) -> Interval:
        """Return the half-open input interval that determines the half-open `output`."""
        start, stop = output
        first = -((self.kernel - 1 - start) // 2)  # ceil((start − kernel + 1) / 2)
        return first, (stop - 1) // 2 + 1


@dataclass(frozen=True)
class Nearest(Layer):
    """Upsampling that repeats each value `factor` times: output o reads input ``o // factor``."""

    factor: int

    def reads(self, output: Interval) -> Interval:
        """Return the half-open input interval that determines the half-open `output`."""
        start, stop = output
        return start // self.factor, (stop - 1) // self.factor + 1


@dataclass(frozen=True)
class Linear(Layer):
    """Linear upsampling by 2: outputs 2i and 2i + 1 read inputs i − 1, i and i, i + 1."""

    def reads(self, output: Interval) -> Interval:
        """Return the half-open input interval that determines the half-open `output`."""
        start, stop = output
        return (start - 1) // 2, stop // 2 + 1


@dataclass(frozen=True)
class Level:
    """The local layers of one resolution level of a U-shaped network, in forward order."""

    encoder: Sequence[Layer]
    down: Sequence[Layer]
    up: Sequence[Layer]
    decoder: Sequence[Layer]


def u_net_halo(levels: Sequence[Level], bottom: Sequence[Layer]) -> int:
    """Return the halo of a U-shaped network for cores on its stride lattice, in px.

    Parameters
    ----------
    levels : sequence of Level
        From the input's resolution downwards.
    bottom : sequence of Layer
        The layers of the coarsest resolution.
    """
    stride: int = 2 ** len(levels)
    return rounded_halo(u_net_reads(levels, bottom, (0, stride)), stride)


def rounded_halo(read: Interval, stride: int) -> int:
    """Return the halo in px, a multiple of the stride, where a core (0, stride) reads `read`."""
    start, stop = read
    return -(-max(-start, stop - stride) // stride) * stride


def u_net_reads(levels: Sequence[Level], bottom: Sequence[Layer], output: Interval) -> Interval:
    """Return the half-open input interval of a U-shaped network that determines `output`."""
    if not levels:
        return chain_reads(bottom, output)
    level, deeper = levels[0], levels[1:]
    joined = chain_reads(level.decoder, output)
    below = u_net_reads(deeper, bottom, chain_reads(level.up, joined))
    from_below = chain_reads(level.down, below)
    encoded = min(joined[0], from_below[0]), max(joined[1], from_below[1])
    return chain_reads(level.encoder, encoded)


def chain_reads(layers: Sequence[Layer], output: Interval) -> Interval:
    """Return the half-open input interval of layers in a row that determines `output`."""
    for layer in reversed(layers):
        output = layer.reads(output)
    return output
