"""What a prediction came to, as layers of the viewer."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from napari_virtual_stain.evaluation.errors import ERRORS
from napari_virtual_stain.gui import result_identity
from napari_virtual_stain.gui.predict.request import Request
from napari_virtual_stain.gui.predict.work import Outcome
from napari_virtual_stain.gui.result_maps import (
    Kind,
    add_comparison,
    add_masks,
    add_uncertainty,
)
from napari_virtual_stain.gui.results import add_prediction


def show_outcome(viewer: Any, outcome: Outcome) -> Generator[None, None, list[str]]:
    """Add what was asked for to a viewer, or update it where it is there already, in steps.

    napari takes about a tenth of a second for each new layer, and there can be many: whoever
    drives this lets the window draw itself between the steps. Where anything was added, the
    first prediction is selected in the end.

    Returns
    -------
    list of str
        Sentences on what has become of other layers.
    """
    request, before = outcome.request, len(viewer.layers)
    missing = [layer.name for layer in request.input_layers if layer not in viewer.layers]
    predictions = add_prediction(
        viewer,
        outcome.predicted,
        request.input_layers,
        outcome.spec,
        geometry=request.geometry,
        limits=outcome.limits,
        stored=outcome.stored,
    )
    by_output = dict(zip(outcome.predicted.channels, predictions, strict=True))
    yield
    if outcome.uncertainty is not None:
        add_uncertainty(viewer, outcome.uncertainty, by_output, outcome.stored_uncertainty)
        yield
    wanted: list[Kind] = ["errors"] if request.errors else []
    wanted += ["masks"] if request.masks else []
    for kind in wanted:
        # The first output is to stand at the top of the layer list, so it comes last.
        for name, comparison in reversed(outcome.comparisons.items()):
            observed, predicted = [request.observed_layers[name]], [by_output[name]]
            add_comparison(viewer, comparison, observed, predicted, {kind})
            yield
    add_masks(viewer, outcome.masks, by_output)
    if len(viewer.layers) > before and predictions[0] in viewer.layers:
        viewer.layers.selection.active = predictions[0]
    left = [
        layer.name
        for layer in viewer.layers
        for predicted in predictions
        if (made_as := result_identity.derived_kind(layer, predicted))
        and not _is_renewed(made_as, request)
    ]
    said = [f"{name} was removed meanwhile; the prediction was added." for name in missing]
    if left:
        text = f"{len(left)} maps or masks of an earlier prediction were left as they were."
        said.append(f"{text} Tick them to renew them.")
    return said


def _is_renewed(kind: str, request: Request) -> bool:
    """Whether a kind of result is made by this request."""
    if kind.startswith("uncertainty"):
        return request.options.uncertainty
    return request.errors if kind in ERRORS else request.masks
