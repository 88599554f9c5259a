"""Layers of napari as images: what their axes, voxel size and channels are, and what is refused.

No pixel is read here, so that a dock can look at layers with every click.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import napari.layers
import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.gui.calibration import calibration
from napari_virtual_stain.gui.from_layer_data import AXIS_LABELS
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.image import AXES, Image

Layer = Any
"""A layer of napari, or the proxy of one that plugins are given; compare them with ``==``."""

CUSTOMARY_AXES = {
    2: ("YX",),
    3: ("ZYX", "TYX", "CYX"),
    4: ("TZYX", "CZYX", "TCYX"),
    5: ("TCZYX",),
}
"""What the axes of a layer can be, by their number; the first of three axes are a stack."""


COMPARISON = "comparison"
"""Key of our metadata that marks the layers of a comparison, which are nobody's input."""


@dataclass(frozen=True, eq=False)
class Source:
    """A layer, and the image that it is.

    Parameters
    ----------
    layer : napari.layers.Image or napari.layers.Labels
    axes : str
        Of the layer, in its own order.
    image : Image
        The same pixels, as lazy as they were, with the axes in the order of ``TCZYX``.
    notices : tuple of Notice
        What had to be assumed about it.
    """

    layer: Layer
    axes: str
    image: Image
    notices: tuple[Notice, ...] = ()


def read_layer(layer: Layer, axes: str = "") -> Source:
    """Return a layer as an image.

    Parameters
    ----------
    layer : napari.layers.Layer
        Of a multiscale layer, the full resolution is taken.
    axes : str
        What a person says that its axes are, one of :func:`axes_choices`.

    Raises
    ------
    VirtualStainError
        If it is no image layer, an RGB image, or its axes cannot be told apart.
    """
    _check_kind(layer)
    return _read(layer, axes)


def read_labels(layer: Layer, axes: str = "") -> Source:
    """Return a labels layer as an image of its labels.

    Parameters
    ----------
    layer : napari.layers.Layer
    axes : str
        As in :func:`read_layer`.

    Raises
    ------
    VirtualStainError
        If it is no labels layer, or its axes cannot be told apart.
    """
    if not isinstance(layer, napari.layers.Labels):
        kind = layer.__class__.__name__.casefold()
        raise VirtualStainError(
            f"{layer.name} is a {kind} layer and not one of labels; choose a labels layer."
        )
    return _read(layer, axes)


def _read(layer: Layer, axes: str) -> Source:
    data = layer.data[0] if layer.multiscale else layer.data
    choices = axes_choices(layer)
    notices: list[Notice] = []
    if axes not in choices:
        axes = _assumed(layer, choices, notices)
    ordered = "".join(axis for axis in AXES if axis in axes)
    steps = calibration(axes, layer.scale, layer.units)
    assumption = steps.assumption(layer.name)
    if assumption is not None:
        notices.append(Notice(assumption))
    image = Image(
        data=_in_order(data, [axes.index(axis) for axis in ordered]),
        axes=ordered,
        voxel_size=steps.voxel_size,
        channels=_channels(layer, data.shape[axes.index("C")] if "C" in axes else 1),
        time_step=steps.time_step,
        name=layer.name,
        provenance=_ours(layer).get("provenance", {}),
    )
    return Source(layer, axes, image, tuple(notices))


def axes_choices(layer: Layer) -> tuple[str, ...]:
    """Return what the axes of an image layer can be, in its own order.

    Its axis labels (t, c, z, y, x; time, channel, depth) are believed. Where they do not name
    every axis, the customary orders remain that agree with those that they do name.
    """
    named = [AXIS_LABELS.get(str(label).casefold(), "") for label in layer.axis_labels]
    if all(named):
        axes = "".join(named)
        return (axes,) if len(set(axes)) == len(axes) and {"Y", "X"} <= set(axes) else ()
    fitting = [
        axes
        for axes in CUSTOMARY_AXES.get(layer.ndim, ())
        if all(name in ("", axis) for name, axis in zip(named, axes, strict=True))
    ]
    # Where orders differ only by axes with one position, they are the same.
    shape = _shape(layer)
    distinct: dict[str, str] = {}
    for axes in fitting:
        long = "".join(a if n > 1 else "-" for a, n in zip(axes, shape, strict=True))
        distinct.setdefault(long, axes)
    return tuple(distinct.values())


def describe_axes(axes: str) -> str:
    """Return what a person calls an order of axes: ``ZYX (z-stack)``."""
    words = {"T": "time points", "C": "channels", "Z": "z-stack"}
    named = ", ".join(words[axis] for axis in axes if axis in words)
    return f"{axes} ({named})" if named else axes


def image_layers(layers: Sequence[Layer]) -> list[Layer]:
    """Return the image layers, the topmost first, as a person reads the layer list.

    Those of a comparison are none: they are views of others.
    """
    return [
        one
        for one in reversed(list(layers))
        if isinstance(one, napari.layers.Image) and not is_of_comparison(one)
    ]


def is_of_comparison(layer: Layer) -> bool:
    """Whether a layer is one of those that a comparison shows."""
    return _ours(layer).get(COMPARISON) == str(layer.unique_id)


def _check_kind(layer: Layer) -> None:
    if not isinstance(layer, napari.layers.Image):
        kind = layer.__class__.__name__.casefold()
        raise VirtualStainError(
            f"{layer.name} is a {kind} layer and not an image; choose an image layer."
        )
    if layer.rgb:
        raise VirtualStainError(
            f"{layer.name} is an RGB image, and its colours are no grey values; split it "
            "(right-click on the layer, Split RGB) and choose one of the parts."
        )


def _assumed(layer: Layer, choices: Sequence[str], notices: list[Notice]) -> str:
    if not choices:
        labels = ", ".join(str(label) for label in layer.axis_labels)
        raise VirtualStainError(
            f"the axes of {layer.name} (labels {labels}) cannot be told apart; name them t, c, z, "
            "y, x in its axis labels, with y and x among them."
        )
    if len(choices) > 1 and layer.ndim > 3:
        listed = ", ".join(choices)
        raise VirtualStainError(
            f"which axes of {layer.name} are time, channels and z planes cannot be told apart; "
            f"choose its axes ({listed})."
        )
    if len(choices) > 1:
        count = _shape(layer)[0]
        notices.append(
            Notice(
                f"the axes of {layer.name} have no names: it is taken as a z-stack of {count} "
                "planes. If it is not, choose its axes."
            )
        )
    return choices[0]


def _shape(layer: Layer) -> tuple[int, ...]:
    return tuple((layer.data[0] if layer.multiscale else layer.data).shape)


def _in_order(data: Any, order: list[int]) -> Any:
    if order == sorted(order):
        return data
    if not isinstance(data, np.ndarray):
        import dask.array as da

        data = data if isinstance(data, da.Array) else da.from_array(data, name=False)
    return data.transpose(order)


def _channels(layer: Layer, count: int) -> tuple[str, ...]:
    names = tuple(str(name) for name in _ours(layer).get("channels", ()))
    return names if len(names) == count else ()


def _ours(layer: Layer) -> dict[str, Any]:
    ours = layer.metadata.get(METADATA, {})
    return ours if isinstance(ours, dict) else {}
