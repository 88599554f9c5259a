"""An image as napari's layer data: one layer for each channel, in place and in colour.

Layer data are plain tuples (data, attributes, type): nothing here needs napari or a window.
The way back is :mod:`.from_layer_data`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.evaluation.display import Limits, sampled_limits
from napari_virtual_stain.image import Image

if TYPE_CHECKING:
    from napari_virtual_stain.io.ome_zarr.reader import Multiscale

LayerData = tuple[Any, dict[str, Any], str]

METADATA = "napari_virtual_stain"
"""Key of a layer's metadata under which ours stand."""

LABELS = "labels"
"""Key of an image's provenance that says that its pixels are labels, not intensities."""

TRANSMITTED = re.compile(
    r"bright ?field|phase|transmi|label ?free|nomarski|\b(bf|ph\d?|phc|dic|tl|t ?pmt)\b"
)
DNA = re.compile(r"dapi|hoechst|dna|nucle")
FLUORESCENCE = ("green", "magenta", "yellow", "cyan")
"""Colormaps of channels other than DNA, in their order, as training gives them to outputs."""

BELOW, ABOVE = "translucent_no_depth", "additive"
"""Blending of transmitted light, and of what shines over it."""

DIMMED = 0.5
"""Opacity of transmitted light under fluorescence, which over a bright background is pale."""

WHITE = "FFFFFF"
"""Colour of a channel in a file that knows none."""

SHOWN = 3
"""Number of fluorescence channels that are visible at first: the light of more adds up to white."""


def layer_data(image: Image) -> list[LayerData]:
    """Return an image as layer data, one layer for each channel.

    Transmitted light comes first, that is at the bottom, because nothing shines through it.
    Pixels stay as lazy as they are: for the contrast limits few planes are read.

    Parameters
    ----------
    image : Image
        Of any axes. Where its provenance says so (`LABELS`), its channels become labels layers.

    Returns
    -------
    list of (data, attributes, type)
        `data` without C axis. Scale and units are in µm and s, 1 pixel where the size is
        unknown; axis labels are ``t``, ``z``, ``y``, ``x``. The metadata hold, under
        `METADATA`, the layer's name, its channels, provenance and voxel size as they were read.
    """
    return _from_below(_layers(image))


def multiscale_layer_data(source: Multiscale) -> list[LayerData]:
    """Return an OME-Zarr as layer data, one layer for each channel, in place.

    Parameters
    ----------
    source : Multiscale

    Returns
    -------
    list of (data, attributes, type)
        As :func:`layer_data`, with a list of arrays as `data` where there are lower resolutions.
        Colours and contrast limits are those that the file gives; where all its colours are
        white, no one has chosen them.
    """
    image = source.image
    offset = dict(zip(image.axes, source.offset, strict=True))
    chosen = any(color not in (None, WHITE) for color in source.colors)
    layers = []
    for position, (data, attributes, kind) in enumerate(_layers(image, source.windows)):
        place = image.axes.index("C") if "C" in image.axes else None
        levels = [
            level if place is None else level[(slice(None),) * place + (position,)]
            for level in source.levels
        ]
        attributes["translate"] = tuple(offset[axis] for axis in image.axes if axis != "C")
        if kind == "image":
            color = source.colors[position]
            if chosen and color is not None:
                attributes["colormap"] = "gray" if color == WHITE else f"#{color}"
        if len(levels) > 1:
            data, attributes["multiscale"] = levels, True
        layers.append((data, attributes, kind))
    return _from_below(layers)


def dimmed(layers: Sequence[LayerData]) -> list[LayerData]:
    """Return image layers with the transmitted light dimmed, if any fluorescence shines over it."""
    both = {BELOW, ABOVE} <= {attributes.get("blending") for _, attributes, _ in layers}
    return [
        (data, {**attributes, "opacity": DIMMED}, kind)
        if both and attributes.get("blending") == BELOW
        else (data, attributes, kind)
        for data, attributes, kind in layers
    ]


def layer_name(image_name: str, channel: str) -> str:
    """Return what the layer of a channel is called: ``image: channel``, without saying it twice."""
    if not channel or image_name.casefold().endswith(channel.casefold()):
        return image_name
    return f"{image_name}: {channel}"


def colormaps(names: Sequence[str]) -> list[str]:
    """Return a colormap for each channel name.

    Transmitted light is gray, DNA blue as microscopists expect, everything else in turn
    green, magenta, yellow, cyan. The only channel without a name is gray.
    """
    others = itertools.cycle(FLUORESCENCE)
    found = []
    for name in names:
        words = _words(name)
        if TRANSMITTED.search(words) or not (name or len(names) > 1):
            found.append("gray")
        else:
            found.append("bop blue" if DNA.search(words) else next(others))
    return found


def _layers(image: Image, windows: Sequence[Limits | None] = ()) -> list[LayerData]:
    """Return the layers in the order of the channels; `windows` are the limits that are known."""
    channels = [image.channel(position) for position in range(image.n_channels)]
    names = [_channel_name(channel) for channel in channels]
    if image.provenance.get(LABELS) and image.dtype.kind in "biu":
        return [
            (one.data, _placed(one, name), "labels")
            for one, name in zip(channels, names, strict=True)
        ]
    transmitted = [bool(TRANSMITTED.search(_words(name))) for name in names]
    shining = itertools.count()
    return [
        (
            one.data,
            {
                **_placed(one, name),
                "colormap": colormap,
                "blending": BELOW if below else ABOVE,
                "contrast_limits": limits or sampled_limits(one),
                "visible": below or next(shining) < SHOWN,
                # A narrow image is not one in colour.
                "rgb": False,
            },
            "image",
        )
        for one, name, colormap, below, limits in zip(
            channels,
            names,
            colormaps(names),
            transmitted,
            windows or (None,) * len(channels),
            strict=True,
        )
    ]


def _from_below(layers: Sequence[LayerData]) -> list[LayerData]:
    """Return layers with the transmitted light first, dimmed if fluorescence shines over it."""
    return dimmed(sorted(layers, key=lambda layer: layer[1].get("blending") != BELOW))


def _placed(channel: Image, name: str) -> dict[str, Any]:
    steps = {**channel.voxel_size}
    if channel.time_step is not None and "T" in channel.axes:
        steps["T"] = channel.time_step
    units = {axis: "second" if axis == "T" else "micrometer" for axis in steps}
    layer = layer_name(channel.name, name)
    return {
        "name": layer,
        "scale": tuple(steps.get(axis, 1.0) for axis in channel.axes),
        "units": tuple(units.get(axis, "pixel") for axis in channel.axes),
        "axis_labels": tuple(channel.axes.lower()),
        "metadata": {
            METADATA: {
                "layer": layer,
                "channels": list(channel.channels),
                "provenance": dict(channel.provenance),
                "voxel_size": dict(channel.voxel_size),
            }
        },
    }


def _channel_name(channel: Image) -> str:
    return channel.channels[0] if channel.channels else ""


def _words(name: str) -> str:
    """Return a name as words in lower case, so that ``BF_1`` holds the word ``bf``."""
    return re.sub(r"[\W_]+", " ", name.casefold())
