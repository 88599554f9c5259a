"""Napari's layer data as an image: what a writer is given, made one of ours.

The way there is :mod:`.layer_data`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.gui.calibration import calibration
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.image import AXES, Image

AXIS_LABELS = {axis.lower(): axis for axis in AXES} | {"time": "T", "channel": "C", "depth": "Z"}
"""What a layer's axes may be called, in lower case."""

UNLABELLED = {2: "YX", 3: "ZYX", 4: "TZYX"}
"""What the axes of a layer are where it does not name them, by their number."""


def image_of_layers(layers: Sequence[tuple[Any, Mapping[str, Any]]], name: str) -> Image:
    """Return layers as one image with a channel for each, in their order.

    Parameters
    ----------
    layers : sequence of (data, attributes)
        Layer data of images or labels; of a multiscale layer the full resolution is taken.
        Nothing is copied or computed.
    name : str
        Name of the image.

    Raises
    ------
    VirtualStainError
        If a layer is in colour or its axes cannot be told apart, or if the layers do not lie on
        one grid.

    Warns
    -----
    VirtualStainWarning
        If a scale has no unit, if the layers are of different data types, or if they are moved
        or turned, which an :class:`Image` does not hold.
    """
    layers = [(data, {**_defaults(data), **attributes}) for data, attributes in layers]
    images = [_image(data, attributes, name) for data, attributes in layers]
    _warn_of_transforms([attributes for _, attributes in layers])
    if len(images) == 1:
        return images[0]
    labels = [str(attributes["name"]) for _, attributes in layers]
    _check_one_grid(labels, images, [attributes for _, attributes in layers])
    return _stacked(images, labels, name)


def layer_axes(ndim: int, axis_labels: Sequence[str], name: str) -> str:
    """Return the axes of a layer as letters of ``TCZYX``, in the layer's order.

    Labels are believed where they name every axis. Else the axes are Y and X, behind Z where
    there are three, and T where there are four.

    Raises
    ------
    VirtualStainError
        If there are other than two to four axes without such labels.

    Warns
    -----
    VirtualStainWarning
        If three or four axes are taken to be those.
    """
    named = [AXIS_LABELS.get(str(label).casefold(), "") for label in axis_labels]
    if len(set(named)) == ndim and {"Y", "X"} <= set(named) and "" not in named:
        return "".join(named)
    if ndim not in UNLABELLED:
        raise VirtualStainError(
            f"{name}: the layer has {ndim} axes, and they cannot be told apart; name its axes "
            "t, c, z, y, x (layer.axis_labels)."
        )
    if ndim > 2:
        taken = {3: "a z-stack", 4: "a time series of z-stacks"}[ndim]
        warnings.warn(
            f"{name}: the layer's axes have no names, and it is taken as {taken}.",
            VirtualStainWarning,
            stacklevel=2,
        )
    return UNLABELLED[ndim]


