"""How targets are scaled for a network, and what the specification keeps to undo it.

A target that becomes a z-score is scaled by its own image, as its brightness may differ from
that of others; what is kept is the mean of all. One that becomes classes or is bounded (0 … 1,
−1 … 1) is scaled by one pair of grey values for the whole training set, two percentiles of all its
pixels: divided by the largest number of the file's type, a 12-bit image would fall into 16 of
256 classes. One that is a better image of the input is scaled as the input is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.model import ModelSpec, OutputSpec
from napari_virtual_stain.normalization import (
    Histogram,
    Scaling,
    Statistics,
    histogram,
    pooled,
)
from napari_virtual_stain.training.fields import Field, Target

PERCENTILES = (0.1, 99.9)
"""Of all target pixels, what becomes the ends of a bounded scale; beyond them targets are clipped.

They leave out what a few hot pixels would take from everything else; of a nuclear stain, whose
nuclei fill some percent of the image, nearly everything remains."""

BOUNDS = {"unit": (0.0, 1.0), "range": (-1.0, 1.0)}


def with_ranges(spec: ModelSpec, fields: Sequence[Field]) -> ModelSpec:
    """Return the specification with the grey values that become the ends of bounded scales.

    Parameters
    ----------
    spec : ModelSpec
    fields : sequence of Field
        Of all training pairs, in the order of the outputs. They are
        measured over the full images, exactly if their pixels are integers of up to 16 bits.

    Raises
    ------
    VirtualStainError
        If a target is constant, or holds NaN or infinite pixels where it counts, or nowhere counts.
    """
    outputs = []
    for position, output in enumerate(spec.outputs):
        if output.scaling in BOUNDS:
            targets = [one for field in fields if (one := field.targets[position]) is not None]
            given = [(counted(one), label(one)) for one in targets]
            parts = [histogram(pixels, called) for pixels, called in given if pixels.size]
            if not parts:
                raise nothing_of(output)
            low, high = _range(parts)
            output = output.model_copy(update={"low": low, "high": high})
        outputs.append(output)
    return spec.model_copy(update={"outputs": outputs})


def with_statistics(
    spec: ModelSpec, statistics: Sequence[Sequence[Statistics | None]]
) -> ModelSpec:
    """Return the specification with mean and standard deviation of outputs that are z-scores.

    Parameters
    ----------
    spec : ModelSpec
    statistics : sequence of sequence of Statistics or None
        Of each output, for each example; None where it lacks the target.
    """
    outputs = []
    for output, parts in zip(spec.outputs, zip(*statistics, strict=True), strict=True):
        if output.scaling == "z-score":
            known = [part for part in parts if part is not None]
            if not known:
                raise nothing_of(output)
            by = pooled(known)
            output = output.model_copy(update={"mean": by.mean, "std": by.std})
        outputs.append(output)
    return spec.model_copy(update={"outputs": outputs})


def nothing_of(output: OutputSpec) -> VirtualStainError:
    """Return the error that there is nothing to learn of an output."""
    return VirtualStainError(
        f"there is nothing to learn of {output.name}: none of the pairs to train on has it, or "
        "none of its pixels count there; leave it out, or add a pair that shows it."
    )


def target_scaling(output: OutputSpec, by: Statistics | None, of_input: Scaling) -> Scaling:
    """Return how a target becomes what the network predicts.

    Parameters
    ----------
    output : OutputSpec
        With its range, if its scale is bounded.
    by : Statistics
        Of the full target image; not needed for masks.
    of_input : Scaling
        Of the first input of the pair.
    """
    if output.scaling == "z-score":
        assert by is not None, f"{output.name} has not been measured"
        return Scaling(by.mean, by.std)
    scaling = output.grey_values(of_input)
    assert scaling is not None, f"the range of {output.name} has not been measured"
    return scaling


def clip_(values: np.ndarray, output: OutputSpec) -> np.ndarray:
    """Keep values of a bounded scale within it, in place; return them."""
    if output.scaling in BOUNDS:
        np.clip(values, *BOUNDS[output.scaling], out=values)
    return values


def counted(target: Target) -> Any:
    """Return the grey values of a target that count; all of them as they lie, or those in a row."""
    if target.counts is None:
        return target.image.data
    return np.asarray(target.image.data)[np.asarray(target.counts.data) != 0]


def label(target: Target) -> str:
    """Return what a target is called in a sentence."""
    named = target.image.channels and target.image.channels[0] != target.image.name
    return f"the target {target.image.name}" + (f" ({target.image.channels[0]})" if named else "")


def _range(parts: Sequence[Histogram]) -> tuple[float, float]:
    values = np.concatenate([part.values for part in parts])
    counts = np.concatenate([part.counts for part in parts])
    order = np.argsort(values, kind="stable")
    joined = Histogram(values[order], counts[order])
    low, high = (joined.quantile(percent) for percent in PERCENTILES)
    if low < high:
        return low, high
    # Nearly all pixels are alike, as with a marker of rare cells: what is rare is the image.
    return joined.quantile(0), joined.quantile(100)
