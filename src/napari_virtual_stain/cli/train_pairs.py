"""The pairs of a training: read as such, or made from z-stacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_virtual_stain.training.options import Pair

LEAVE_OUT = 2.0


@dataclass(frozen=True)
class PairSource:
    """How pairs are had from a path.

    Parameters
    ----------
    inputs, targets : sequence of str, optional
        As :func:`.read_pairs` takes them.
    autofocus : bool
        The path holds z-stacks; pairs are their planes and the plane in focus.
    leave_out : float, optional
        Planes no further than this from the focused one are left out (µm); by default 2.
    focused : int, optional
        Position of the plane in focus; by default the sharpest.
    """

    inputs: Sequence[str] | None = None
    targets: Sequence[str] | None = None
    autofocus: bool = False
    leave_out: float | None = None
    focused: int | None = None

    def read(self, path: Path) -> list[Pair]:
        """Return the pairs of a path."""
        from napari_virtual_stain.io import read_pairs, read_stacks

        if not self.autofocus:
            pairs = read_pairs(path, inputs=self.inputs, targets=self.targets)
            if path.suffix.lower() != ".npz":
                return list(pairs)
            from napari_virtual_stain.training import TrainingPair

            return [TrainingPair(*pair, pooled=True) for pair in pairs]
        from napari_virtual_stain.training.focus import focus_pairs

        leave_out = LEAVE_OUT if self.leave_out is None else self.leave_out
        return [
            pair
            for stack in read_stacks(path, channels=self.inputs)
            for pair in focus_pairs(stack, leave_out, focused=self.focused)
        ]
