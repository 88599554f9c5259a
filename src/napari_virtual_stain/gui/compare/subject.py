"""What is compared: one observed and one predicted channel on one grid, and where it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from napari_virtual_stain.evaluation.display import Limits, sampled_limits
from napari_virtual_stain.evaluation.matching import Coefficients
from napari_virtual_stain.events import Progress, Work
from napari_virtual_stain.gui.compare.derived import Derived
from napari_virtual_stain.gui.compare.grids import Common, Relation, along, cropped
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.layers import Source
from napari_virtual_stain.image import Image, lazily


@dataclass(frozen=True, eq=False)
class Subject:
    """A pair of channels on one grid.

    Parameters
    ----------
    name : str
        Of the channel.
    observed, predicted : Image
        Without C axis, of one shape.
    place : Geometry
        Where they lie, with the axes in the order of the observed layer.
    colormap : Any
        In which the channel is shown beside others.
    limits : (low, high), optional
        For observed and predicted, from a sample of the pixels, until all have been looked at.
    """

    name: str
    observed: Image
    predicted: Image
    place: Geometry
    colormap: Any = "green"
    limits: Limits | None = None

    @cached_property
    def pixels(self) -> tuple[Any, Any]:
        """Observed and predicted pixels, as lazy as they are, with the axes of `place`."""
        return self.place.arrange(self.observed), self.place.arrange(self.predicted)

    @property
    def can_be_projected(self) -> bool:
        """Whether there are planes to project."""
        return self.observed.sizes.get("Z", 1) > 1

    def matched(self, coefficients: Sequence[Coefficients]) -> Any:
        """Return the predicted pixels after a match, computed where they are looked at."""
        predicted = self.pixels[1]
        if all(one == (1.0, 0.0) for one in coefficients):
            return predicted
        gains, offsets = (
            self._along_time([one[part] for one in coefficients], predicted.shape)
            for part in range(2)
        )

        def apply(values: np.ndarray, gain: np.ndarray, offset: np.ndarray) -> np.ndarray:
            result: np.ndarray = values.astype(np.float64) * gain + offset
            return result

        return Derived((predicted, gains, offsets), apply, np.float32)

    def along_time(self, values: Sequence[float]) -> np.ndarray:
        """Return a value for each time point as an array of the shape of the pixels.

        It is a view and takes no memory.
        """
        return self._along_time(values, self.pixels[0].shape)

    def at(self, index: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the observed and the predicted pixels at positions along some axes, in memory."""
        arrays = []
        for image in (self.observed, self.predicted):
            key = tuple(index.get(axis, slice(None)) for axis in image.axes)
            arrays.append(np.asarray(image.data[key]))
        return arrays[0], arrays[1]

    def _along_time(self, values: Sequence[float], shape: tuple[int, ...]) -> np.ndarray:
        lengths = [len(values) if axis == "T" else 1 for axis in self.place.axes]
        column = np.asarray(values, float)[: max(lengths)].reshape(lengths)
        return np.broadcast_to(column, shape)


def subject(
    name: str,
    observed: tuple[Source, int],
    predicted: tuple[Source, int],
    common: Common,
    colormap: Any = "green",
) -> Work[Subject]:
    """Bring two channels of layers to their common grid; a generator of events.

    Parameters
    ----------
    name : str
    observed, predicted : (Source, int)
        A layer and the position of its channel.
    common : Common
        Of the two layers.
    colormap : Any
    """
    layer, position = observed
    place = _without_channels(Geometry.of(layer.layer, layer.axes))
    seen = _part(_channel(layer.image, position), common.observed)
    part = cropped(place, common.observed)
    given = _channel(predicted[0].image, predicted[1])
    if common.relation is Relation.RESAMPLE:
        there = _without_channels(Geometry.of(predicted[0].layer, predicted[0].axes))
        given = yield from _resampled(given, there, seen, part)
    else:
        given = _part(given, common.predicted)
    given = _like(given, seen.axes)
    return Subject(name, seen, given, part, colormap, sampled_limits(seen))


