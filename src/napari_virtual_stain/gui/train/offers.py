"""The layers that pairs can be made of, looked at once for everything that is decided by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import napari.layers

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.layers import Layer, Source, axes_choices, read_labels, read_layer
from napari_virtual_stain.gui.predict.offers import Offer, look_at
from napari_virtual_stain.gui.results import is_result
from napari_virtual_stain.gui.sentences import sentence
from napari_virtual_stain.gui.train.own_layers import is_own


def input_offers(layers: Sequence[Layer], axes: Mapping[Layer, str]) -> list[Offer]:
    """Return the image layers that can be inputs, the topmost first; not those of the dock."""
    return look_at([layer for layer in layers if not is_own(layer)], axes)


def target_offers(layers: Sequence[Layer], axes: Mapping[Layer, str]) -> list[Offer]:
    """Return the layers that can be targets, images and labels, the topmost first."""
    images = {offer.layer: offer for offer in input_offers(layers, axes)}
    return [
        images[layer] if layer in images else _labels_offer(layer, axes.get(layer, ""))
        for layer in reversed(list(layers))
        if layer in images or is_labels(layer)
    ]


def shapes_layers(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers of a person's shapes, the topmost first."""
    return [
        layer
        for layer in reversed(list(layers))
        if isinstance(layer, napari.layers.Shapes) and not is_own(layer)
    ]


def is_labels(layer: Layer) -> bool:
    """Whether a layer is painted."""
    return isinstance(layer, napari.layers.Labels)


def read(layer: Layer, axes: str) -> Source:
    """Return an image or labels layer as an image.

    Raises
    ------
    VirtualStainError
        If it is neither, or cannot be read as one.
    """
    return read_labels(layer, axes) if is_labels(layer) else read_layer(layer, axes)


def unusable(layers: Sequence[Layer], axes: Mapping[Layer, str]) -> list[str]:
    """Return why image and labels layers cannot be taken as they are, a sentence for each."""
    return [
        _reason(offer) for offer in reversed(target_offers(layers, axes)) if offer.source is None
    ]


def _reason(offer: Offer) -> str:
    if len(offer.choices) > 1:
        return (
            f"Which axes of {offer.layer.name} are time, channels and z planes cannot be told "
            "apart; choose it, and then its axes."
        )
    try:
        read(offer.layer, "")
    except VirtualStainError as error:
        return sentence(str(error))
    raise AssertionError("unreachable: what can be read has a source")


def _labels_offer(layer: Layer, axes: str) -> Offer:
    try:
        source = read_labels(layer, axes)
    except VirtualStainError:
        source = None
    return Offer(layer, source, axes_choices(layer), is_result(layer))
