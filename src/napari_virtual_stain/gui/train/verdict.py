"""Whether a model can be trained on what is chosen, and if not, why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.sentences import joined, sentence
from napari_virtual_stain.gui.train.form import Form
from napari_virtual_stain.gui.train.naming import channel_names, model_name
from napari_virtual_stain.gui.train.offers import unusable
from napari_virtual_stain.gui.train.picks import called
from napari_virtual_stain.gui.train.placement import misplaced
from napari_virtual_stain.gui.train.plan import PairPlan
from napari_virtual_stain.gui.train.planning import called_in, is_unread, plan_of, size_text
from napari_virtual_stain.gui.train.regions_check import check_regions
from napari_virtual_stain.gui.train.request import Request

FROM = "napari, dock Train a model"
"""What a model's provenance says of how it was made."""


REASONS = 2
"""Layers of which is said why they cannot be chosen."""


class Readiness(Enum):
    """Whether a model can be trained."""

    EMPTY = auto()
    REFUSED = auto()
    READY = auto()


@dataclass(frozen=True)
class Verdict:
    """Whether a model can be trained, in a sentence, and what should be known about it.

    Parameters
    ----------
    readiness : Readiness
    text : str
    notices : tuple of Notice
    inputs, targets : tuple of str
        Names of the channels, as far as they are known.
    request : Request, optional
        Where it is ready.
    """

    readiness: Readiness
    text: str
    notices: tuple[Notice, ...] = ()
    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    request: Request | None = field(default=None, compare=False)


def judge(form: Form) -> Verdict:
    """Return whether the form can be trained. No pixel is read, and no torch is loaded."""
    inputs, targets = names_of(form)
    missing = _missing(form, inputs, targets)
    if missing:
        text = " ".join([missing, *_why_not(form)])
        return Verdict(Readiness.EMPTY, text, (), inputs, targets)
    try:
        return _accept(form, _planned(form, inputs, targets))
    except VirtualStainError as error:
        return Verdict(Readiness.REFUSED, sentence(str(error)), (), inputs, targets)


def suited(form: Form, presets: Sequence[str]) -> str:
    """Return the first preset with which the form can be trained, else the form's own."""
    inputs, targets = names_of(form)
    if _missing(form, inputs, targets):
        return form.preset
    try:
        planned = _planned(form, inputs, targets)
    except VirtualStainError:
        return form.preset
    for preset in presets:
        with suppress(VirtualStainError):
            _request(replace(form, preset=preset), planned)
            return preset
    return form.preset


def names_of(form: Form) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of inputs and targets: typed ones, else what their layers are called."""
    picks = [
        *([pair.inputs[i] for pair in form.pairs] for i in range(len(form.inputs))),
        *([pair.targets[i] for pair in form.pairs] for i in range(len(form.targets))),
    ]
    typed = [channel.name for channel in (*form.inputs, *form.targets)]
    called = [
        [
            called_in(form, pick)
            for pick in of
            if pick.layer is not None and not is_unread(form, pick)
        ]
        for of in picks
    ]
    names = channel_names(typed, called)
    return tuple(names[: len(form.inputs)]), tuple(names[len(form.inputs) :])


def _missing(form: Form, inputs: Sequence[str], targets: Sequence[str]) -> str:
    """Return what is still to be chosen, if anything is."""
    if not any(pair.layers for pair in form.pairs):
        return "Open images and what is to be predicted from them: their stain, or painted labels."
    for number, pair in enumerate(form.pairs, start=1):
        where = f" of pair {number}" if len(form.pairs) > 1 else ""
        for name, pick in zip(inputs, pair.inputs, strict=True):
            if pick.layer is None:
                return f"Choose the input {name}{where}." if name else f"Choose the input{where}."
        if not pair.is_complete:
            return f"Choose a target{where}: what is to be predicted."
    for position, name in enumerate(targets):
        if all(pair.targets[position].layer is None for pair in form.pairs):
            return f"Choose a layer for the target {name or position + 1}, or remove it."
        learned = [pair for pair in form.pairs if not pair.validates]
        if learned and all(pair.targets[position].layer is None for pair in learned):
            return (
                f"The target {name or position + 1} is only in pairs to score on; choose it in one "
                "to learn from, or remove it."
            )
    return ""


def _why_not(form: Form) -> list[str]:
    """Return why layers that are open may not be what is chosen."""
    reasons = unusable(form.layers, form.axes)
    more = len(reasons) - REASONS
    rest = [] if more < 1 else [f"{more} more of the open layers cannot be chosen either."]
    return [*reasons[:REASONS], *rest]


@dataclass(frozen=True, eq=False)
class _Planned:
    """What a form comes to whatever the preset is."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    learned: tuple[PairPlan, ...]
    scored: tuple[PairPlan, ...]
    notices: tuple[Notice, ...]


