"""What a person looks at while a network learns: its prediction, and what it is fed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.events import Preview
from napari_virtual_stain.inference.resampling import resample
from napari_virtual_stain.training.examples import Example


@dataclass(frozen=True, eq=False)
class BatchPreview:
    """The first batch of a training, as the network sees it; B patches.

    Parameters
    ----------
    inputs : ndarray of float32, shape (B, in_channels, [Z,] Y, X)
        Normalized, augmented.
    targets : ndarray of float32, shape (B, outputs, [Z,] Y, X)
        On the scale that is learned.
    weights : ndarray of float32, shape of the targets
        1 where a target counts, else 0.
    input_names, target_names : tuple of str
        One for each network channel, one for each output.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]


def on_pair_grid(
    example: Example, values: np.ndarray, step: int, names: tuple[str, ...]
) -> Preview | None:
    """Return a prediction of an example as a preview on the grid of its pair.

    Parameters
    ----------
    example : Example
    values : ndarray of float32, shape (outputs, *spatial)
        At the model's voxel size.
    step : int
    names : tuple of str
        Of the outputs.

    Returns
    -------
    Preview or None
        None where it is not known from where in a pair the example is.
    """
    place = example.place
    if place is None:
        return None
    if any(zoom != 1 for zoom in place.zooms):
        values = resample(values, place.sizes, [1 / zoom for zoom in place.zooms])
    return Preview(step, place.pair, values, names, dict(place.origin))
