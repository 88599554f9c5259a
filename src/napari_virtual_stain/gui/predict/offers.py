"""The layers that can be picked, looked at once for everything that is decided by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.layers import (
    Layer,
    Source,
    axes_choices,
    image_layers,
    read_layer,
)
from napari_virtual_stain.gui.results import is_result


@dataclass(frozen=True, eq=False)
class Offer:
    """An image layer that can be picked.

    Parameters
    ----------
    layer : napari.layers.Image
    source : Source, optional
        What it is as an image; None where it is refused, or its axes must be chosen first.
    choices : tuple of str
        What its axes can be.
    is_result : bool
        Whether it is a prediction or an error map of ours.
    """

    layer: Layer
    source: Source | None
    choices: tuple[str, ...]
    is_result: bool

    @property
    def axes(self) -> str:
        """What the axes are taken for, or empty where that must be chosen."""
        return self.source.axes if self.source is not None else ""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that can be picked; empty where there is only one."""
        several = self.source is not None and self.source.image.n_channels > 1
        return tuple(self.source.image.channels) if self.source is not None and several else ()


def look_at(layers: Sequence[Layer], axes: Mapping[Layer, str]) -> list[Offer]:
    """Return the image layers among `layers`, the topmost first, and what they are.

    Parameters
    ----------
    layers : sequence of layers
        All layers of a viewer.
    axes : mapping of layer to str
        What a person says about axes that cannot be told apart.
    """
    return [_offer(layer, axes.get(layer, "")) for layer in image_layers(layers)]


def _offer(layer: Layer, axes: str) -> Offer:
    try:
        source = read_layer(layer, axes)
    except VirtualStainError:
        source = None
    choices = () if layer.rgb else axes_choices(layer)
    return Offer(layer, source, choices, is_result(layer))
