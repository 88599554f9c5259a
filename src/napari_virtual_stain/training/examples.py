"""Examples: what the network sees of the pairs, read and scaled just as inference does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_stain.errors import ConstantImageError
from napari_virtual_stain.inference import fit
from napari_virtual_stain.inference.frames import (
    frame,
    image_scalings,
    planes_apart,
    time_points,
)
from napari_virtual_stain.model import ModelSpec
from napari_virtual_stain.normalization import Statistics, statistics
from napari_virtual_stain.training.fields import Field, Target
from napari_virtual_stain.training.lazy import Channels, LazyChannels, whole
from napari_virtual_stain.training.target_frames import TargetFrame, part_of
from napari_virtual_stain.training.targets import counted, label, target_scaling

if TYPE_CHECKING:
    from napari_virtual_stain.inference.frames import Frame
    from napari_virtual_stain.normalization import Scaling


@dataclass(frozen=True, eq=False)
class Place:
    """Where an example comes from.

    Parameters
    ----------
    pair : int
    scalings : tuple of Scaling
        Of the inputs.
    origin : mapping of str to int
        Where it begins in the images of the pair (px).
    sizes : tuple of int
        Of the target there, before it was brought to the model's voxel size.
    zooms : tuple of float
        By which it was, along each spatial axis of the target.
    """

    pair: int
    scalings: tuple[Scaling, ...]
    origin: Mapping[str, int]
    sizes: tuple[int, ...]
    zooms: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Example:
    """One frame of a pair, scaled, at the model's voxel size.

    Parameters
    ----------
    values : float32, shape (in_channels, *spatial)
        An array, or channels that are read when they are asked for.
    target : float32, shape (outputs, *spatial)
        Without Z where the model projects. Anything where the weight is 0.
    statistics : tuple of Statistics or None
        Of each target channel over the full image; None of masks and of what is missing.
    weight : bool, shape of the target, optional
        What counts; None for everything.
    place : Place, optional
    """

    values: Channels
    target: Channels
    statistics: tuple[Statistics | None, ...]
    weight: Channels | None = None
    place: Place | None = None

    @property
    def bytes(self) -> int:
        """What it takes in memory, as a whole."""
        pixels = 4 * (int(np.prod(self.values.shape)) + int(np.prod(self.target.shape)))
        return pixels + (int(np.prod(self.target.shape)) if self.weight is not None else 0)

    def in_memory(self) -> Example:
        """Return it with everything read."""
        weight = None if self.weight is None else whole(self.weight)
        return replace(self, values=whole(self.values), target=whole(self.target), weight=weight)


def read_examples(
    spec: ModelSpec,
    field: Field,
    crop: Mapping[str, slice],
    region: np.ndarray | None = None,
) -> list[Example]:
    """Return one example for each frame of a field; their pixels are read when asked for.

    Parameters
    ----------
    spec : ModelSpec
        With the ranges of outputs whose scale is bounded.
    field : Field
        In the order of the specification.
    crop : mapping of str to slice
        Part of the pair; statistics are those of the full images, where they count.
    region : ndarray of bool, shape (Y, X), optional
        Outside, targets do not count. Of the full image.

    Returns
    -------
    list of Example
        Time points, and within each the planes that are learned one by one. Of a movie, time points
        without an input are left out, and targets that are constant at one are missing there: a
        frame that was not lit shows nothing.

    Raises
    ------
    VirtualStainError
        If an image is constant or holds NaN, or the crop leaves it.
    """
    fitted = fit(spec, list(field.sources))
    cropped = fitted.crop(crop)
    origin = {axis: part.start or 0 for axis, part in crop.items()}
    how = spec.normalization
    together = field.pooled or how.per == "movie"
    of_movie = image_scalings(fitted, how) if together else None
    measured = _measured_all(spec, field, None) if together else ()
    examples: list[Example] = []
    dark: ConstantImageError | None = None
    for time in range(time_points(cropped)):
        at = origin.get("T", 0) + time
        try:
            by = of_movie or image_scalings(fitted, how, at)
        except ConstantImageError as error:
            dark = error
            continue
        if not together:
            measured = _measured_all(spec, field, at)
        for plane in range(planes_apart(cropped, spec)):
            first = {**origin, "T": at, "Z": origin.get("Z", 0) + plane}
            source = frame(cropped, spec, by, time, plane)
            targets = _target_frame(spec, field, crop, region, first, source, measured)
            place = Place(field.pair, by, first, targets.source_sizes, targets.zooms)
            examples.append(_example(source, targets, measured, place))
    if dark is not None and not examples:
        raise dark
    return examples


def _measured_all(spec: ModelSpec, field: Field, time: int | None) -> tuple[Statistics | None, ...]:
    """Return the statistics of each target at a time point, or of a whole movie; None of masks."""
    return tuple(
        _measured(target, time) if output.kind != "mask" and target is not None else None
        for target, output in zip(field.targets, spec.outputs, strict=True)
    )


def _measured(target: Target, time: int | None) -> Statistics | None:
    """Return the statistics of what counts of a target; None where it shows nothing."""
    moves = "T" in target.image.axes
    one = _at(target, time) if moves and time is not None else target
    pixels = counted(one)
    if not pixels.size:
        return None
    try:
        return statistics(pixels, label(target))
    except ConstantImageError:
        if moves and time is not None and target.image.sizes["T"] > 1:
            return None
        raise


def _at(target: Target, time: int) -> Target:
    counts = None if target.counts is None else target.counts.select("T", time)
    return replace(target, image=target.image.select("T", time), counts=counts)


def _target_frame(
    spec: ModelSpec,
    field: Field,
    crop: Mapping[str, slice],
    region: np.ndarray | None,
    first: Mapping[str, int],
    source: Frame,
    measured: tuple[Statistics | None, ...],
) -> TargetFrame:
    def scaling(position: int) -> Scaling:
        return target_scaling(spec.outputs[position], measured[position], source.scalings[0])

    # What has no statistics shows nothing at this time point, and is as if it were missing.
    shown = [
        target if output.kind == "mask" or by is not None else None
        for target, output, by in zip(field.targets, spec.outputs, measured, strict=True)
    ]
    axes = 2 if spec.projects else len(spec.spatial_axes)
    return TargetFrame(
        outputs=tuple(spec.outputs),
        parts=tuple(
            None if target is None else part_of(target, spec, crop, first, region)
            for target in shown
        ),
        scalings=tuple(
            None if target is None else scaling(position) for position, target in enumerate(shown)
        ),
        source_sizes=source.source_sizes[-axes:],
        zooms=source.zooms[-axes:],
    )


def _example(
    source: Frame,
    targets: TargetFrame,
    measured: tuple[Statistics | None, ...],
    place: Place,
) -> Example:
    channels = len(source.images) * (len(source.planes) or 1)
    shape = (len(targets.outputs), *targets.sizes)
    return Example(
        LazyChannels(source.read, (channels, *source.sizes)),
        LazyChannels(targets.read, shape),
        measured,
        LazyChannels(targets.read_weight, shape) if targets.is_weighted else None,
        place,
    )
