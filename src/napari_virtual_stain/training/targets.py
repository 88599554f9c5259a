"""How targets are scaled for a network, and what the specification keeps to undo it.

A target that becomes a z-score is scaled by its own image, as its brightness may differ from
that of others; what is kept is the mean of all. One that becomes classes or is bounded (0 … 1,
−1 … 1) is scaled by one pair of grey values for the whole training set, two percentiles of all its
pixels: divided by the largest number of the file's type, a 12-bit image would fall into 16 of
256 classes. One that is a better image of the input is scaled as the input is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.image import Image
from napari_virtual_stain.model import ModelSpec, OutputSpec
from napari_virtual_stain.normalization import (
    Histogram,
    Scaling,
    Statistics,
    histogram,
    normalize,
    pooled,
)

PERCENTILES = (0.1, 99.9)
"""Of all target pixels, what becomes the ends of a bounded scale; beyond them targets are clipped.

They leave out what a few hot pixels would take from everything else; of a nuclear stain, whose
nuclei fill some percent of the image, nearly everything remains."""

BOUNDS = {"unit": (0.0, 1.0), "range": (-1.0, 1.0)}


def with_ranges(spec: ModelSpec, targets: Sequence[Sequence[Image]]) -> ModelSpec:
    """Return the specification with the grey values that become the ends of bounded scales.

    Parameters
    ----------
    spec : ModelSpec
    targets : sequence of sequence of Image
        Target channels of all training pairs, in the order of the outputs. They are
        measured over the full images, exactly if their pixels are integers of up to 16 bits.

    Raises
    ------
    VirtualStainError
        If a target is constant, or holds NaN or infinite pixels.
    """
    outputs = []
    for output, images in zip(spec.outputs, zip(*targets, strict=True), strict=True):
        if output.scaling in BOUNDS:
            low, high = _range([histogram(i.data, f"the target {i.name}") for i in images])
            output = output.model_copy(update={"low": low, "high": high})
        outputs.append(output)
    return spec.model_copy(update={"outputs": outputs})


def with_statistics(spec: ModelSpec, statistics: Sequence[Sequence[Statistics]]) -> ModelSpec:
    """Return the specification with mean and standard deviation of outputs that are z-scores.

    Parameters
    ----------
    spec : ModelSpec
    statistics : sequence of sequence of Statistics
        Of each output, for each example.
    """
    outputs = []
    for output, parts in zip(spec.outputs, zip(*statistics, strict=True), strict=True):
        if output.scaling == "z-score":
            by = pooled(list(parts))
            output = output.model_copy(update={"mean": by.mean, "std": by.std})
        outputs.append(output)
    return spec.model_copy(update={"outputs": outputs})


def scaled(target: np.ndarray, output: OutputSpec, by: Statistics, of_input: Scaling) -> np.ndarray:
    """Return a target on the scale of the network's prediction, in float32.

    Parameters
    ----------
    target : ndarray, shape ([Z,] Y, X)
        Grey values.
    output : OutputSpec
        With its range, if its scale is bounded.
    by : Statistics
        Of the full target image.
    of_input : Scaling
        Of the first input of the pair.
    """
    if output.scaling == "z-score":
        return normalize(target, Scaling(by.mean, by.std))
    scaling = output.grey_values(of_input)
    assert scaling is not None, f"the range of {output.name} has not been measured"
    values = normalize(target, scaling)
    return np.clip(values, *BOUNDS[output.scaling]) if output.scaling in BOUNDS else values


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