def _defaults(data: Any) -> dict[str, Any]:
    """Return what a layer's attributes are where nobody has given them."""
    ndim = np.ndim(data[0]) if isinstance(data, list) else data.ndim
    return {
        "name": "image",
        "metadata": {},
        "scale": (1.0,) * ndim,
        "units": ("pixel",) * ndim,
        "axis_labels": (),
        "translate": np.zeros(ndim),
        "rotate": np.eye(ndim),
        "shear": np.zeros(ndim * (ndim - 1) // 2),
        "affine": np.eye(ndim + 1),
    }


def _image(data: Any, attributes: Mapping[str, Any], image_name: str) -> Image:
    label = str(attributes["name"])
    if attributes.get("rgb"):
        raise VirtualStainError(
            f"{label}: the layer is in colour (RGB), and its colours are no channels; split it "
            "first (right-click on the layer, Split RGB)."
        )
    if attributes.get("multiscale"):
        data = data[0]
    axes = layer_axes(data.ndim, attributes["axis_labels"], label)
    steps = calibration(axes, attributes["scale"], attributes["units"])
    assumption = steps.assumption(label)
    if assumption is not None:
        warnings.warn(assumption, VirtualStainWarning, stacklevel=2)
    ordered = "".join(axis for axis in AXES if axis in axes)
    if ordered != axes:
        data = data if isinstance(data, np.ndarray) else _lazily(data)
        data = data.transpose([axes.index(axis) for axis in ordered])
    ours = attributes["metadata"].get(METADATA, {})
    n_channels = data.shape[ordered.index("C")] if "C" in ordered else 1
    # napari numbers layers that would have the same name.
    renamed = ours.get("layer") not in (label, re.sub(r" \[\d+\]$", "", label))
    channels = ours.get("channels", ())
    if "C" not in ordered and renamed:
        channels = (label,)
    return Image(
        data,
        ordered,
        voxel_size=steps.voxel_size,
        channels=channels if len(channels) == n_channels else (),
        time_step=steps.time_step,
        name=image_name,
        provenance=ours.get("provenance", {}),
    )


def _check_one_grid(
    labels: Sequence[str], images: Sequence[Image], attributes: Sequence[Mapping[str, Any]]
) -> None:
    first = images[0]
    for label, image, placed in zip(labels[1:], images[1:], attributes[1:], strict=True):
        if "C" in image.axes or "C" in first.axes:
            raise VirtualStainError(
                f"{label if 'C' in image.axes else labels[0]}: the layer has a channel axis, so it "
                "makes no single channel of a file; save it by itself, or split it first."
            )
        if (image.axes, image.shape) != (first.axes, first.shape):
            raise VirtualStainError(
                f"{labels[0]} ({_described(first)}) and {label} ({_described(image)}) are of "
                "different sizes and make no channels of one file; save each by itself."
            )
        if not all(
            np.allclose(np.asarray(attributes[0][key], float), np.asarray(placed[key], float))
            for key in ("translate", "rotate", "shear", "affine")
        ) or not _close(first, image):
            raise VirtualStainError(
                f"{labels[0]} and {label} do not lie on top of each other (their scales, units or "
                "positions differ) and make no channels of one file; save each by itself."
            )


def _close(one: Image, other: Image) -> bool:
    steps = [{**image.voxel_size, "T": image.time_step or 0.0} for image in (one, other)]
    same_axes = steps[0].keys() == steps[1].keys()
    return same_axes and all(np.isclose(steps[0][axis], steps[1][axis]) for axis in steps[0])


def _stacked(images: Sequence[Image], labels: Sequence[str], name: str) -> Image:
    import dask.array as da

    dtypes = {image.dtype for image in images}
    dtype = np.result_type(*dtypes)
    if len(dtypes) > 1:
        types = ", ".join(sorted(str(one) for one in dtypes))
        warnings.warn(
            f"{name}: the layers are of different data types ({types}), and a file holds one; "
            f"all are written as {dtype}.",
            VirtualStainWarning,
            stacklevel=2,
        )
    channels = [
        image.channels[0] if image.channels else label
        for image, label in zip(images, labels, strict=True)
    ]
    if len(set(channels)) < len(channels):
        channels = list(labels)
    origins = [dict(image.provenance) for image in images]
    same = all(origin == origins[0] for origin in origins)
    first = images[0]
    position = int("T" in first.axes)
    return first.replace(
        data=da.stack([_lazily(image.data).astype(dtype) for image in images], axis=position),
        axes=f"{first.axes[:position]}C{first.axes[position:]}",
        channels=channels,
        provenance=origins[0] if same else {"channels": dict(zip(channels, origins, strict=True))},
    )


def _lazily(data: Any) -> Any:
    import dask.array as da

    return data if isinstance(data, da.Array) else da.from_array(data, name=False)


def _warn_of_transforms(attributes: Sequence[Mapping[str, Any]]) -> None:
    neutral = {"translate": 0.0, "shear": 0.0, "rotate": None, "affine": None}
    moved = [
        str(one["name"])
        for one in attributes
        if np.any(np.asarray(one["scale"], float) < 0)
        or any(
            not np.allclose(value, np.eye(len(value)) if nought is None else nought)
            for key, nought in neutral.items()
            if (value := np.asarray(one[key], float)).size
        )
    ]
    if moved:
        warnings.warn(
            f"{', '.join(moved)}: position, rotation, mirroring and shear of a layer are not "
            "written.",
            VirtualStainWarning,
            stacklevel=3,
        )


def _described(image: Image) -> str:
    return " × ".join(f"{size} {axis}" for axis, size in image.sizes.items())
