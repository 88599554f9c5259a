"""The measurements of `cp_measure`, object by object; what cannot be measured is NaN.

References
----------
.. [1] Muñoz et al., "cp_measure: API-first feature extraction for image-based profiling
   workflows" (2025): the measurements of CellProfiler.
.. [2] Carpenter et al., "CellProfiler: image analysis software for identifying and quantifying
   cell phenotypes", Genome Biology 7, R100 (2006).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.features.granularity import granularity
from napari_virtual_stain.evaluation.features.quietly import Values, quietly
from napari_virtual_stain.events import Progress, Work

GREY_LEVELS = 32
"""Of textures. With 256 an object has fewer pairs of pixels than there are pairs of levels."""

SCALE = 3
"""Distance (px) between the pixels of a pair of a texture."""

PREFIXES = {
    "Intensity_": "intensity",
    "Texture_": "texture",
    "Granularity_": "granularity",
    "RadialDistribution_": "radial distribution",
    "Correlation_": "correlation",
}
GROUPS = tuple(PREFIXES.values())
"""What is measured of an object, in the order of tables and pictures."""


class Channel(NamedTuple):
    """A plane (Y, X) of one channel, float64.

    ``grey`` has the grey values of the image; ``scaled`` runs from 0 to 1.
    """

    grey: np.ndarray
    scaled: np.ndarray


class Steps:
    """Counts objects that were measured, for the events of the work."""

    EVERY = 16
    """Objects that are measured at a time."""

    def __init__(self, stage: str, total: int) -> None:
        self._stage, self._total, self._done = stage, total, 0

    def step(self, count: int) -> Progress:
        """Count some, and return the event."""
        self._done += count
        return Progress(self._stage, self._done, self._total)


def group_of(feature: str) -> str:
    """Return which of `GROUPS` a feature belongs to."""
    return next(group for prefix, group in PREFIXES.items() if feature.startswith(prefix))


def require_cp_measure() -> None:
    """Raise a :class:`VirtualStainError` unless `cp_measure` is installed."""
    try:
        import cp_measure.bulk  # noqa: F401
    except ImportError as error:
        raise VirtualStainError(
            "features of cells are measured by cp_measure, which is not installed: "
            'pip install "napari-virtual-stain[features]" (for Python 3.11 to 3.13).'
        ) from error


STEPS_OF_CHANNEL, STEPS_OF_PAIR = 3, 3
"""How many functions are called for each object."""


def measure(
    labels: Mapping[str, np.ndarray], channels: Sequence[Channel], steps: Steps
) -> Work[dict[str, Values]]:
    """Measure the objects of all compartments in one channel, or in a pair of channels.

    Parameters
    ----------
    labels : mapping of str to ndarray of int32, shape (Y, X)
        By compartment. Objects are numbered from 1, without gaps. Where an object touches the
        border of the plane, the cut counts as its edge.
    channels : sequence of one or two Channel
    steps : Steps

    Returns
    -------
    dict of str to (dict of str to ndarray)
        By compartment. Of one channel its intensities, which are those of the grey values, and
        texture, granularity and radial distribution, which are of the scaled plane, as they need
        it; textures are the mean of the four directions. Of a pair, how the two go together in
        each object.
    """
    if len(channels) == 1:
        return (yield from _of_channel(labels, channels[0], steps))
    return (yield from _of_pair(labels, channels, steps))


def _of_channel(
    labels: Mapping[str, np.ndarray], channel: Channel, steps: Steps
) -> Work[dict[str, Values]]:
    from cp_measure.bulk import get_core_measurements

    core = get_core_measurements(sanitize=False)
    texture = partial(core["texture"], scale=SCALE, gray_levels=GREY_LEVELS)
    levels = _grey_levels(channel.scaled)
    granularities = granularity(core["granularity"], labels, channel.scaled)
    found: dict[str, Values] = {}
    for compartment, objects in labels.items():
        intensity = yield from _each(objects, steps, core["intensity"], channel.grey)
        textures = yield from _each(objects, steps, texture, levels)
        radial = yield from _each(objects, steps, core["radial_distribution"], channel.scaled)
        found[compartment] = {
            # Positions are those of the object, and the same in both images.
            **{name: one for name, one in intensity.items() if name.startswith("Intensity_")},
            **_over_directions(textures),
            **granularities[compartment],
            **radial,
        }
    return found


def _of_pair(
    labels: Mapping[str, np.ndarray], channels: Sequence[Channel], steps: Steps
) -> Work[dict[str, Values]]:
    from cp_measure.bulk import get_correlation_measurements

    of_pair = get_correlation_measurements(sanitize=False)
    planes = [channel.scaled for channel in channels]
    found: dict[str, Values] = {compartment: {} for compartment in labels}
    for compartment, objects in labels.items():
        for name in ("pearson", "manders_fold", "rwc"):
            function = partial(_labels_last, of_pair[name])
            found[compartment] |= yield from _each(objects, steps, function, *planes)
    return found


def _grey_levels(scaled: np.ndarray) -> np.ndarray:
    """Return what `cp_measure` takes for the levels 1, 2, … of values from 0 to 1.

    It makes 8 bits of a plane, and then levels by rounding down. Level 0 is left for the
    background: a pixel of an object that had it would be left out of the texture.
    """
    highest = GREY_LEVELS - 1
    levels = 1 + np.minimum(np.floor(scaled * highest), highest - 1)
    return np.asarray(np.ceil(255 * levels / highest) / 255)


class _Batch(NamedTuple):
    """Some objects, cut out and laid side by side.

    ``places`` are their numbers less 1, ``boxes`` where each is in the plane, ``slots`` where it
    lies in ``mask``, in which they are numbered from 1.
    """

    places: list[int]
    boxes: Sequence[tuple[slice, ...]]
    slots: Sequence[tuple[slice, ...]]
    mask: np.ndarray


def _batches(labels: np.ndarray) -> list[_Batch]:
    from scipy import ndimage

    boxes = dict(enumerate(ndimage.find_objects(labels)))
    # Objects of like size lie side by side, so that little of the room is empty.
    ordered = sorted(boxes, key=lambda place: [side.stop - side.start for side in boxes[place]])
    return [
        _batch(labels, {place: boxes[place] for place in ordered[first : first + Steps.EVERY]})
        for first in range(0, len(ordered), Steps.EVERY)
    ]


def _batch(labels: np.ndarray, boxes: Mapping[int, tuple[slice, ...]]) -> _Batch:
    high, wide = (
        max(box[axis].stop - box[axis].start for box in boxes.values()) for axis in (0, 1)
    )
    # With background around each, by which edges are told.
    mask = np.zeros((high + 2, len(boxes) * (wide + 1) + 1), np.int32)
    slots = []
    for number, (place, box) in enumerate(boxes.items(), 1):
        left = 1 + (number - 1) * (wide + 1)
        sizes = [side.stop - side.start for side in box]
        slot = slice(1, 1 + sizes[0]), slice(left, left + sizes[1])
        mask[slot] = np.where(labels[box] == place + 1, number, 0)
        slots.append(slot)
    return _Batch(list(boxes), list(boxes.values()), slots, mask)


def _each(
    labels: np.ndarray,
    steps: Steps,
    function: Callable[..., Mapping[str, Any]],
    *planes: np.ndarray,
) -> Work[Values]:
    """Call a function for a few objects at a time, so that a step is short."""
    found: Values = {}
    count = int(labels.max(initial=0))
    for batch in _batches(labels):
        parts = [np.zeros(batch.mask.shape) for _ in planes]
        for part, plane in zip(parts, planes, strict=True):
            for box, slot in zip(batch.boxes, batch.slots, strict=True):
                part[slot] = plane[box]
        for name, values in _of_batch(function, batch.mask, parts).items():
            column = found.setdefault(name, np.full(count, np.nan))
            column[batch.places] = np.where(np.isfinite(values), values, np.nan)
        yield steps.step(len(batch.places))
    return found


def _of_batch(
    function: Callable[..., Mapping[str, Any]], mask: np.ndarray, planes: list[np.ndarray]
) -> Values:
    """Call a function; where objects make it fail, call it for each by itself."""
    count = int(mask.max())
    found = quietly(function, mask, *planes)
    if found or count == 1:
        return {name: np.asarray(values, np.float64) for name, values in found.items()}
    alone: Values = {}
    for number in range(1, count + 1):
        for name, values in quietly(function, (mask == number).astype(np.int32), *planes).items():
            alone.setdefault(name, np.full(count, np.nan))[number - 1] = values[0]
    return alone


def _labels_last(function: Callable[..., Any], mask: np.ndarray, *planes: np.ndarray) -> Any:
    return function(*planes, mask)


def _over_directions(textures: Values) -> Values:
    """Average a texture over its directions, as cells lie in any."""
    found: dict[str, list[np.ndarray]] = {}
    for name, values in textures.items():
        found.setdefault(f"Texture_{name.split('_')[0]}", []).append(values)
    return {name: np.mean(directions, axis=0) for name, directions in found.items()}
