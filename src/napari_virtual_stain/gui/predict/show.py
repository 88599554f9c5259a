"""What a prediction came to, as layers of the viewer."""

from __future__ import annotations

from typing import Any

from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict.work import Outcome
from napari_virtual_stain.gui.results import Kind, add_comparison, add_masks, add_prediction


def show_outcome(viewer: Any, outcome: Outcome) -> list[Layer]:
    """Add what was asked for to a viewer, or update it where it is there already.

    Returns
    -------
    list of layers
        The predictions, then error maps, then masks.
    """
    request = outcome.request
    predictions = add_prediction(
        viewer,
        outcome.predicted,
        request.input_layers,
        request.spec,
        geometry=request.geometry,
        limits=outcome.limits,
    )
    by_output = dict(zip(outcome.predicted.channels, predictions, strict=True))
    added = list(predictions)
    wanted: list[Kind] = ["errors"] if request.errors else []
    wanted += ["masks"] if request.masks else []
    for kind in wanted:
        # The first output is to stand at the top of the layer list, so it comes last.
        for name, comparison in reversed(outcome.comparisons.items()):
            observed, predicted = [request.observed_layers[name]], [by_output[name]]
            added += add_comparison(viewer, comparison, observed, predicted, {kind})
    added += add_masks(viewer, outcome.masks, by_output)
    return added
