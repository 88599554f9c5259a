"""Predictions and comparisons as layers: in place, legible, and updated rather than piled up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

import napari.layers
from napari.utils.colormaps import AVAILABLE_COLORMAPS, Colormap, DirectLabelColormap

from napari_virtual_stain.evaluation import Comparison
from napari_virtual_stain.evaluation.display import Limits, display_limits
from napari_virtual_stain.evaluation.errors import ERROR_TITLES
from napari_virtual_stain.gui import result_identity
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.layer_data import LABELS, METADATA, colormaps
from napari_virtual_stain.gui.layers import Layer, read_layer
from napari_virtual_stain.gui.result_identity import Key
from napari_virtual_stain.image import Image
from napari_virtual_stain.model import ModelSpec

Kind = Literal["errors", "masks"]

SIGNED_ERROR = Colormap(
    [[0.25, 0.65, 1.0], [0.0, 0.22, 0.5], [0.0, 0.0, 0.0], [0.5, 0.16, 0.0], [1.0, 0.6, 0.2]],
    name="signed error",
)
"""Blue below zero, black at zero, orange above: no error, no light; safe for the colour-blind."""

ABSOLUTE_ERROR = "inferno"

MASK_COLORS = {"observed": "#ffffff", "predicted": "#ff9d2e"}
"""Outlines that are told apart from each other, and from the colours of fluorescence."""

MASK_OUTLINE = 2


def add_prediction(
    viewer: Any,
    predicted: Image,
    inputs: Sequence[Layer],
    spec: ModelSpec,
    *,
    geometry: Geometry | None = None,
    limits: Mapping[str, Limits] | None = None,
) -> list[Layer]:
    """Add a prediction to a viewer, one layer for each output, above everything else.

    Where the same model has predicted the same output of the same input before, and the layer is
    still there, it gets the new pixels and stays as it was in all else.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    predicted : Image
        As ``predict`` gives it.
    inputs : sequence of layers
        Those that it was predicted from, whether or not they are still in the viewer.
    spec : ModelSpec
        Of the model.
    geometry : Geometry, optional
        That of the first input, if not as its labels say or as it is now.
    limits : mapping of str to (low, high), optional
        Contrast limits by output; by default percentiles of the prediction.

    Returns
    -------
    list of layers
        In the order of the outputs.
    """
    if geometry is None:
        geometry = Geometry.of(inputs[0], read_layer(inputs[0]).axes)
    place = geometry.keep(predicted.axes.replace("C", ""))
    names = [output.name for output in spec.outputs]
    keys = {
        name: result_identity.prediction_key(inputs, predicted, name, place.axes) for name in names
    }
    chosen = _output_colormaps(spec)
    given = limits or {}
    # The lowest covers what is below, as napari does it with channels: fluorescence that is
    # added to the bright background of transmitted light cannot be read.
    are_new = all(result_identity.find(viewer.layers, key) is None for key in keys.values())
    lowest = names[-1] if are_new else ""

    def add(output: str) -> Layer:
        channel = predicted.channel(output)
        pixels = place.arrange(channel)
        return _show(
            viewer,
            keys[output],
            place,
            channel,
            lambda attributes: napari.layers.Image(
                pixels,
                name=_predicted_name(channel, output),
                colormap=chosen[output],
                blending="translucent_no_depth" if output == lowest else "additive",
                contrast_limits=given.get(output) or display_limits(pixels),
                rgb=False,
                **attributes,
            ),
        )

    return _in_reading_order(names, add)


def add_comparison(
    viewer: Any,
    comparison: Comparison,
    observed_layers: Sequence[Layer],
    predicted_layers: Sequence[Layer],
    kinds: Collection[Kind],
) -> list[Layer]:
    """Add error maps and Otsu masks to a viewer, hidden, above the predictions.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    comparison : Comparison
    observed_layers, predicted_layers : sequence of layers
        One of each for each channel of the comparison, in its order. The results lie where the
        predicted layers lie.
    kinds : collection of {"errors", "masks"}
        What is added.

    Returns
    -------
    list of layers
        Error maps by channel, then masks by channel.
    """
    pairs = {
        name: (observed, predicted)
        for name, observed, predicted in zip(
            comparison.channels, observed_layers, predicted_layers, strict=True
        )
    }

    def add_error(name_and_kind: tuple[str, str]) -> Layer:
        name, kind = name_and_kind
        observed, predicted = pairs[name]
        low, high = comparison.error_limits[name]
        largest = max(-low, high)
        signed = kind != "absolute_error"
        place, channel = _place_of(predicted), comparison.errors[kind].channel(name)
        pixels = place.arrange(channel)
        return _show(
            viewer,
            result_identity.derived_key(kind, predicted, observed),
            place,
            channel,
            lambda attributes: napari.layers.Image(
                pixels,
                name=f"{name} {ERROR_TITLES[kind]}",
                colormap=SIGNED_ERROR if signed else ABSOLUTE_ERROR,
                blending="translucent_no_depth",
                contrast_limits=(-largest if signed else 0.0, largest),
                rgb=False,
                visible=False,
                **attributes,
            ),
        )

    def add_mask(name_and_which: tuple[str, str]) -> Layer:
        name, which = name_and_which
        observed, predicted = pairs[name]
        # The mask of a prediction does not depend on what it is compared with.
        others = [observed] if which == "observed" else []
        key = result_identity.derived_key(f"{which}_mask", predicted, *others)
        mask = comparison.masks[which].channel(name)
        return _show_mask(viewer, key, predicted, mask, name, which)

    added: list[Layer] = []
    if "errors" in kinds:
        added += _in_reading_order([(n, k) for n in pairs for k in comparison.errors], add_error)
    if "masks" in kinds:
        added += _in_reading_order([(n, w) for n in pairs for w in comparison.masks], add_mask)
    return added


def add_masks(
    viewer: Any, masks: Mapping[str, Image], predicted_layers: Mapping[str, Layer]
) -> list[Layer]:
    """Add the Otsu masks of predictions to a viewer, hidden, above everything else.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    masks : mapping of str to Image
        Without C axis, 0 or 1, by output.
    predicted_layers : mapping of str to layer
        The predicted layers by output.
    """

    def add(name: str) -> Layer:
        predicted = predicted_layers[name]
        key = result_identity.derived_key("predicted_mask", predicted)
        return _show_mask(viewer, key, predicted, masks[name], name, "predicted")

    return _in_reading_order(list(masks), add)


def is_result(layer: Layer) -> bool:
    """Whether a layer is a prediction or made from one: here, or before it was saved or copied."""
    if result_identity.key_of(layer) is not None:
        return True
    ours = layer.metadata.get(METADATA)
    origin = ours.get("provenance", {}) if isinstance(ours, dict) else {}
    parts = origin.get("channels")
    origins = [origin, *(parts.values() if isinstance(parts, dict) else ())]
    return any(isinstance(o, dict) and ("predicted" in o or "prediction" in o) for o in origins)


def _show(
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


def _scaling(provenance: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what the numbers of a result depend on, beside the image: units and match."""
    prediction = provenance.get("prediction", provenance)
    return prediction.get("units"), (provenance.get("match") or {}).get("method")


