"""What is chosen in the rows of pairs: for each channel a layer, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict.form import Pick

Unpainted = Literal["background", "not annotated"]
"""What the pixels of a labels layer are that nobody has painted."""

UNPAINTED = get_args(Unpainted)


@dataclass(frozen=True)
class PairPicks:
    """One field of view.

    Parameters
    ----------
    inputs, targets : tuple of Pick
        One for each channel that the model takes and that it learns. A target without a layer is
        one that this field of view lacks.
    validates : bool
        Whether it is scored on, and not learned from.
    """

    inputs: tuple[Pick, ...]
    targets: tuple[Pick, ...]
    validates: bool = False

    @property
    def layers(self) -> list[Layer]:
        """Every layer that is picked."""
        return [pick.layer for pick in (*self.inputs, *self.targets) if pick.layer is not None]

    @property
    def is_complete(self) -> bool:
        """Whether it can be learned from: every input, and at least one target."""
        has_target = any(pick.layer is not None for pick in self.targets)
        return has_target and all(pick.layer is not None for pick in self.inputs)


@dataclass(frozen=True)
class Channel:
    """A channel that the model takes or learns.

    Parameters
    ----------
    name : str
        As a person has named it; empty for the name that the layers give.
    unpainted : {"background", "not annotated"}
        Of a target that is painted.
    """

    name: str = ""
    unpainted: Unpainted = "background"


def called(pick: Pick) -> str:
    """Return the name of the layer that is picked, or nothing where there is none."""
    return "" if pick.layer is None else str(pick.layer.name)
