"""Image: pixels, axes, voxel size and channel names. The one thing that flows between rooms.

A layer, a file and an array become an :class:`Image` at the border and stop
being anything else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError

AXES = "TCZYX"
"""All axes an image may have, in the order in which they stand."""

SPATIAL = "ZYX"


@dataclass(frozen=True, eq=False)
class Image:
    """An image with named axes.

    Parameters
    ----------
    data : array
        Any array with ``shape``, ``dtype`` and NumPy slicing (NumPy, Dask, Zarr); one
        dimension for each of `axes`. It is never written to, and stays lazy until its pixels
        are asked for.
    axes : str
        A subset of ``TCZYX`` in that order, with Y and X.
    voxel_size : mapping of str to float, optional
        Size in µm, keyed by spatial axis; axes whose size is unknown are absent.
    channels : sequence of str, optional
        Channel names, one for each position of C (at most one name where there is no C). Missing
        names of an image with C become ``channel 1``, ``channel 2``, …
    time_step : float, optional
        Seconds between time points, above 0; None where unknown.
    name : str
        What the user calls the image.
    provenance : mapping, optional
        Where the pixels come from (model, versions, settings), as plain JSON values.

    Raises
    ------
    VirtualStainError
        If axes, shape, voxel sizes and channel names contradict each other.
    """

    data: Any
    axes: str
    voxel_size: Mapping[str, float] = field(default_factory=dict)
    channels: Sequence[str] = ()
    time_step: float | None = None
    name: str = "image"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(hasattr(self.data, name) for name in ("shape", "dtype", "__getitem__")):
            raise VirtualStainError(
                f"{self.name}: the pixels are an array (NumPy, Dask, Zarr), not "
                f"{type(self.data).__name__}."
            )
        shape = tuple(self.data.shape)
        if not _in_order(self.axes) or not self.axes.endswith("YX"):
            raise VirtualStainError(
                f"{self.name}: the axes {self.axes!r} are not a subset of {AXES} in that order "
                "with Y and X at the end; name the axes again."
            )
        if len(shape) != len(self.axes):
            raise VirtualStainError(
                f"{self.name}: an image of shape {_times(shape)} has {len(shape)} axes, but the "
                f"axes {self.axes} name {len(self.axes)}."
            )
        if 0 in shape:
            raise VirtualStainError(f"{self.name}: the image is empty (shape {_times(shape)}).")
        for axis, size in self.voxel_size.items():
            if axis not in SPATIAL or axis not in self.axes:
                raise VirtualStainError(
                    f"{self.name}: a voxel size was given for the axis {axis!r}, which is not a "
                    f"spatial axis of {self.axes}."
                )
            if not (math.isfinite(size) and size > 0):
                raise VirtualStainError(
                    f"{self.name}: the voxel size {size} µm along {axis} is not a positive number."
                )
        if self.time_step is not None and not (
            math.isfinite(self.time_step) and self.time_step > 0
        ):
            raise VirtualStainError(
                f"{self.name}: the time step {self.time_step} s is not a positive number."
            )
        channels = tuple(str(channel) for channel in self.channels)
        count = self.data.shape[self.axes.index("C")] if "C" in self.axes else 1
        if "C" in self.axes and not channels:
            channels = tuple(f"channel {i + 1}" for i in range(count))
        if channels and len(channels) != count:
            raise VirtualStainError(
                f"{self.name}: {len(channels)} channel names were given for {count} channels."
            )
        object.__setattr__(self, "channels", channels)
        object.__setattr__(self, "voxel_size", MappingProxyType(dict(self.voxel_size)))
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))

    def __reduce__(self) -> tuple[Any, ...]:
        # Read-only views of dictionaries cannot be pickled, and workers of Dask need that.
        fields = (self.data, self.axes, dict(self.voxel_size), self.channels)
        return Image, (*fields, self.time_step, self.name, dict(self.provenance))

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each axis, in the order of `axes`."""
        return tuple(int(size) for size in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the pixels."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    @property
    def sizes(self) -> dict[str, int]:
        """Size of each axis, keyed by axis."""
        return dict(zip(self.axes, self.shape, strict=True))

    @property
    def n_channels(self) -> int:
        """Number of channels; 1 where there is no C axis."""
        return self.sizes.get("C", 1)

    def numpy(self) -> np.ndarray:
        """Return the pixels as a NumPy array, computed or read if they are lazy."""
        return np.asarray(self.data)

    def replace(self, **changes: Any) -> Image:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def select(self, axis: str, index: int) -> Image:
        """Return position `index` along `axis`, which is dropped.

        Raises
        ------
        VirtualStainError
            If the image has no such axis.
        """
        if axis not in self.axes:
            raise VirtualStainError(
                f"{self.name}: there is no axis {axis!r}; the image has the axes {self.axes}."
            )
        key = tuple(index if a == axis else slice(None) for a in self.axes)
        voxel_size = {a: size for a, size in self.voxel_size.items() if a != axis}
        channels = (self.channels[index],) if axis == "C" else self.channels
        return self.replace(
            data=lazily(self.data)[key],
            axes=self.axes.replace(axis, ""),
            voxel_size=voxel_size,
            channels=channels,
            time_step=None if axis == "T" else self.time_step,
        )

    def channel(self, which: int | str) -> Image:
        """Return one channel, by position or name, without a C axis.

        Raises
        ------
        VirtualStainError
            If the image has no such channel, or several of that name.
        """
        if isinstance(which, str):
            which = self._position(which)
        if not 0 <= which < self.n_channels:
            raise VirtualStainError(
                f"{self.name}: there is no channel {which + 1}; the image has {self.n_channels}."
            )
        return self.select("C", which) if "C" in self.axes else self

    def crop(self, regions: Mapping[str, slice]) -> Image:
        """Return the part inside `regions`, half-open pixel ranges keyed by axis.

        Raises
        ------
        VirtualStainError
            If a region names an axis that the image lacks, or leaves it.
        """
        sizes = self.sizes
        for axis, region in regions.items():
            if axis not in sizes:
                raise VirtualStainError(
                    f"{self.name}: cannot crop {axis}; the image has the axes {self.axes}."
                )
            start, stop = region.start or 0, sizes[axis] if region.stop is None else region.stop
            if region.step not in (None, 1) or not 0 <= start < stop <= sizes[axis]:
                raise VirtualStainError(
                    f"{self.name}: the crop {axis}={start}:{stop} does not lie in the image, "
                    f"whose {axis} axis runs from 0 to {sizes[axis]}."
                )
        key = tuple(regions.get(axis, slice(None)) for axis in self.axes)
        changes: dict[str, Any] = {"data": lazily(self.data)[key]}
        if "C" in regions and "C" in self.axes:
            changes["channels"] = self.channels[regions["C"]]
        return self.replace(**changes)

    def _position(self, name: str) -> int:
        matches = [i for i, channel in enumerate(self.channels) if channel == name]
        if not matches:
            folded = name.casefold()
            matches = [i for i, c in enumerate(self.channels) if c.casefold() == folded]
        if len(matches) == 1:
            return matches[0]
        problem = "several channels" if matches else "no channel"
        known = ", ".join(repr(channel) for channel in self.channels) or "no channel names"
        raise VirtualStainError(f"{self.name}: there is {problem} named {name!r}; it has {known}.")


def lazily(data: Any) -> Any:
    """Return an array of which a part can be taken without reading it.

    Zarr, HDF5 and their like read as soon as they are sliced; they become Dask arrays, which have
    the chunks that are stored. NumPy and Dask arrays stay what they are.
    """
    if isinstance(data, np.ndarray) or hasattr(data, "dask") or not hasattr(data, "chunks"):
        return data
    import dask.array as da

    return da.from_array(data, chunks=data.chunks or "auto", name=False)


def parse_region(text: str) -> tuple[str, slice]:
    """Parse a crop such as ``X=0:640`` into an axis and a half-open pixel range.

    Raises
    ------
    VirtualStainError
        If `text` is not of that form.
    """
    axis, equals, bounds = text.partition("=")
    start, colon, stop = bounds.partition(":")
    try:
        region = slice(int(start) if start else 0, int(stop) if stop else None)
    except ValueError:
        region = slice(-1, -1)
    if not equals or not colon or axis not in tuple(AXES) or (region.start or 0) < 0:
        raise VirtualStainError(f"the crop {text!r} is not of the form X=0:640 (axes {AXES}).")
    return axis, region


def _in_order(axes: str) -> bool:
    positions = [AXES.find(axis) for axis in axes]
    return -1 not in positions and positions == sorted(set(positions))


def _times(shape: Sequence[int]) -> str:
    return " × ".join(str(size) for size in shape)
