"""What an OME-Zarr says of its pixels, by the models of yaozarrs."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import AXES, Image
from napari_virtual_stain.io._plain_json import to_json
from napari_virtual_stain.io._tiff_metadata import MICROMETRES, SECONDS, in_units
from napari_virtual_stain.io.ome_zarr.attributes import OURS, Attributes
from napari_virtual_stain.version import __version__

LENGTHS = MICROMETRES | {"picometer": 1e-6, "decimeter": 1e5, "kilometer": 1e9}
TIMES = SECONDS | {"nanosecond": 1e-9, "microsecond": 1e-6, "millisecond": 1e-3}
"""Units in µm and s: those that the format names, and those that are found in files."""

NEUTRAL = "FFFFFF"
"""Colour of a channel of which no other is known."""

COLORMAPS = {
    "green": "00FF00", "magenta": "FF00FF", "yellow": "FFFF00", "cyan": "00FFFF", "red": "FF0000",
    "blue": "0000FF", "bop blue": "1F8FFF", "gray": NEUTRAL,
}  # fmt: skip
"""Colours of colormaps that models name for their outputs."""

Limits = tuple[float, float]


@dataclass(frozen=True)
class Metadata:
    """What an OME-Zarr image says of itself.

    Parameters
    ----------
    axes : str
        As stored, a subset of ``TCZYX`` in that order.
    paths : tuple of str
        Of the resolutions, the full one first.
    steps : mapping of str to float
        Size of a pixel in µm, of a time step in s, keyed by axis, where the unit is known.
    offset : mapping of str to float
        Where the image begins, in µm and s, or in pixels where the unit is not known.
    labels, colors, windows : tuple
        Name, hexadecimal colour and display limits of each channel, None where not given.
    provenance : mapping
    """

    axes: str
    paths: tuple[str, ...]
    steps: Mapping[str, float] = field(default_factory=dict)
    offset: Mapping[str, float] = field(default_factory=dict)
    labels: tuple[str | None, ...] = ()
    colors: tuple[str | None, ...] = ()
    windows: tuple[Limits | None, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def read_metadata(attributes: Attributes, file: str) -> Metadata:
    """Return what the attributes of an image group say.

    The pyramid is held against the specification; what viewers may need besides (names, colours
    and display limits of channels) is taken as far as it can be understood.

    Raises
    ------
    VirtualStainError
        If they are of another version, or damaged.
    """
    multiscale = _multiscale(attributes, file)
    axes = "".join(
        axis.name.upper() if len(axis.name) == 1 else f"({axis.name})" for axis in multiscale.axes
    )
    positions = [AXES.find(axis) for axis in axes]
    if -1 in positions or positions != sorted(set(positions)) or not axes.endswith("YX"):
        names = ", ".join(axis.name for axis in multiscale.axes)
        raise VirtualStainError(
            f"{file}: the axes of the image are {names}; those of an image here are some of t, c, "
            "z, y and x in that order, with y and x. Save it again with such axes."
        )
    scale, offset = np.ones(len(axes)), np.zeros(len(axes))
    # That of the resolution comes first, then that of all.
    for transforms in (
        multiscale.datasets[0].coordinateTransformations,
        multiscale.coordinateTransformations or (),
    ):
        for one in transforms:
            if one.type == "scale":
                scale, offset = scale * one.scale, offset * one.scale
            else:
                offset = offset + one.translation
    steps, offsets = {}, {}
    for axis, stored, size, start in zip(axes, multiscale.axes, scale, offset, strict=True):
        unit = in_units(stored.unit, TIMES if axis == "T" else LENGTHS) if axis != "C" else None
        known = unit is not None and math.isfinite(size) and size > 0
        if known and unit:
            steps[axis] = float(size * unit)
        begin = float(start * unit if known and unit else start / size if size else 0.0)
        offsets[axis] = begin if math.isfinite(begin) else 0.0
    channels = _channels(attributes.ome)
    ours = attributes.all.get(OURS)
    provenance = ours.get("provenance") if isinstance(ours, dict) else None
    return Metadata(
        axes,
        tuple(dataset.path for dataset in multiscale.datasets),
        steps,
        offsets,
        tuple(_label(channel) for channel in channels),
        tuple(_color(channel) for channel in channels),
        tuple(_window(channel) for channel in channels),
        (provenance if isinstance(provenance, dict) else {})
        | ({"labels": True} if "image-label" in attributes.ome else {}),
    )


def write_metadata(
    folder: Path,
    image: Image,
    levels: Sequence[tuple[Any, tuple[int, ...]]],
    version: str,
    colors: Mapping[str, str],
) -> None:
    """Make a folder of arrays an OME-Zarr image.

    Parameters
    ----------
    folder : Path
        Its arrays are called ``0``, ``1``, …
    image : Image
        What the metadata tell.
    levels : sequence of (zarr.Array, tuple of int)
        Each resolution, and by what every axis of it is smaller than in the full one.
    version : {"0.4", "0.5"}
    colors : mapping of str to str
        Hexadecimal colours or names of colormaps, by channel.
    """
    import zarr

    document = _image_model(image, levels, version, colors)
    identity: dict[str, Any] = {"version": __version__}
    if image.provenance:
        # JSON has no NaN, and other readers would refuse the whole file.
        identity |= {"provenance": json.loads(to_json(image.provenance), parse_constant=str)}
    attributes = {**(document if version == "0.4" else {"ome": document}), OURS: identity}
    group = zarr.open_group(folder, mode="a", zarr_format=2 if version == "0.4" else 3)
    group.attrs.put(attributes)


def _image_model(
    image: Image,
    levels: Sequence[tuple[Any, tuple[int, ...]]],
    version: str,
    colors: Mapping[str, str],
) -> dict[str, Any]:
    from yaozarrs import v04, v05

    models: Any = v04 if version == "0.4" else v05
    kinds = {"T": models.TimeAxis, "C": models.ChannelAxis}
    steps = {**image.voxel_size}
    if image.time_step is not None and "T" in image.axes:
        steps["T"] = image.time_step
    units = {axis: "second" if axis == "T" else "micrometer" for axis in steps}
    multiscale = models.Multiscale(
        name=image.name,
        axes=[
            kinds.get(axis, models.SpaceAxis)(
                name=axis.lower(), **({"unit": units[axis]} if axis in units else {})
            )
            for axis in image.axes
        ],
        datasets=[
            models.Dataset(path=str(number), coordinateTransformations=_transforms(models, *one))
            for number, one in enumerate(
                ([steps.get(axis, 1.0) for axis in image.axes], factors) for _, factors in levels
            )
        ],
        type="nearest" if image.provenance.get("labels") else "mean",
    )
    names = image.channels or ("",)
    written = image.replace(data=levels[0][0])
    omero = models.Omero(
        channels=[
            models.OmeroChannel(
                label=name or None,
                color=COLORMAPS.get(color := colors.get(name, NEUTRAL), color),
                window=_display_window(written.channel(position), models),
                active=True,
            )
            for position, name in enumerate(names)
        ]
    )
    document: dict[str, Any] = models.Image(multiscales=[multiscale], omero=omero).model_dump(
        mode="json", exclude_none=True
    )
    return document


def _transforms(models: Any, steps: Sequence[float], factors: Sequence[int]) -> list[Any]:
    scale = [step * factor for step, factor in zip(steps, factors, strict=True)]
    transforms = [models.ScaleTransformation(scale=scale)]
    if max(factors) > 1:
        # A pixel's position is that of its middle, and the middle of two lies between them.
        start = [step * (factor - 1) / 2 for step, factor in zip(steps, factors, strict=True)]
        transforms.append(models.TranslationTransformation(translation=start))
    return transforms


def _display_window(channel: Image, models: Any) -> Any:
    from napari_virtual_stain.evaluation.display import sampled_limits

    start, end = sampled_limits(channel)
    low, high = start, end
    if channel.dtype.kind in "iu":
        limits = np.iinfo(channel.dtype)
        low, high = float(limits.min), float(limits.max)
    return models.OmeroWindow(min=low, start=start, end=end, max=high)


def _multiscale(attributes: Attributes, file: str) -> Any:
    from pydantic import ValidationError
    from yaozarrs import v04, v05

    listed = attributes.ome.get("multiscales")
    first = listed[0] if isinstance(listed, list) and listed else None
    if not isinstance(first, dict):
        raise VirtualStainError(f"{file}: the metadata name no image; is the file damaged?")
    version = str((attributes.ome if attributes.zarr_format == 3 else first).get("version", "0.4"))
    models: Any = {"0.4": v04, "0.5": v05}.get(version)
    if models is None or (version == "0.4") != (attributes.zarr_format == 2):
        raise VirtualStainError(
            f"{file}: the image is an OME-Zarr of version {version}; those of 0.4 and 0.5 can be "
            "read. Convert it to one of them."
        )
    try:
        with warnings.catch_warnings():
            # Units that the format does not list: we know more of them, and ignore the rest.
            warnings.simplefilter("ignore")
            return models.Multiscale.model_validate(first)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"].splitlines()[0].rstrip(".")
        raise VirtualStainError(
            f"{file}: the metadata are no valid OME-Zarr {version} ({place}: {text}); export the "
            "image again."
        ) from error


def _channels(ome: Mapping[str, Any]) -> list[dict[str, Any]]:
    omero = ome.get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    if not isinstance(channels, list):
        return []
    return [channel if isinstance(channel, dict) else {} for channel in channels]


def _label(channel: Mapping[str, Any]) -> str | None:
    label = channel.get("label")
    return label if isinstance(label, str) and label else None


def _color(channel: Mapping[str, Any]) -> str | None:
    color = channel.get("color")
    found = re.fullmatch(r"#?([0-9A-Fa-f]{6})", color) if isinstance(color, str) else None
    return found[1].upper() if found else None


def _window(channel: Mapping[str, Any]) -> Limits | None:
    window = channel.get("window")
    low, high = (
        [window.get("start"), window.get("end")] if isinstance(window, dict) else [None, None]
    )
    if not (isinstance(low, int | float) and isinstance(high, int | float)):
        return None
    # False for NaN as well.
    return (float(low), float(high)) if -math.inf < low < high < math.inf else None