def _show_mask(
    viewer: Any, key: Key, predicted: Layer, mask: Image, name: str, which: str
) -> Layer:
    place = _place_of(predicted)

    def make(attributes: dict[str, Any]) -> Layer:
        colors = {None: "transparent", 0: "transparent", 1: MASK_COLORS[which]}
        layer = napari.layers.Labels(
            place.arrange(mask),
            name=f"{name} {which} mask",
            colormap=DirectLabelColormap(color_dict=colors),
            opacity=1.0,
            visible=False,
            **attributes,
        )
        layer.contour = MASK_OUTLINE
        return layer

    labelled = mask.replace(provenance={**mask.provenance, LABELS: True})
    return _show(viewer, key, place, labelled, make)


def _predicted_name(channel: Image, output: str) -> str:
    """Return the name of a predicted layer; one of a simulated specimen says so."""
    simulated = "simulated " if channel.provenance.get("simulated") else ""
    return f"{simulated}{output} predicted"


def _describe(layer: Layer, key: Key, place: Geometry, channel: Image) -> None:
    ours = {
        **layer.metadata[METADATA],
        "channels": list(channel.channels),
        "provenance": dict(channel.provenance),
        "voxel_size": dict(channel.voxel_size),
        **result_identity.marked(layer, key, place.axes),
    }
    layer.metadata = {**layer.metadata, METADATA: ours}


def _place_of(layer: Layer) -> Geometry:
    axes = result_identity.axes_of(layer) or read_layer(layer).axes
    return Geometry.of(layer, axes)


def _in_reading_order(items: Sequence[Any], add: Callable[[Any], Layer]) -> list[Layer]:
    """Add layers so that the first stands at the top of the layer list."""
    return [add(item) for item in reversed(items)][::-1]


def _output_colormaps(spec: ModelSpec) -> dict[str, str]:
    """Return a colormap for each output: the model's, or where it has none, one by its name."""
    names = [output.name for output in spec.outputs]
    by_name = dict(zip(names, colormaps(names), strict=True))
    return {
        output.name: output.colormap
        if output.colormap in AVAILABLE_COLORMAPS and output.colormap != "gray"
        else by_name[output.name]
        for output in spec.outputs
    }
