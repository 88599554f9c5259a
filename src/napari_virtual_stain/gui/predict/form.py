"""What is chosen in the dock, whether it can be predicted, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.matching import Match
from napari_virtual_stain.evaluation.pairing import check_grids
from napari_virtual_stain.events import Notice
from napari_virtual_stain.gui.geometry import Geometry, result_axes
from napari_virtual_stain.gui.layers import Layer, Source, read_layer
from napari_virtual_stain.gui.sentences import sentence
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import Fit, PredictOptions, fit
from napari_virtual_stain.inference.options import Device, Units
from napari_virtual_stain.io import ModelEntry
from napari_virtual_stain.model import ModelSpec


@dataclass(frozen=True)
class Pick:
    """A layer, or none, and one of its channels."""

    layer: Layer | None = None
    channel: int = 0


@dataclass(frozen=True, eq=False)
class Form:
    """Everything that is chosen in the dock.

    Parameters
    ----------
    model : ModelEntry, optional
    inputs, observed : sequence of Pick
        One for each input of the model, and one for each output.
    axes : mapping of layer to str
        What a person says about axes that cannot be told apart.
    uncertainty, errors, masks : bool
        Whether uncertainty, error maps and Otsu masks are wanted.
    match : {"none", "z-score", "least-squares"}
    device, memory, tile, units
        As in :class:`PredictOptions`.
    """

    model: ModelEntry | None = None
    inputs: Sequence[Pick] = ()
    observed: Sequence[Pick] = ()
    axes: Mapping[Layer, str] = field(default_factory=dict)
    uncertainty: bool = False
    errors: bool = False
    masks: bool = False
    match: Match = "none"
    device: Device = "auto"
    memory: float | None = None
    tile: int | None = None
    units: Units = "intensity"


@dataclass(frozen=True, eq=False)
class Request:
    """A prediction that can be made, and what is needed to show it.

    Parameters
    ----------
    path : Path
        Of the model.
    spec : ModelSpec
    images : tuple of Image
        One for each input of the model.
    options : PredictOptions
    observed : dict of str to Image
        By output, its observed image without C axis; outputs without one are absent.
    errors, masks : bool
    match : {"none", "z-score", "least-squares"}
    input_layers : tuple of layers
        Those of the images.
    observed_layers : dict of str to layer
        Those of the observed images.
    geometry : Geometry
        That of the first input layer when the prediction was asked for.
    """

    path: Path
    spec: ModelSpec
    images: tuple[Image, ...]
    options: PredictOptions
    observed: dict[str, Image]
    errors: bool
    masks: bool
    match: Match
    input_layers: tuple[Layer, ...]
    observed_layers: dict[str, Layer]
    geometry: Geometry


class Readiness(Enum):
    """Whether a prediction can be made."""

    EMPTY = auto()
    REFUSED = auto()
    READY = auto()


@dataclass(frozen=True)
class Verdict:
    """Whether a prediction can be made, in a sentence, and what should be known about it."""

    readiness: Readiness
    text: str
    notices: tuple[Notice, ...] = ()
    request: Request | None = field(default=None, compare=False)


def judge(form: Form, layers: Sequence[Layer]) -> Verdict:
    """Return whether the form can be predicted. No pixel is read, and no torch is loaded.

    Parameters
    ----------
    form : Form
    layers : sequence of layers
        All layers of the viewer, to say why there may be nothing to choose from.
    """
    missing = _missing(form, layers)
    if missing:
        return Verdict(Readiness.EMPTY, missing)
    try:
        return _accept(form)
    except VirtualStainError as error:
        return Verdict(Readiness.REFUSED, sentence(str(error)))


def _missing(form: Form, layers: Sequence[Layer]) -> str:
    if form.model is None:
        return "Choose a model."
    if form.model.spec is None or all(pick.layer is not None for pick in form.inputs):
        return ""
    if not any(pick.layer is not None for pick in form.inputs):
        return "Open an image to predict from." + _useless(layers)
    names = [
        channel.modality or channel.name
        for channel, pick in zip(form.model.spec.inputs, form.inputs, strict=True)
        if pick.layer is None
    ]
    return f"Choose a layer for {', '.join(names)}."


def _useless(layers: Sequence[Layer]) -> str:
    """Say why the layers that are open do not count."""
    for layer in layers:
        try:
            read_layer(layer)
        except VirtualStainError as error:
            return f" {sentence(str(error))}"
    return ""


def _accept(form: Form) -> Verdict:
    assert form.model is not None
    spec = form.model.spec
    if spec is None:
        raise VirtualStainError(form.model.problem)
    sources = [_read(form, pick) for pick in form.inputs]
    channels = [pick.channel for pick in form.inputs]
    images = tuple(source.image for source in sources)
    fitted = fit(spec, images, channels)
    options = PredictOptions(
        channels=channels,
        device=form.device,
        memory=form.memory,
        tile=form.tile,
        units=form.units,
        uncertainty=form.uncertainty,
    )
    grid = _predicted_grid(fitted, spec)
    observed: dict[str, Image] = {}
    observed_layers: dict[str, Layer] = {}
    notices = [notice for source in sources for notice in source.notices]
    for output, pick in zip(spec.outputs, form.observed, strict=True):
        if pick.layer is not None:
            source = _read(form, pick)
            image = source.image.channel(pick.channel)
            check_grids(image, grid)
            observed[output.name] = image.replace(channels=(output.name,))
            observed_layers[output.name] = pick.layer
            notices += source.notices
    notices += fitted.notices
    notices += _misplaced(
        sources[0].layer, [*(s.layer for s in sources[1:]), *observed_layers.values()]
    )
    if len({(pick.layer, pick.channel) for pick in form.inputs}) < len(form.inputs):
        notices.append(Notice("two inputs of the model are given the same image.", True))
    if observed and form.errors and form.match == "none" and _in_own_units(form, spec):
        notices.append(
            Notice(
                "The prediction is not in grey values: match it, or the errors mean nothing.", True
            )
        )
    request = Request(
        path=form.model.path,
        spec=spec,
        images=images,
        options=options,
        observed=observed,
        errors=form.errors,
        masks=form.masks,
        match=form.match,
        input_layers=tuple(source.layer for source in sources),
        observed_layers=observed_layers,
        geometry=Geometry.of(sources[0].layer, sources[0].axes),
    )
    return Verdict(Readiness.READY, _summary(fitted, spec), _distinct(notices), request)


def _misplaced(first: Layer, others: Sequence[Layer]) -> list[Notice]:
    """Say which layers do not lie on the first one in the plane, to half a pixel."""
    return [
        Notice(
            f"{other.name} does not lie on {first.name} in the viewer; they are taken pixel by "
            "pixel all the same.",
            True,
        )
        for other in others
        if not np.allclose(_corners(first), _corners(other), atol=0.5 * float(first.scale[-1]))
    ]


def _corners(layer: Layer) -> np.ndarray:
    """Return where the first and the tenth pixel of the last two axes lie in the world."""
    begin = np.zeros(layer.ndim)
    end = begin.copy()
    end[-2:] = 9
    return np.array([layer.data_to_world(place)[-2:] for place in (begin, end)], float)


def _read(form: Form, pick: Pick) -> Source:
    return read_layer(pick.layer, form.axes.get(pick.layer, ""))


def _predicted_grid(fitted: Fit, spec: ModelSpec) -> Image:
    """Return an image of the size of a predicted channel, without its pixels."""
    source = fitted.inputs[0]
    axes = result_axes(source, spec.consumes_z)
    return Image(
        np.broadcast_to(np.float32(0), [source.sizes[axis] for axis in axes]),
        axes,
        voxel_size={axis: size for axis, size in source.voxel_size.items() if axis in axes},
        name="the prediction",
    )


def _in_own_units(form: Form, spec: ModelSpec) -> bool:
    return form.units == "z-score" or not all(output.has_grey_values for output in spec.outputs)


def _summary(fitted: Fit, spec: ModelSpec) -> str:
    source = fitted.inputs[0]
    size = " × ".join(f"{axis} {n}" for axis, n in source.sizes.items())
    one_by_one = []
    if "T" in source.axes:
        one_by_one.append("time point by time point")
    if "Z" in source.axes and spec.spatial_axes == "YX" and not spec.takes_planes:
        one_by_one.append("plane by plane")
    if spec.projects:
        one_by_one.append("projected onto one plane")
    return f"The image fits the model ({', '.join([size, *one_by_one])})."


def _distinct(notices: Sequence[Notice]) -> tuple[Notice, ...]:
    by_text = {n.text: Notice(sentence(n.text), n.warning) for n in notices}
    return tuple(sorted(by_text.values(), key=lambda notice: not notice.warning))
