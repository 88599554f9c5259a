"""What is chosen in the dock, whether it can be predicted, and if not, why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
from napari_virtual_stain.gui.predict.place import Place, in_memory, on_disk, result_bytes
from napari_virtual_stain.gui.predict.request import Request
from napari_virtual_stain.gui.sentences import sentence
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import Fit, PredictOptions, fit
from napari_virtual_stain.inference.options import Device, Precision, Units
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
    device, precision, memory, tile, units, tta
        As in :class:`PredictOptions`.
    folder : Path, optional
        Where the result goes; None where it is kept in memory.
    replaceable : collection of Path
        Results on disk that may be replaced.
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
    precision: Precision = "auto"
    memory: float | None = None
    tile: int | None = None
    units: Units = "intensity"
    tta: bool = False
    folder: Path | None = None
    replaceable: Collection[Path] = ()


class Readiness(Enum):
    """Whether a prediction can be made."""

    EMPTY = auto()
    REFUSED = auto()
    EXISTS = auto()
    READY = auto()


@dataclass(frozen=True)
class Verdict:
    """Whether a prediction can be made, in a sentence, and what should be known about it.

    Parameters
    ----------
    readiness : Readiness
        ``EXISTS`` where it would replace results, and nobody has said that it may.
    text : str
    notices : tuple of Notice
    existing : tuple of Path
        Results on disk that are there already.
    compares : bool
        Whether scores, error maps and masks can be made of the result.
    request : Request, optional
        Where it is ready.
    """

    readiness: Readiness
    text: str
    notices: tuple[Notice, ...] = ()
    existing: tuple[Path, ...] = ()
    compares: bool = True
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
        precision=form.precision,
        memory=form.memory,
        tile=form.tile,
        units=form.units,
        uncertainty=form.uncertainty,
        tta=form.tta,
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
    place = _place(form, spec, grid, images[0].name)
    if not place.compares:
        observed, observed_layers = {}, {}
    request = Request(
        path=form.model.path,
        spec=spec,
        images=images,
        options=options,
        observed=observed,
        errors=form.errors and bool(observed),
        masks=form.masks and place.compares,
        match=form.match,
        input_layers=tuple(source.layer for source in sources),
        observed_layers=observed_layers,
        geometry=Geometry.of(sources[0].layer, sources[0].axes),
        files=place.files,
    )
    said = _distinct([*notices, *place.notices])
    readiness, text = Readiness.READY, _summary(fitted, spec)
    if place.question:
        readiness, text = Readiness.EXISTS, place.question
    ready = None if place.question else request
    return Verdict(readiness, text, said, place.existing, place.compares, ready)


def _place(form: Form, spec: ModelSpec, grid: Image, name: str) -> Place:
    kinds = (spec.uncertainties or ("σ",) * form.tta) if form.uncertainty else ()
    if form.folder is None:
        return in_memory(result_bytes(grid, spec, kinds), form.device, form.memory)
    return on_disk(
        form.folder,
        name,
        result_bytes(grid, spec),
        uncertainty=bool(kinds),
        replaceable=form.replaceable,
    )


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
