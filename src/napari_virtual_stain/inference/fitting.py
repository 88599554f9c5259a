"""Whether an image fits a model, and how: channels, axes, z planes, voxel sizes.

No pixel is read and no torch is loaded here, so that a verdict can follow every click.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference.resampling import TOLERANCE
from napari_virtual_stain.model import ModelSpec

MAX_ZOOM = 16.0


@dataclass(frozen=True, eq=False)
class Fit:
    """An image that fits a model.

    Parameters
    ----------
    inputs : tuple of Image
        One image without C axis for each input of the model.
    planes : tuple of int
        Z planes that are taken as channels; empty where the model takes none.
    zooms : tuple of float
        Magnification along each spatial axis of the model to reach its voxel size.
    notices : tuple of Notice
        What a person should know about it.
    """

    inputs: tuple[Image, ...]
    planes: tuple[int, ...]
    zooms: tuple[float, ...]
    notices: tuple[Notice, ...]

    def crop(self, regions: Mapping[str, slice]) -> Fit:
        """Return the part inside `regions`, half-open pixel ranges keyed by axis.

        Raises
        ------
        VirtualStainError
            If a region leaves the image, or cuts the planes that the model takes as channels.
        """
        if "C" in regions:
            raise VirtualStainError(
                f"{self.inputs[0].name}: a prediction is not cropped in C; choose its channels."
            )
        if self.planes and "Z" in regions:
            raise VirtualStainError(
                f"{self.inputs[0].name}: the model takes the whole z-stack; leave Z uncropped."
            )
        inputs = tuple(image.crop(regions) for image in self.inputs)
        return replace(self, inputs=inputs)


def fit(
    spec: ModelSpec,
    image: Image | Sequence[Image],
    channels: Sequence[int | str] | None = None,
) -> Fit:
    """Match an image with what a model expects.

    Parameters
    ----------
    spec : ModelSpec
    image : Image or sequence of Image
        One image, or one image for each input of the model.
    channels : sequence of int or str, optional
        For each input of the model, the channel to take.

    Returns
    -------
    Fit

    Raises
    ------
    VirtualStainError
        If the image does not fit; the sentence says why and what to do.
    """
    notices: list[Notice] = []
    given = [image] if isinstance(image, Image) else list(image)
    for one in given:
        if not isinstance(one, Image):
            raise VirtualStainError(
                "an image is needed, or one image for each input of the model (vs.read_image, "
                f"vs.Image), not {type(one).__name__}."
            )
    inputs = _inputs(spec, image, channels, notices)
    for one in inputs:
        _check_pixels(one)
        _check_same_voxels(inputs[0], one)
        if one.sizes != inputs[0].sizes:
            raise VirtualStainError(
                f"the inputs {inputs[0].name!r} ({_sizes(inputs[0])}) and {one.name!r} "
                f"({_sizes(one)}) have different sizes; choose inputs on one grid."
            )
    planes = _planes(spec, inputs[0], notices)
    zooms = tuple(_zoom(spec, inputs[0], axis) for axis in spec.spatial_axes)
    notices += _voxel_notices(spec, inputs[0], zooms)
    return Fit(inputs, planes, zooms, tuple(notices))


def _inputs(
    spec: ModelSpec,
    image: Image | Sequence[Image],
    channels: Sequence[int | str] | None,
    notices: list[Notice],
) -> tuple[Image, ...]:
    wanted = [channel.name for channel in spec.inputs]
    expected = f"the model {spec.name!r} takes {_count(len(wanted), 'channel')} ({_list(wanted)})"
    if not isinstance(image, Image):
        if len(image) != len(wanted):
            raise VirtualStainError(f"{expected}, not {_count(len(image), 'image')}.")
        if channels is not None and len(channels) != len(wanted):
            raise VirtualStainError(f"{expected}, but {len(channels)} channels were named.")
        chosen: Sequence[int | str | None] = channels or [None] * len(wanted)
        return tuple(_one(i, w, c) for i, w, c in zip(image, wanted, chosen, strict=True))
    if channels is not None:
        if len(channels) != len(wanted):
            raise VirtualStainError(
                f"{expected}, but {_count(len(channels), 'channel')} of {image.name} were named: "
                f"{_list(channels)}. Name one for each."
            )
        return tuple(image.channel(channel) for channel in channels)
    if len(wanted) == image.n_channels == 1:
        return (image.channel(0),)
    folded = [channel.casefold() for channel in image.channels]
    if all(folded.count(name.casefold()) == 1 for name in wanted):
        return tuple(image.channel(folded.index(name.casefold())) for name in wanted)
    has = f"{image.name} has {_count(image.n_channels, 'channel')} ({_list(image.channels)})"
    if image.n_channels != len(wanted):
        raise VirtualStainError(f"{expected}, and {has}; choose the channel for each input.")
    notices.append(
        Notice(f"{expected}, and {has}; they were taken in this order, as the names differ.", True)
    )
    return tuple(image.channel(position) for position in range(image.n_channels))


def _one(image: Image, wanted: str, channel: int | str | None) -> Image:
    if channel is not None:
        return image.channel(channel)
    if image.n_channels == 1:
        return image.channel(0)
    if wanted.casefold() in (name.casefold() for name in image.channels):
        return image.channel(wanted)
    raise VirtualStainError(
        f"{image.name} has {image.n_channels} channels ({_list(image.channels)}), none of them "
        f"named {wanted!r}; choose the channel for this input."
    )


def _check_pixels(image: Image) -> None:
    if image.dtype.kind not in "buif":
        raise VirtualStainError(
            f"{image.name} has pixels of the type {image.dtype}; give integer or real grey values."
        )


def _check_same_voxels(first: Image, other: Image) -> None:
    for axis, size in first.voxel_size.items():
        if abs(other.voxel_size.get(axis, size) / size - 1) > TOLERANCE:
            raise VirtualStainError(
                f"the inputs {first.name!r} and {other.name!r} have different voxel sizes along "
                f"{axis} ({size:g} and {other.voxel_size[axis]:g} µm); choose inputs on one grid."
            )


def _planes(spec: ModelSpec, image: Image, notices: list[Notice]) -> tuple[int, ...]:
    size = image.sizes.get("Z", 1)
    if spec.spatial_axes == "ZYX" and size < 2:
        raise VirtualStainError(
            f"{image.name} is a 2D image, and the model {spec.name!r} is a 3D model; "
            "give a z-stack, or choose a 2D model."
        )
    if not spec.takes_planes:
        return ()
    wanted = spec.inputs[0].planes
    if size < 2:
        raise VirtualStainError(
            f"{image.name} is a single plane, and the model {spec.name!r} takes a z-stack of "
            f"{wanted} planes as its channels; give the stack."
        )
    chosen = np.rint(np.linspace(0, size - 1, wanted)).astype(int)
    if size != wanted:
        notices.append(
            Notice(
                f"{image.name} has {size} z planes and the model {spec.name!r} takes {wanted}: "
                "the nearest planes are used, so the focus may not match the training.",
                True,
            )
        )
    return tuple(int(plane) for plane in chosen)


def _zoom(spec: ModelSpec, image: Image, axis: str) -> float:
    of_model, of_image = spec.voxel_size.get(axis), image.voxel_size.get(axis)  # type: ignore[call-overload]
    if of_model is None or of_image is None:
        return 1.0
    zoom: float = of_image / of_model
    if abs(zoom - 1) <= TOLERANCE:
        return 1.0
    if not 1 / MAX_ZOOM <= zoom <= MAX_ZOOM:
        raise VirtualStainError(
            f"{image.name} has a voxel size of {of_image:g} µm along {axis}, and the model "
            f"{spec.name!r} was trained at {of_model:g} µm, more than {MAX_ZOOM:g} times apart; "
            "correct the voxel size of the image, or choose another model."
        )
    return zoom


def _voxel_notices(spec: ModelSpec, image: Image, zooms: tuple[float, ...]) -> list[Notice]:
    notices = []
    axes = [axis for axis, zoom in zip(spec.spatial_axes, zooms, strict=True) if zoom != 1]
    if axes:
        now = " × ".join(f"{image.voxel_size[axis]:g}" for axis in axes)
        then = " × ".join(f"{spec.voxel_size[axis]:g}" for axis in axes)  # type: ignore[index]
        notices.append(
            Notice(
                f"{image.name} is resampled along {', '.join(axes)} from {now} to {then} µm, the "
                "voxel size of the model, and the prediction is resampled back."
            )
        )
    unknown = [axis for axis in spec.spatial_axes if axis not in image.voxel_size]
    if unknown:
        sizes = " × ".join(f"{size:g}" for size in spec.voxel_size.values())
        taken = (
            f"; it is predicted as if it were that of the model ({sizes} µm)."
            if spec.voxel_size
            else ", as is that of the model; it is predicted pixel by pixel."
        )
        notices.append(
            Notice(
                f"the voxel size of {image.name} along {', '.join(unknown)} is unknown{taken}", True
            )
        )
    return notices


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _list(items: Sequence[object]) -> str:
    return ", ".join(str(item) for item in items) or "unnamed"


def _sizes(image: Image) -> str:
    return " × ".join(f"{axis} {size}" for axis, size in image.sizes.items())
