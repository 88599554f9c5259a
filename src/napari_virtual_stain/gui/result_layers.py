"""How every result becomes a layer: in its place, marked, and updated rather than piled up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari.layers

from napari_virtual_stain.gui import result_identity
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.layers import Layer, read_layer
from napari_virtual_stain.gui.result_identity import Key
from napari_virtual_stain.image import Image

FILE = "file"
"""Key of a result's metadata under which stands where on disk its pixels are."""


@dataclass(frozen=True, eq=False)
class Stored:
    """A result on disk, from which a viewer reads what it shows.

    Parameters
    ----------
    path : Path
    lower : tuple of Image
        The result at falling resolutions, without the full one.
    """

    path: Path
    lower: tuple[Image, ...] = ()


def show(
    viewer: Any,
    key: Key,
    place: Geometry,
    levels: Sequence[Image],
    make: Callable[[Any, dict[str, Any]], Layer],
    path: Path | None = None,
) -> Layer:
    """Update the layer of this key, or make it with the attributes that every result has.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    key : tuple of str
    place : Geometry
    levels : sequence of Image
        Without C axis, at falling resolutions; one where the pixels are in memory.
    make : callable
        Makes the layer of its pixels (an array, or a list of them) and those attributes.
    path : Path, optional
        Where the pixels are, if they are not in memory.
    """
    channel = levels[0]
    arrays = [place.arrange(level) for level in levels]
    pixels = arrays if len(arrays) > 1 else arrays[0]
    common = {**place.attributes(), "multiscale": len(arrays) > 1}
    layer = result_identity.find(viewer.layers, key)
    if layer is None:
        layer = make(pixels, common)
        layer.metadata = {METADATA: {"layer": layer.name}}
        _describe(layer, key, place, channel, path)
        return viewer.add_layer(layer)
    rescaled = _scaling(layer.metadata[METADATA].get("provenance", {})) != _scaling(
        channel.provenance
    )
    if len(arrays) == (len(layer.data) if layer.multiscale else 1):
        layer.data = pixels
        place.apply(layer)
    else:
        layer = _exchanged(viewer, layer, pixels, common)
        place.apply(layer)
    if rescaled and isinstance(layer, napari.layers.Image):
        # The limits are a person's choice, but of other units they would show nothing.
        fresh = make(pixels, common)
        layer.contrast_limits_range = fresh.contrast_limits_range
        layer.contrast_limits = fresh.contrast_limits
    _describe(layer, key, place, channel, path)
    return layer


def place_of(layer: Layer) -> Geometry:
    """Return where a result lies, with the axes of its own order."""
    axes = result_identity.axes_of(layer) or read_layer(layer).axes
    return Geometry.of(layer, axes)


def in_reading_order(items: Sequence[Any], add: Callable[[Any], Layer]) -> list[Layer]:
    """Add layers so that the first stands at the top of the layer list."""
    return [add(item) for item in reversed(items)][::-1]


def _exchanged(viewer: Any, old: Layer, pixels: Any, common: dict[str, Any]) -> Layer:
    """Put a layer in the place of one that cannot hold these pixels, and give it its looks.

    A layer of napari has as many resolutions as it was made with.
    """
    _, looks, kind = old.as_layer_data_tuple()
    index, active = viewer.layers.index(old), viewer.layers.selection.active == old
    viewer.layers.remove(old)
    layer = napari.layers.Layer.create(pixels, {**looks, **common}, kind)
    viewer.layers.insert(index, layer)
    if active:
        viewer.layers.selection.active = layer
    return viewer.layers[index]


def _scaling(provenance: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what the numbers of a result depend on, beside the image: units and match."""
    prediction = provenance.get("prediction", provenance)
    return prediction.get("units"), (provenance.get("match") or {}).get("method")


def _describe(layer: Layer, key: Key, place: Geometry, channel: Image, path: Path | None) -> None:
    ours = {
        **layer.metadata[METADATA],
        "channels": list(channel.channels),
        "provenance": dict(channel.provenance),
        "voxel_size": dict(channel.voxel_size),
        **result_identity.marked(layer, key, place.axes),
        FILE: None if path is None else str(path),
    }
    layer.metadata = {**layer.metadata, METADATA: ours}
