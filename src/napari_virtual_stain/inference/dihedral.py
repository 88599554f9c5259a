"""Test-time augmentation by the dihedral group: the eight turns and mirror images of a plane.

A network that has learned nothing about directions predicts the same of a turned image, turned. How
far the predictions differ tells how uncertain it is; see :class:`Spread`. All turns
keep the stride lattice, so each is exact under tiling by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from napari_virtual_stain.inference.spread import Spread

__all__ = ["TURNS", "Spread", "Turn", "turns_for"]

Y, X = -2, -1


@dataclass(frozen=True)
class Turn:
    """A mirror image along X, or none, and quarter turns after it, in the last two axes.

    Parameters
    ----------
    quarter_turns : int
        From Y towards −X: the last column becomes the first row. An odd number swaps the sizes.
    flipped : bool
        Whether X is reversed before.
    """

    quarter_turns: int
    flipped: bool

    def apply(self, tensor: Tensor) -> Tensor:
        """Turn a tensor of shape (…, Y, X); the layout in memory may change."""
        return (tensor.flip(X) if self.flipped else tensor).rot90(self.quarter_turns, (Y, X))

    def invert(self, tensor: Tensor) -> Tensor:
        """Turn back what :meth:`apply` has turned."""
        turned = tensor.rot90(-self.quarter_turns, (Y, X))
        return turned.flip(X) if self.flipped else turned

    def region(self, slices: Sequence[slice], sizes: Sequence[int]) -> tuple[slice, ...]:
        """Return where a region lies after :meth:`apply`.

        Parameters
        ----------
        slices : sequence of slice
            The region before, with start and stop; the last two are of Y and X.
        sizes : sequence of int
            Of the tensor before, along the same axes.

        Returns
        -------
        tuple of slice
            ``apply(x)[region(slices, x.shape)]`` is ``apply(x[slices])``.
        """
        *others, y, x = slices
        height, width = sizes[Y], sizes[X]
        if self.flipped:
            x = _reversed(x, width)
        for _ in range(self.quarter_turns % 4):
            y, x = _reversed(x, width), y
            height, width = width, height
        return (*others, y, x)


TURNS = tuple(Turn(turns, flipped) for flipped in (False, True) for turns in range(4))
"""The dihedral group, the identity first."""


def turns_for(window: Sequence[int] | None) -> tuple[Turn, ...]:
    """Return the turns of which a network takes its input, the identity first.

    Parameters
    ----------
    window : sequence of int or None
        The sizes that the network is defined on, if it is on one only: one that is not square
        in Y and X is turned by half turns and mirrored, but not by quarter turns.
    """
    if window is None or window[Y] == window[X]:
        return TURNS
    return tuple(turn for turn in TURNS if turn.quarter_turns % 2 == 0)


def _reversed(part: slice, size: int) -> slice:
    return slice(size - part.stop, size - part.start)
