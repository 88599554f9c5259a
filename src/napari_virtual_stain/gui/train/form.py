"""Everything that is chosen in the dock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.train.picks import Channel, PairPicks
from napari_virtual_stain.inference.options import Device, Precision


@dataclass(frozen=True, eq=False)
class Form:
    """Everything that is chosen in the dock.

    Parameters
    ----------
    inputs, targets : sequence of Channel
        What the model takes and what it learns.
    pairs : sequence of PairPicks
        Of as many inputs and targets.
    axes : mapping of layer to str
        What a person says about axes that cannot be told apart.
    learn_in, score_in : layer, optional
        Shapes that mark the regions of training and validation.
    preset : str
    start : Path, optional
        File of the model to start from.
    steps, batch, learning_rate : optional
        In place of the preset's.
    turns, device, precision, seed
        As in :class:`~napari_virtual_stain.training.TrainOptions`.
    name, licence, notes : str
        Of the model; an empty name is replaced by what it does.
    layers : sequence of layers
        All that are open, to say why there may be nothing to choose from.
    """

    inputs: Sequence[Channel] = ()
    targets: Sequence[Channel] = ()
    pairs: Sequence[PairPicks] = ()
    axes: Mapping[Layer, str] = field(default_factory=dict)
    learn_in: Layer | None = None
    score_in: Layer | None = None
    preset: str = ""
    start: Path | None = None
    steps: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    turns: bool = True
    device: Device = "auto"
    precision: Precision = "auto"
    seed: int = 0
    name: str = ""
    licence: str = ""
    notes: str = ""
    layers: Sequence[Layer] = ()
