"""Frames: what one forward pass is about. A frame is one time point, and for 2D models one plane.

A frame reads any region of itself as normalized network channels at the model's voxel size, and
nothing more of the image than that region takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference.fitting import Fit
from napari_virtual_stain.inference.padding import Read
from napari_virtual_stain.inference.resampling import resample_region, resampled_size
from napari_virtual_stain.model import ModelSpec, NormalizationSpec
from napari_virtual_stain.normalization import Scaling, measure, normalize


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a fitted image.

    Parameters
    ----------
    images : tuple of Image
        One for each input, axes ([Z,] Y, X): with Z where the model is 3D or takes planes.
    scalings : tuple of Scaling
        One for each input, measured on the full image.
    planes : tuple of int
        Z planes that become channels; empty where the model takes none.
    zooms : tuple of float
        Magnification along each spatial axis.
    """

    images: tuple[Image, ...]
    scalings: tuple[Scaling, ...]
    planes: tuple[int, ...]
    zooms: tuple[float, ...]

    @property
    def source_sizes(self) -> tuple[int, ...]:
        """Sizes of the spatial axes on the image's grid."""
        return self.images[0].shape[-len(self.zooms) :]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the spatial axes on the model's grid."""
        pairs = zip(self.source_sizes, self.zooms, strict=True)
        return tuple(resampled_size(size, zoom) for size, zoom in pairs)

    @property
    def is_resampled(self) -> bool:
        """Whether the model's grid differs from the image's."""
        return any(zoom != 1 for zoom in self.zooms)

    def read(self, region: Sequence[slice]) -> np.ndarray:
        """Return the normalized channels of a region, float32, shape (channels, *region).

        The region is on the model's grid. No more of the image is read than it takes.
        """
        if not self.is_resampled:
            return self._read_source(region)
        return resample_region(self._read_source, region, self.source_sizes, self.zooms, self.sizes)

    def read_whole(self) -> np.ndarray:
        """Return all normalized channels, float32, shape (channels, *sizes)."""
        return self.read(tuple(slice(0, size) for size in self.sizes))

    @property
    def is_in_memory(self) -> bool:
        """Whether reading a region again costs next to nothing."""
        return not self.is_resampled and all(
            isinstance(image.data, np.ndarray) for image in self.images
        )

    @property
    def raw(self) -> RawReader | None:
        """A reader of the grey values as they are; None where normalizing takes more than a line.

        It is for devices that normalize faster than what feeds them.
        """
        dtypes = {image.dtype for image in self.images}
        simple = all(by.equalization is None for by in self.scalings)
        exact = all(str(dtype) in ("uint8", "int16", "uint16", "float32") for dtype in dtypes)
        if self.is_resampled or len(dtypes) > 1 or not (simple and exact):
            return None
        times = len(self.planes) or 1
        offsets = np.repeat([by.offset for by in self.scalings], times).astype(np.float32)
        units = np.repeat([by.unit for by in self.scalings], times).astype(np.float32)
        return RawReader(self._read_raw, offsets, units, dtypes.pop())

    def _read_source(self, region: Sequence[slice]) -> np.ndarray:
        sizes = [part.stop - part.start for part in region]
        values = np.empty((len(self.images) * (len(self.planes) or 1), *sizes), np.float32)
        for out, (grey, by) in zip(values, self._channels(region), strict=True):
            _normalize_into(out, grey, by)
        return values

    def _read_raw(self, region: Sequence[slice]) -> np.ndarray:
        return np.stack([grey for grey, _ in self._channels(region)])

    def _channels(self, region: Sequence[slice]) -> Iterator[tuple[np.ndarray, Scaling]]:
        """Yield the grey values of each network channel, and how they are scaled."""
        planes: Sequence[int | None] = self.planes or [None]
        for image, by in zip(self.images, self.scalings, strict=True):
            for plane in planes:
                # Plane by plane: lazy arrays differ in how they take lists of positions.
                at = tuple(region) if plane is None else (plane, *region)
                grey = np.asarray(image.data[at])
                yield grey.astype(grey.dtype.newbyteorder("="), copy=False), by


@dataclass(frozen=True, eq=False)
class RawReader:
    """Grey values, and what makes normalized channels of them.

    Parameters
    ----------
    read : callable
        Reads a region of the frame, tuple of slices to grey values (channels, *region).
    offsets, units : ndarray of float32, shape (channels,)
        Normalized value = (grey value − offset) / unit.
    dtype : dtype
        Of the grey values.
    """

    read: Read
    offsets: np.ndarray
    units: np.ndarray
    dtype: np.dtype[Any]


def time_points(fitted: Fit) -> int:
    """Return the number of time points of a fitted image."""
    return fitted.inputs[0].sizes.get("T", 1)


def planes_apart(fitted: Fit, spec: ModelSpec) -> int:
    """Return how many planes are predicted one by one: those of a stack under a 2D model."""
    if spec.spatial_axes == "ZYX" or fitted.planes:
        return 1
    return fitted.inputs[0].sizes.get("Z", 1)


def image_scalings(
    fitted: Fit, how: NormalizationSpec, time: int | None = None
) -> tuple[Scaling, ...]:
    """Measure how each input is scaled, over all its pixels.

    Parameters
    ----------
    fitted : Fit
        Not cropped: what is measured is the full image.
    how : NormalizationSpec
        Of the model.
    time : int, optional
        The time point; None measures the whole movie.

    Raises
    ------
    VirtualStainError
        If an input is constant, or holds NaN or infinite pixels.
    """
    several = time is not None and time_points(fitted) > 1
    return tuple(
        measure(
            _central(image if time is None else _at(image, time), how.central_planes).data,
            _label(image) + (f", time point {time}" * several),
            how.method,
            how.percentiles,
            how.equalize,
        )
        for image in fitted.inputs
    )


def frame(fitted: Fit, spec: ModelSpec, by: tuple[Scaling, ...], time: int, plane: int) -> Frame:
    """Return the frame of one time point, and of one plane where planes are predicted apart."""
    images = [_at(image, time) for image in fitted.inputs]
    if spec.spatial_axes == "YX" and not fitted.planes:
        images = [image.select("Z", plane) if "Z" in image.axes else image for image in images]
    return Frame(tuple(images), by, fitted.planes, fitted.zooms)


def _at(image: Image, time: int) -> Image:
    return image.select("T", time) if "T" in image.axes else image


def _label(image: Image) -> str:
    return f"{image.name} ({image.channels[0]})" if image.channels else image.name


def _central(image: Image, planes: int | None) -> Image:
    """Return so many planes around the middle of a stack, or all of a smaller one."""
    if planes is None or image.sizes.get("Z", 1) <= planes:
        return image
    first = (image.sizes["Z"] - planes) // 2
    return image.crop({"Z": slice(first, first + planes)})


def _normalize_into(out: np.ndarray, raw: np.ndarray, by: Scaling) -> None:
    """Normalize a plane or a stack, a plane at a time so that a large one can be stopped."""
    for target, plane in zip(out, raw, strict=True) if raw.ndim > 2 else [(out, raw)]:
        raise_if_stopped()
        target[...] = normalize(plane, by)
