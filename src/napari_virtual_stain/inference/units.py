"""In which units predictions and uncertainty maps are given, and how they get there.

Grey values are given where every model that takes part knows them. A standard deviation has the
unit of its prediction, but no offset; and where the grey values of an equalized input are
predicted, which are no linear function of what the network yields, it stays as it is. An
entropy is a share of its maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.events import Notice
from napari_virtual_stain.inference.options import Units
from napari_virtual_stain.model import ModelSpec, OutputSpec
from napari_virtual_stain.normalization import Scaling, restore

SIGMA, ENTROPY = "σ", "entropy"

GREY = "intensity"


@dataclass(frozen=True)
class OutputUnits:
    """Units of one output: ``intensity``, or in which other units the network yields it."""

    predicted: str
    sigma: str

    def of(self, kind: str) -> str:
        """Return the unit of a kind of uncertainty map."""
        return self.sigma if kind == SIGMA else "share of the maximum"


def output_units(specs: Sequence[ModelSpec], wanted: Units) -> tuple[OutputUnits, ...]:
    """Return the units of each output of a model, or of several that are averaged."""
    units = []
    for outputs in zip(*(spec.outputs for spec in specs), strict=True):
        in_grey = wanted == "intensity" and all(output.has_grey_values for output in outputs)
        own = _own_units(outputs[0])
        # Of several models, σ is the spread of predictions that have their unit already.
        linear = len(specs) > 1 or is_linear(outputs[0], specs[0])
        units.append(OutputUnits(GREY if in_grey else own, GREY if in_grey and linear else own))
    return tuple(units)


def is_linear(output: OutputSpec, spec: ModelSpec) -> bool:
    """Whether grey values are a linear function of what the network yields."""
    return not (output.scaling == "input" and spec.normalization.equalize)


def to_units(
    values: np.ndarray, spec: ModelSpec, of_input: Scaling, units: Sequence[OutputUnits]
) -> None:
    """Bring what a model yields into its units, in place.

    Parameters
    ----------
    values : ndarray of float32, shape (channels, *spatial)
        The predictions, then σ of each and further maps, where there are any.
    spec : ModelSpec
    of_input : Scaling
        Of the first input.
    units : sequence of OutputUnits
        One for each output.
    """
    outputs = len(spec.outputs)
    for position, (output, unit) in enumerate(zip(spec.outputs, units, strict=True)):
        if output.kind == "mask":
            # A network of free values goes a little beyond what a probability can be.
            np.clip(values[position], 0, 1, out=values[position])
        by = output.grey_values(of_input)
        if by is None or unit.predicted != GREY:
            continue
        values[position] = restore(values[position], by)
        if unit.sigma == GREY and outputs + position < len(values):
            values[outputs + position] *= np.float32(by.unit)


def units_notices(specs: Sequence[ModelSpec]) -> list[Notice]:
    """Return what is said where grey values are wanted and unknown."""
    notices = []
    for spec in specs:
        unknown = [output for output in spec.outputs if not output.has_grey_values]
        if unknown:
            names = ", ".join(output.name for output in unknown)
            in_z_scores = all(output.scaling == "z-score" for output in unknown)
            notices.append(
                Notice(
                    f"the grey values of {names} in the training of {spec.name!r} are not "
                    "recorded; the prediction is in "
                    + ("z-scores." if in_z_scores else "the network's own units.")
                )
            )
    return notices


def _own_units(output: OutputSpec) -> str:
    return "z-score" if output.scaling == "z-score" else "network units"
