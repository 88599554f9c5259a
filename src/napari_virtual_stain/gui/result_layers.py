"""How every result becomes a layer: in its place, marked, and updated rather than piled up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import napari.layers

from napari_virtual_stain.gui import result_identity
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.layers import Layer, read_layer
from napari_virtual_stain.gui.result_identity import Key
from napari_virtual_stain.image import Image


def show(
    viewer: Any,
    key: Key,
    place: Geometry,
    channel: Image,
    make: Callable[[dict[str, Any]], Layer],
) -> Layer:
    """Update the layer of this key, or make it with the attributes that every result has."""
    layer = result_identity.find(viewer.layers, key)
    if layer is None:
        layer = make(place.attributes())
        layer.metadata = {METADATA: {"layer": layer.name}}
        _describe(layer, key, place, channel)
        return viewer.add_layer(layer)
    rescaled = _scaling(layer.metadata[METADATA].get("provenance", {})) != _scaling(
        channel.provenance
    )
    layer.data = place.arrange(channel)
    place.apply(layer)
    if rescaled and isinstance(layer, napari.layers.Image):
        # The limits are a person's choice, but of other units they would show nothing.
        fresh = make(place.attributes())
        layer.contrast_limits_range = fresh.contrast_limits_range
        layer.contrast_limits = fresh.contrast_limits
    _describe(layer, key, place, channel)
    return layer


def place_of(layer: Layer) -> Geometry:
    """Return where a result lies, with the axes of its own order."""
    axes = result_identity.axes_of(layer) or read_layer(layer).axes
    return Geometry.of(layer, axes)


def in_reading_order(items: Sequence[Any], add: Callable[[Any], Layer]) -> list[Layer]:
    """Add layers so that the first stands at the top of the layer list."""
    return [add(item) for item in reversed(items)][::-1]


def _scaling(provenance: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what the numbers of a result depend on, beside the image: units and match."""
    prediction = provenance.get("prediction", provenance)
    return prediction.get("units"), (provenance.get("match") or {}).get("method")


def _describe(layer: Layer, key: Key, place: Geometry, channel: Image) -> None:
    ours = {
        **layer.metadata[METADATA],
        "channels": list(channel.channels),
        "provenance": dict(channel.provenance),
        "voxel_size": dict(channel.voxel_size),
        **result_identity.marked(layer, key, place.axes),
    }
    layer.metadata = {**layer.metadata, METADATA: ours}
