"""A training that can be begun: what the form comes to, and what the work is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_virtual_stain.gui.train.plan import PairPlan

if TYPE_CHECKING:
    from napari_virtual_stain.training import Preset, TrainOptions


@dataclass(frozen=True, eq=False)
class Request:
    """A training that can be begun.

    Parameters
    ----------
    pairs, validation : tuple of PairPlan
        Those to learn from, and those to score on; of the latter there need not be any.
    options : TrainOptions
        Without the model to start from and the validation pairs, which are read by the work.
    recipe : Preset
        What the options come to.
    inputs, targets : tuple of str
        Names of the channels.
    start : Path, optional
        File of the model to start from.
    """

    pairs: tuple[PairPlan, ...]
    validation: tuple[PairPlan, ...]
    options: TrainOptions
    recipe: Preset
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    start: Path | None = None

    @property
    def scored(self) -> tuple[PairPlan, ...]:
        """The pairs that previews are of."""
        return self.validation or self.pairs

    @property
    def splits(self) -> bool:
        """Whether a part of each image is held out for scoring by itself."""
        return not self.validation and all(
            pair.learn is None and pair.score is None for pair in self.pairs
        )