def _planned(form: Form, inputs: tuple[str, ...], targets: tuple[str, ...]) -> _Planned:
    notices: list[Notice] = []
    plans = [plan_of(form, pair, inputs, targets, notices) for pair in form.pairs]
    learned = tuple(p for p, pair in zip(plans, form.pairs, strict=True) if not pair.validates)
    scored = tuple(p for p, pair in zip(plans, form.pairs, strict=True) if pair.validates)
    if not learned:
        raise VirtualStainError(
            "every pair is for validation only, so there is nothing to learn from; untick one."
        )
    notices += _told_twice(form)
    notices += misplaced([one for plan in plans for one in plan.elsewhere])
    notices += check_regions(form, learned, scored)
    return _Planned(inputs, targets, learned, scored, _distinct(notices))


def _accept(form: Form, planned: _Planned) -> Verdict:
    request = _request(form, planned)
    return Verdict(
        Readiness.READY,
        _summary(request),
        planned.notices,
        planned.inputs,
        planned.targets,
        request,
    )


def _request(form: Form, planned: _Planned) -> Request:
    from napari_virtual_stain.training import TrainOptions
    from napari_virtual_stain.training.loop import chosen_recipe

    inputs, targets, learned = planned.inputs, planned.targets, planned.learned
    options = TrainOptions(
        preset=form.preset,
        steps=form.steps,
        batch=form.batch,
        learning_rate=form.learning_rate,
        turns=form.turns,
        seed=form.seed,
        device=form.device,
        precision=form.precision,
        name=form.name.strip() or model_name(inputs, targets),
        description=form.notes.strip(),
        licence=form.licence.strip(),
        data=_data(learned, planned.scored),
        command=FROM,
    )
    recipe = chosen_recipe(options)
    options = replace(options, validate_every=_every(recipe.steps))
    _check_recipe(learned + planned.scored, options.name, recipe)
    return Request(learned, planned.scored, options, recipe, inputs, targets, start=form.start)


def _check_recipe(plans: Sequence[PairPlan], name: str, recipe: object) -> None:
    """Refuse pairs that do not suit the recipe or each other, with the sentences of training."""
    from napari_virtual_stain.training.fields import Field, Target
    from napari_virtual_stain.training.recipe import Preset
    from napari_virtual_stain.training.specification import draft_spec, in_order

    assert isinstance(recipe, Preset)
    fields = [
        Field(
            position,
            plan.sources,
            tuple(
                Target(image.channels[0], image, is_mask=image.channels[0] in plan.painted)
                for image in plan.targets
            ),
        )
        for position, plan in enumerate(plans)
    ]
    spec = draft_spec(fields, recipe, name)
    for one in fields:
        in_order(spec, one)


def _told_twice(form: Form) -> Iterator[Notice]:
    seen: list[tuple[Pick, ...]] = []
    for pair in form.pairs:
        if pair.inputs in seen:
            yield Notice(
                f"{called(pair.inputs[0])} is the input of two pairs; its pixels are learned "
                "twice, and may be scored where they were learned.",
                True,
            )
        seen.append(pair.inputs)


def _every(steps: int) -> int:
    """Return the steps between two scores: often enough to be watched, even in a short run."""
    return max(1, min(100, max(10, steps // 40), steps))


def _data(learned: Sequence[PairPlan], scored: Sequence[PairPlan]) -> str:
    """Return what a model was trained on, for its provenance."""

    def listed(plans: Sequence[PairPlan]) -> str:
        return "; ".join(
            f"{', '.join(i.name for i in plan.sources)} → {', '.join(i.name for i in plan.targets)}"
            for plan in plans
        )

    text = f"napari layers: {listed(learned)}"
    return f"{text}; scored on: {listed(scored)}" if scored else text


def _summary(request: Request) -> str:
    first = request.pairs[0].sources[0]
    count = len(request.pairs)
    pairs = "one pair" if count == 1 else f"{count} pairs"
    more = len(request.validation)
    scored = f", scored on {'another' if more == 1 else f'{more} others'}" if more else ""
    sizes = {plan.sources[0].shape for plan in request.pairs}
    size = f" ({size_text(first)})" if len(sizes) == 1 else ""
    what = f"{joined(list(request.inputs))} → {joined(list(request.targets))}"
    return f"Learns {what} from {pairs}{size}{scored}."


def _distinct(notices: Sequence[Notice]) -> tuple[Notice, ...]:
    by_text = {n.text: Notice(sentence(n.text), n.warning) for n in notices}
    return tuple(sorted(by_text.values(), key=lambda notice: not notice.warning))
