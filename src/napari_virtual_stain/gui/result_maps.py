"""What is made beside a prediction, as hidden layers: uncertainty, error maps, masks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import napari.layers
import numpy as np
from napari.utils.colormaps import Colormap, DirectLabelColormap

from napari_virtual_stain.evaluation import Comparison
from napari_virtual_stain.evaluation.display import display_limits, sampled_limits
from napari_virtual_stain.evaluation.errors import ERROR_TITLES
from napari_virtual_stain.gui import result_identity
from napari_virtual_stain.gui.layer_data import LABELS
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.result_identity import Key
from napari_virtual_stain.gui.result_layers import Stored, in_reading_order, place_of, show
from napari_virtual_stain.image import Image

Kind = Literal["errors", "masks"]

SIGNED_ERROR = Colormap(
    [[0.25, 0.65, 1.0], [0.0, 0.22, 0.5], [0.0, 0.0, 0.0], [0.5, 0.16, 0.0], [1.0, 0.6, 0.2]],
    name="signed error",
)
"""Blue below zero, black at zero, orange above: no error, no light; safe for the colour-blind."""

ABSOLUTE_ERROR = "inferno"

UNCERTAINTY = "viridis"

MASK_COLORS = {"observed": "#ffffff", "predicted": "#ff9d2e"}
"""Outlines that are told apart from each other, and from the colours of fluorescence."""

MASK_OUTLINE = 2


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
        place, channel = place_of(predicted), comparison.errors[kind].channel(name)
        return show(
            viewer,
            result_identity.derived_key(kind, predicted, observed),
            place,
            [channel],
            lambda pixels, attributes: napari.layers.Image(
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
        added += in_reading_order([(n, k) for n in pairs for k in comparison.errors], add_error)
    if "masks" in kinds:
        added += in_reading_order([(n, w) for n in pairs for w in comparison.masks], add_mask)
    return added


def add_uncertainty(
    viewer: Any,
    uncertainty: Image,
    predicted_layers: Mapping[str, Layer],
    stored: Stored | None = None,
) -> list[Layer]:
    """Add uncertainty maps of predictions to a viewer, hidden, above everything else.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    uncertainty : Image
        As ``predict`` gives it: channels such as ``DAPI σ`` and ``DAPI entropy``.
    predicted_layers : mapping of str to layer
        The predicted layers by output.
    stored : Stored, optional
        Where the uncertainty is, if it is not in memory.
    """

    def add(name: str) -> Layer:
        output, kind = name.rsplit(" ", 1)
        predicted = predicted_layers[output]
        levels = [level.channel(name) for level in (uncertainty, *(stored.lower if stored else ()))]
        return show(
            viewer,
            result_identity.derived_key(f"uncertainty {kind}", predicted),
            place_of(predicted),
            levels,
            lambda pixels, attributes: napari.layers.Image(
                pixels,
                name=f"{output} uncertainty ({kind})",
                colormap=UNCERTAINTY,
                blending="translucent_no_depth",
                contrast_limits=(0.0, 1.0 if kind == "entropy" else _brightest(levels[-1])),
                rgb=False,
                visible=False,
                **attributes,
            ),
            stored.path if stored else None,
        )

    return in_reading_order(list(uncertainty.channels), add)


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

    return in_reading_order(list(masks), add)


def _show_mask(
    viewer: Any, key: Key, predicted: Layer, mask: Image, name: str, which: str
) -> Layer:
    place = place_of(predicted)

    def make(pixels: Any, attributes: dict[str, Any]) -> Layer:
        colors = {None: "transparent", 0: "transparent", 1: MASK_COLORS[which]}
        layer = napari.layers.Labels(
            pixels,
            name=f"{name} {which} mask",
            colormap=DirectLabelColormap(color_dict=colors),
            opacity=1.0,
            visible=False,
            **attributes,
        )
        layer.contour = MASK_OUTLINE
        return layer

    labelled = mask.replace(provenance={**mask.provenance, LABELS: True})
    return show(viewer, key, place, [labelled], make)


def _brightest(channel: Image) -> float:
    """Return what is shown white; of a lazy image, not all of which is to be read, by a sample."""
    in_memory = isinstance(channel.data, np.ndarray)
    return (display_limits(channel.data) if in_memory else sampled_limits(channel))[1]
