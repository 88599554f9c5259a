"""The work behind the button: load the model, predict, compare, mask. A generator of events."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_virtual_stain.errors import ResultTooLargeError, VirtualStainError
from napari_virtual_stain.evaluation import Comparison, compare_events
from napari_virtual_stain.evaluation.display import Limits, display_limits, sampled_limits
from napari_virtual_stain.evaluation.mask_image import mask_image
from napari_virtual_stain.events import Notice, Progress, Work
from napari_virtual_stain.gui.predict.on_disk import lower_levels
from napari_virtual_stain.gui.predict.place import too_large
from napari_virtual_stain.gui.predict.request import Request
from napari_virtual_stain.gui.result_layers import Stored
from napari_virtual_stain.image import Image
from napari_virtual_stain.model import ModelSpec


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a request came to.

    Parameters
    ----------
    request : Request
    spec : ModelSpec
        Of the model as it was loaded.
    predicted : Image
    uncertainty : Image or None
        Where the model yields any and it was asked for.
    seconds : float
        From the start to the end of the work.
    limits : dict of str to (low, high)
        Contrast limits by output.
    comparisons : dict of str to Comparison
        By output, where there was an observed image and they could be compared.
    masks : dict of str to Image
        Otsu masks of the outputs without a comparison, where masks are wanted.
    problems : tuple of str
        Why something beside the prediction could not be made.
    stored, stored_uncertainty : Stored or None
        Where predictions and uncertainty are, if they are on disk.
    """

    request: Request
    spec: ModelSpec
    predicted: Image
    uncertainty: Image | None
    seconds: float
    limits: dict[str, Limits]
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    masks: dict[str, Image] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    stored: Stored | None = None
    stored_uncertainty: Stored | None = None


def predict_request(request: Request) -> Work[Outcome]:
    """Do what was asked for; a generator of events that returns the outcome.

    A comparison that fails does not take the prediction with it.
    """
    start = time.perf_counter()
    yield Progress("Loading the model", 0, 0)
    # torch is loaded here, in the thread.
    from napari_virtual_stain.inference import predict_events
    from napari_virtual_stain.io import load_model_file

    model, files = load_model_file(request.path), request.files
    target = files.target(model.spec) if files is not None else None
    if target is not None:
        target.check()
    try:
        prediction = yield from predict_events(model, request.images, request.options, target)
    except ResultTooLargeError:
        raise VirtualStainError(too_large()) from None
    predicted, uncertainty = prediction.predicted, prediction.uncertainty
    stored = _stored(predicted, files.predicted if files else None)
    stored_uncertainty = _stored(uncertainty, files.uncertainty if files else None)

    comparisons: dict[str, Comparison] = {}
    problems: list[str] = []
    for name, observed in request.observed.items():
        try:
            comparisons[name] = yield from compare_events(
                observed, predicted.channel(name), match=request.match
            )
        except VirtualStainError as error:
            problems.append(str(error))
            yield Notice(str(error), warning=True)
    masks, limits = {}, {}
    for name in predicted.channels:
        channel, comparison = predicted.channel(name), comparisons.get(name)
        if request.masks and comparison is None:
            masks[name] = yield from _mask(channel)
        yield Progress("Contrast", 0, 0)
        smallest = (predicted, *(stored.lower if stored else ()))[-1].channel(name)
        limits[name] = _limits(smallest, comparison, request)
    return Outcome(
        request=request,
        spec=model.spec,
        predicted=predicted,
        uncertainty=uncertainty,
        seconds=time.perf_counter() - start,
        limits=limits,
        comparisons=comparisons,
        masks=masks,
        problems=tuple(problems),
        stored=stored,
        stored_uncertainty=stored_uncertainty,
    )


def _stored(image: Image | None, path: Path | None) -> Stored | None:
    return None if image is None or path is None else Stored(path, lower_levels(image, path))


def _mask(channel: Image) -> Generator[Any, None, Image]:
    """Return the Otsu mask of one channel, time point by time point so that it can be cancelled."""
    if "T" not in channel.axes:
        yield Progress("Masks", 0, 0)
        return mask_image(channel)
    times = channel.sizes["T"]
    parts = []
    for at in range(times):
        yield Progress("Masks", at, times)
        parts.append(mask_image(channel.crop({"T": slice(at, at + 1)})))
    found = [part.provenance["otsu_thresholds"] for part in parts]
    thresholds = {name: [one for part in found for one in part[name]] for name in found[0]}
    return parts[0].replace(
        data=np.concatenate([part.data for part in parts]),
        provenance={**parts[0].provenance, "otsu_thresholds": thresholds},
    )


def _limits(predicted: Image, comparison: Comparison | None, request: Request) -> Limits:
    """Return contrast limits: those of the observed image where there is one.

    The layer holds the prediction before the match, so they are taken back through the match
    (that of the first time point). `predicted` is on disk the smallest that there is of it.
    """
    if comparison is None:
        return _own_limits(predicted, request)
    (name,) = comparison.channels
    gain, offset = comparison.coefficients[name][0]
    in_own_units = predicted.provenance.get("units") in ("z-score", "network units")
    if gain <= 0 or (request.match == "none" and in_own_units):
        return _own_limits(predicted, request)
    low, high = comparison.display_limits[name]
    return (low - offset) / gain, (high - offset) / gain


def _own_limits(predicted: Image, request: Request) -> Limits:
    if request.files is not None:
        return sampled_limits(predicted)
    return display_limits(predicted.numpy())
