"""All channels and pairs of channels of an image, measured in all compartments of all frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from napari_virtual_stain.evaluation.features.measuring import (
    STEPS_OF_CHANNEL,
    STEPS_OF_PAIR,
    Channel,
    Steps,
    measure,
)
from napari_virtual_stain.evaluation.features.quietly import Values
from napari_virtual_stain.evaluation.features.result import (
    FeatureBlock,
    MeasuredObject,
    join_blocks,
)
from napari_virtual_stain.events import Work


def measured(
    image: str,
    names: Sequence[str],
    seen: np.ndarray,
    made: np.ndarray,
    labels: Sequence[dict[str, np.ndarray]],
    scales: Sequence[tuple[float, float]],
) -> Work[list[FeatureBlock]]:
    """Measure all channels, and all pairs of them, in all compartments.

    Parameters
    ----------
    image : str
        Its name.
    names : sequence of str
        Of the channels.
    seen, made : ndarray, shape (T, C, Y, X)
        Observed and predicted.
    labels : sequence of (dict of str to ndarray of int32, shape (Y, X))
        By time point and compartment.
    scales : sequence of (low, high)
        Of each channel, the grey values that become 0 and 1.

    Returns
    -------
    list of FeatureBlock
        By channel, then by pair of channels; of each by compartment.
    """
    numbered = [{name: _numbered(one) for name, one in of_frame.items()} for of_frame in labels]
    pairs = list(combinations(range(len(names)), 2))
    calls = 2 * (STEPS_OF_CHANNEL * len(names) + STEPS_OF_PAIR * len(pairs))
    count = sum(len(own) for of_frame in numbered for _, own in of_frame.values())
    steps = Steps("measuring cells", calls * count)
    blocks: list[FeatureBlock] = []
    for which in [(c,) for c in range(len(names))] + pairs:
        called = " × ".join(names[c] for c in which)
        of_frames: dict[str, list[FeatureBlock]] = {compartment: [] for compartment in labels[0]}
        for t, of_frame in enumerate(numbered):
            found = []
            for planes in (seen, made):
                channels = [_channel(planes[t, c], scales[c]) for c in which]
                objects = {compartment: there for compartment, (there, _) in of_frame.items()}
                found.append((yield from measure(objects, channels, steps)))
            for compartment, (_, own) in of_frame.items():
                rows = tuple(MeasuredObject(image, t, int(label)) for label in own)
                both = [values[compartment] for values in found]
                of_frames[compartment].append(_block(called, compartment, rows, *both))
        blocks += [join_blocks(some) for some in of_frames.values()]
    return blocks


def _block(
    channel: str,
    compartment: str,
    rows: tuple[MeasuredObject, ...],
    observed: Values,
    predicted: Values,
) -> FeatureBlock:
    features = tuple(dict.fromkeys([*observed, *predicted]))
    unknown = np.full(len(rows), np.nan)

    def columns(values: Values) -> np.ndarray:
        found = [values.get(name, unknown) for name in features]
        return np.stack(found, axis=1) if found else np.empty((len(rows), 0))

    return FeatureBlock(channel, compartment, rows, features, columns(observed), columns(predicted))


def _channel(plane: np.ndarray, limits: tuple[float, float]) -> Channel:
    low, high = limits
    scaled = (plane - low) / (high - low) if high > low else np.zeros_like(plane)
    # What is NaN is in no object; for the background of the others it is dark.
    return Channel(plane, np.nan_to_num(scaled).clip(0, 1))


def _numbered(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels with the objects numbered from 1 without gaps, and their own labels."""
    values, places = np.unique(labels, return_inverse=True)
    is_object = values > 0
    numbers = np.where(is_object, np.cumsum(is_object), 0).astype(np.int32)
    return numbers[places].reshape(labels.shape), values[is_object]
