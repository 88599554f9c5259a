"""Which layer is the result of what, so that a prediction made again updates its own layers.

The mark stands in a layer's metadata, beside its provenance. It names the layer that bears it, so
that a copy of a layer, which copies the metadata too, is nobody's result but its owner's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.image import Image

RESULT = "result"

Key = tuple[str, ...]


def prediction_key(inputs: Sequence[Layer], predicted: Image, output: str, axes: str) -> Key:
    """Return what a prediction is of: input layers and channels, model, output, axes."""
    origin = predicted.provenance
    model = str(origin.get("model_sha256") or origin.get("model", ""))
    channels = [str(channel) for channel in origin.get("source_channels", ())]
    layers = [str(layer.unique_id) for layer in inputs]
    return ("prediction", *layers, *channels, model, output, axes)


def derived_key(kind: str, of: Layer, *others: Layer) -> Key:
    """Return what a layer is that was made from a predicted layer, and perhaps from others."""
    return (kind, *(key_of(of) or (str(of.unique_id),)), *(str(one.unique_id) for one in others))


def derived_kind(layer: Layer, of: Layer) -> str | None:
    """Return which kind of result of `of` a layer is, or None if it is not made from it."""
    key, origin = key_of(layer), key_of(of)
    if key is None or origin is None or key[1 : 1 + len(origin)] != origin:
        return None
    return key[0]


def key_of(layer: Layer) -> Key | None:
    """Return what a layer is the result of, or None if it is not one of ours."""
    mark = _mark(layer)
    if mark.get("layer_id") != str(layer.unique_id):
        return None
    return tuple(mark["key"])


def axes_of(layer: Layer) -> str | None:
    """Return the axes of a result in its own order, or None if the layer is not one of ours."""
    return None if key_of(layer) is None else str(_mark(layer)["axes"])


def find(layers: Iterable[Layer], key: Key) -> Layer | None:
    """Return the layer that is the result of `key`, if it is still there."""
    return next((layer for layer in layers if key_of(layer) == key), None)


def marked(layer: Layer, key: Key, axes: str) -> dict[str, Any]:
    """Return the mark for a layer's metadata."""
    return {RESULT: {"key": list(key), "layer_id": str(layer.unique_id), "axes": axes}}


def _mark(layer: Layer) -> dict[str, Any]:
    ours = layer.metadata.get(METADATA)
    mark = ours.get(RESULT) if isinstance(ours, dict) else None
    return mark if isinstance(mark, dict) else {}
