"""Predictions as layers: above their input, legible, in the colours of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import napari.layers
from napari.utils.colormaps import AVAILABLE_COLORMAPS

from napari_virtual_stain.evaluation.display import Limits, display_limits
from napari_virtual_stain.gui import result_identity
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.layer_data import METADATA, colormaps
from napari_virtual_stain.gui.layers import Layer, read_layer
from napari_virtual_stain.gui.result_layers import Stored, in_reading_order, show
from napari_virtual_stain.image import Image
from napari_virtual_stain.model import ModelSpec


def add_prediction(
    viewer: Any,
    predicted: Image,
    inputs: Sequence[Layer],
    spec: ModelSpec,
    *,
    geometry: Geometry | None = None,
    limits: Mapping[str, Limits] | None = None,
    stored: Stored | None = None,
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
        Contrast limits by output; by default percentiles of the prediction, all of which is
        read for them.
    stored : Stored, optional
        Where the prediction is, if it is not in memory.

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
        levels = [level.channel(output) for level in (predicted, *(stored.lower if stored else ()))]
        return show(
            viewer,
            keys[output],
            place,
            levels,
            lambda pixels, attributes: napari.layers.Image(
                pixels,
                name=_predicted_name(levels[0], output),
                colormap=chosen[output],
                blending="translucent_no_depth" if output == lowest else "additive",
                contrast_limits=given.get(output) or display_limits(levels[-1].numpy()),
                rgb=False,
                **attributes,
            ),
            stored.path if stored else None,
        )

    return in_reading_order(names, add)


def is_result(layer: Layer) -> bool:
    """Whether a layer is a prediction or made from one: here, or before it was saved or copied."""
    if result_identity.key_of(layer) is not None:
        return True
    ours = layer.metadata.get(METADATA)
    origin = ours.get("provenance", {}) if isinstance(ours, dict) else {}
    parts = origin.get("channels")
    origins = [origin, *(parts.values() if isinstance(parts, dict) else ())]
    return any(isinstance(o, dict) and ("predicted" in o or "prediction" in o) for o in origins)


def _predicted_name(channel: Image, output: str) -> str:
    """Return the name of a predicted layer; one of a simulated specimen says so."""
    simulated = "simulated " if channel.provenance.get("simulated") else ""
    return f"{simulated}{output} predicted"


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
