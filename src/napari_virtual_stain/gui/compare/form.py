"""What is chosen in the dock, whether it can be compared, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.matching import Match
from napari_virtual_stain.gui.compare.grids import Common, Relation, common_grid
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.layer_data import METADATA, colormaps
from napari_virtual_stain.gui.layers import Layer, Source, read_layer
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.sentences import joined, sentence


class Readiness(Enum):
    """Whether what is chosen can be compared."""

    EMPTY = auto()
    REFUSED = auto()
    OFFERED = auto()
    READY = auto()


@dataclass(frozen=True)
class PairPick:
    """An observed and a predicted channel, as they are picked."""

    observed: Pick = field(default_factory=Pick)
    predicted: Pick = field(default_factory=Pick)


@dataclass(frozen=True, eq=False)
class Form:
    """Everything that is chosen.

    Parameters
    ----------
    pairs : sequence of PairPick
    axes : mapping of layer to str
        What a person says about axes that cannot be told apart.
    match : {"none", "z-score", "least-squares"}
    agreed : bool
        Whether layers may be cropped or resampled to a common grid.
    """

    pairs: Sequence[PairPick] = ()
    axes: Mapping[Layer, str] = field(default_factory=dict)
    match: Match = "none"
    agreed: bool = False


@dataclass(frozen=True, eq=False)
class PairRequest:
    """A pair that can be compared.

    Parameters
    ----------
    name : str
        Of the channel.
    observed, predicted : (Source, int)
        A layer and the position of its channel.
    common : Common
        Their grid.
    colormap : Any
    """

    name: str
    observed: tuple[Source, int]
    predicted: tuple[Source, int]
    common: Common
    colormap: Any


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be compared."""

    pairs: tuple[PairRequest, ...]
    match: Match


@dataclass(frozen=True, eq=False)
class Verdict:
    """Whether what is chosen can be compared.

    Parameters
    ----------
    readiness : Readiness
    text : str
        One sentence.
    request : Request, optional
        Where it can be, or could be if it is agreed to what is offered.
    notices : tuple of str
        What a person should know all the same.
    """

    readiness: Readiness
    text: str
    request: Request | None = None
    notices: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdict) and self._key() == other._key()

    __hash__ = None  # type: ignore[assignment]

    def _key(self) -> tuple[Any, ...]:
        pairs = () if self.request is None else self.request.pairs
        parts = [
            (pair.name, *(source.layer for source, _ in (pair.observed, pair.predicted)))
            for pair in pairs
        ]
        match = None if self.request is None else self.request.match
        return (self.readiness, self.text, self.notices, match, parts)


def judge(form: Form) -> Verdict:
    """Return whether what is chosen can be compared."""
    complete = [
        pair
        for pair in form.pairs
        if pair.observed.layer is not None and pair.predicted.layer is not None
    ]
    if not complete:
        if any(pick.layer is not None for pair in form.pairs for pick in _picks(pair)):
            missing = "predicted" if form.pairs[0].observed.layer is not None else "observed"
            return Verdict(Readiness.EMPTY, f"Choose the {missing} layer.")
        return Verdict(
            Readiness.EMPTY,
            "Open an observed image and its prediction, or predict one from a layer.",
        )
    requests: list[PairRequest] = []
    notices: list[str] = []
    for pair in complete:
        try:
            request, said = _request(pair, form.axes)
        except VirtualStainError as error:
            return Verdict(Readiness.REFUSED, sentence(str(error)))
        requests.append(request)
        notices += [sentence(text) for text in said if sentence(text) not in notices]
    apart = next((one for one in requests if _sizes(one) != _sizes(requests[0])), None)
    if apart is not None:
        return Verdict(
            Readiness.REFUSED,
            f"{requests[0].name} and {apart.name} have other sizes, and channels are compared "
            "together on one grid; remove one of the two, and compare it by itself.",
        )
    requests = _named_apart(requests)
    request_of_all = Request(tuple(requests), form.match)
    offers = list(dict.fromkeys(one.common.text for one in requests if one.common.text))
    if offers and not form.agreed:
        return Verdict(Readiness.OFFERED, " ".join(offers), request_of_all, tuple(notices))
    text = f"Compares {joined([one.name for one in requests])}{_size(requests[0])}."
    return Verdict(Readiness.READY, text, request_of_all, (*offers, *notices))


def _picks(pair: PairPick) -> tuple[Pick, Pick]:
    return pair.observed, pair.predicted


def _request(pair: PairPick, axes: Mapping[Layer, str]) -> tuple[PairRequest, list[str]]:
    sources = [read_layer(pick.layer, axes.get(pick.layer, "")) for pick in _picks(pair)]
    observed, predicted = sources
    same_channel = pair.observed.channel == pair.predicted.channel
    if observed.layer == predicted.layer and (observed.image.n_channels == 1 or same_channel):
        raise VirtualStainError(
            f"{observed.layer.name} is chosen as observed and as predicted; choose two layers."
        )
    notices = [notice.text for source in sources for notice in source.notices]
    places = [Geometry.of(source.layer, source.axes) for source in sources]
    names = str(observed.layer.name), str(predicted.layer.name)
    common = common_grid(places[0], places[1], names)
    if common.notice:
        notices.append(f"{observed.layer.name} and {predicted.layer.name}: {common.notice}")
    name = channel_name(observed, pair.observed.channel)
    request = PairRequest(
        name,
        (observed, pair.observed.channel),
        (predicted, pair.predicted.channel),
        common,
        _colormap(observed.layer, name),
    )
    return request, notices


def channel_name(source: Source, channel: int) -> str:
    """Return what a person calls a channel of a layer."""
    ours = source.layer.metadata.get(METADATA)
    known = ours.get("channels") if isinstance(ours, dict) else None
    if source.image.n_channels > 1 or (known and source.image.channels):
        name = str(source.image.channels[channel])
        if name:
            return name
    return str(source.layer.name)


def _colormap(layer: Layer, name: str) -> Any:
    """Return the colours of a layer, or where they are grey, what the name says."""
    chosen = getattr(layer.colormap, "name", "gray")
    return layer.colormap if chosen not in ("gray", "grays") else colormaps([name, "other"])[0]


def _named_apart(requests: list[PairRequest]) -> list[PairRequest]:
    """Return pairs with names that are all different."""
    from dataclasses import replace

    seen: dict[str, int] = {}
    result = []
    for request in requests:
        seen[request.name] = seen.get(request.name, 0) + 1
        count = seen[request.name]
        result.append(replace(request, name=f"{request.name} {count}") if count > 1 else request)
    return result


def _sizes(request: PairRequest) -> dict[str, int]:
    """Return the size of each axis of what is compared."""
    part = request.common.observed
    return {
        axis: part[axis].stop - part[axis].start if axis in part else size
        for axis, size in request.observed[0].image.sizes.items()
        if axis != "C"
    }


def _size(request: PairRequest) -> str:
    listed = " × ".join(f"{axis} {size}" for axis, size in _sizes(request).items())
    same = request.common.relation is Relation.SAME
    return f" ({listed})" if same else f" in the part that both show ({listed})"