def projected(one: Subject) -> Work[Subject]:
    """Project a subject along Z by its maximum; a generator of events."""
    images = []
    times = one.observed.sizes.get("T", 1)
    for part, image in enumerate((one.observed, one.predicted)):
        frames = []
        for time in range(times):
            yield Progress("projecting", part * times + time, 2 * times)
            data = image.data[time] if "T" in image.axes else image.data
            top = np.asarray(data[0])
            for z in range(1, data.shape[0]):
                top = np.fmax(top, np.asarray(data[z]))
            frames.append(top)
        pixels = np.stack(frames) if "T" in image.axes else frames[0]
        axes = image.axes.replace("Z", "")
        voxel_size = {axis: size for axis, size in image.voxel_size.items() if axis in axes}
        images.append(replace(image, data=pixels, axes=axes, voxel_size=voxel_size))
    axes = one.place.axes.replace("Z", "")
    limits = sampled_limits(images[0])
    place = one.place.keep(axes)
    return replace(one, observed=images[0], predicted=images[1], place=place, limits=limits)


def _channel(image: Image, position: int) -> Image:
    # What reads as soon as it is looked at becomes lazy once, and not with every look.
    image = replace(image, data=lazily(image.data))
    return image.channel(position) if "C" in image.axes else image


def _without_channels(place: Geometry) -> Geometry:
    return place.keep(place.axes.replace("C", "")) if "C" in place.axes else place


def _part(image: Image, part: Mapping[str, slice]) -> Image:
    wanted = {axis: where for axis, where in part.items() if axis in image.axes}
    return image.crop(wanted) if wanted else image


def _like(image: Image, axes: str) -> Image:
    """Return an image with the axes of another, which has one position along what it lacks."""
    if image.axes == axes:
        return image
    data = lazily(image.data)
    kept = [axis for axis in image.axes if axis in axes]
    key = tuple(slice(None) if axis in axes else 0 for axis in image.axes)
    index = tuple(slice(None) if axis in kept else None for axis in axes)
    voxel_size = {axis: size for axis, size in image.voxel_size.items() if axis in axes}
    return replace(
        image,
        data=data[key][index],
        axes=axes,
        voxel_size=voxel_size,
        time_step=image.time_step if "T" in axes else None,
    )


def _resampled(image: Image, there: Geometry, like: Image, place: Geometry) -> Work[Image]:
    """Resample an image to the grid of another, linearly, smoothed first where that is coarser."""
    from scipy import ndimage

    image = _like(image, like.axes)
    into, out_of = along(place), along(there)
    assert into is not None  # a grid of others is not offered
    assert out_of is not None
    spatial = [axis for axis in like.axes if axis != "T"]
    axes = [axis for axis in spatial if axis in into[0] and axis in out_of[0]]
    alone = tuple(0 if axis not in axes else slice(None) for axis in spatial)
    back = tuple(None if axis not in axes else slice(None) for axis in spatial)
    steps = [into[0][axis] / out_of[0][axis] for axis in axes]
    offsets = [(into[1][axis] - out_of[1][axis]) / out_of[0][axis] for axis in axes]
    shape = tuple(like.sizes[axis] for axis in axes)
    frames, times = [], like.sizes.get("T", 1)
    for time in range(times):
        yield Progress("resampling", time, times)
        data = np.asarray(image.data[time] if "T" in image.axes else image.data, np.float32)[alone]
        blur = [0.5 * np.sqrt(max(0.0, step**2 - 1)) for step in steps]
        if any(blur):
            data = ndimage.gaussian_filter(data, blur, mode="nearest")
        moved = ndimage.affine_transform(
            data, np.array(steps), offsets, shape, order=1, mode="nearest"
        )
        frames.append(moved[back])
    pixels = np.stack(frames) if "T" in like.axes else frames[0]
    return replace(image, data=pixels, axes=like.axes, voxel_size=dict(like.voxel_size))
