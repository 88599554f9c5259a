"""Pairs made ready: a specification, and examples to learn from and to score on."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Event, Notice, Progress
from napari_virtual_stain.model import ModelSpec, clean_text
from napari_virtual_stain.training.examples import Example, read_examples
from napari_virtual_stain.training.fields import Field, channels_apart
from napari_virtual_stain.training.fit_notices import fit_notices
from napari_virtual_stain.training.held_out import scored_part
from napari_virtual_stain.training.options import Pair, TrainOptions
from napari_virtual_stain.training.pairs import as_pairs
from napari_virtual_stain.training.patches import NOTHING
from napari_virtual_stain.training.recipe import Preset
from napari_virtual_stain.training.scorable import scorable
from napari_virtual_stain.training.specification import draft_spec, in_order, in_order_of
from napari_virtual_stain.training.split_warnings import split_warnings
from napari_virtual_stain.training.splitting import parts, region_box
from napari_virtual_stain.training.targets import with_ranges, with_statistics

HELD = 2**30
"""Bytes of scaled pixels that are held in memory; of larger sets, patches are read as needed."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a training begins with.

    Parameters
    ----------
    spec : ModelSpec
        With the grey values of its outputs.
    training, validation : list of Example
        The validation is in memory, the training if it is small enough.
    """

    spec: ModelSpec
    training: list[Example]
    validation: list[Example]


def prepare_events(
    pairs: Sequence[Pair], recipe: Preset, options: TrainOptions
) -> Generator[Event, None, Prepared]:
    """Read pairs as a training needs them; yields `Progress` and `Notice`.

    Raises
    ------
    VirtualStainError
        If the pairs do not fit each other or the recipe, or nothing can be learned or scored.
    """
    check_options(recipe)
    given = as_pairs(pairs)
    if not given:
        raise VirtualStainError("there are no pairs to train on.")
    yield Progress("Reading pairs", 0, len(given))
    apart = [
        channels_apart(pair, options.inputs, options.targets, position)
        for position, pair in enumerate(given)
    ]
    name = options.name or f"{apart[0].sources[0].name} {recipe.name}"
    spec = draft_spec(apart, recipe, name, options.voxel_size)
    if options.start is not None:
        spec = in_order_of(options.start.spec, spec, options.voxel_size)
    spec = spec.model_copy(update={"description": clean_text(options.description)})
    _check_network(spec)
    fields = _both_regions([in_order(spec, field) for field in apart], options)
    spec = with_ranges(spec, fields)
    splits = not options.validation and not any(field.score is not None for field in fields)
    if splits and not options.validation_crop:
        yield Notice(
            "No validation part was named: the last fifth of the columns of each image is held "
            "out for scoring."
        )
    scored_pairs = as_pairs(options.validation)
    yield from split_warnings(given, options.train_crop, options.validation_crop, scored_pairs)
    scored_apart = [
        channels_apart(pair, options.inputs, options.targets, position)
        for position, pair in enumerate(scored_pairs)
    ]
    yield from _only_scored(spec, scored_apart)
    scored_fields = [in_order(spec, field) for field in scored_apart]
    yield from fit_notices(spec, [*fields, *scored_fields])
    training: list[Example] = []
    validation: list[Example] = []
    for position, field in enumerate(fields, start=1):
        crop: Mapping[str, slice] = field.part(options.train_crop)
        if splits:
            there = field.part(options.validation_crop)
            crop, held_out = parts(field.sources[0], crop, there)
            validation += read_examples(spec, field, held_out)
        elif field.score is not None and not options.validation:
            validation += read_examples(spec, field, region_box(field.score), field.score)
        training += _learned(spec, field, crop)
        yield Progress("Reading pairs", position, len(fields))
    for field in scored_fields:
        named = field.part(options.validation_crop)
        crop = named if field.score is None else region_box(field.score)
        validation += read_examples(spec, field, crop, field.score)
    if not training:
        raise VirtualStainError(NOTHING)
    yield from _dark(fields, training, options.train_crop)
    validation, notices = scored_part(validation)
    validation, also = scorable(spec, scored_fields or fields, validation)
    yield from (*notices, *also)
    spec = with_statistics(spec, [example.statistics for example in training])
    if sum(example.bytes for example in training) <= HELD:
        training = [example.in_memory() for example in training]
    return Prepared(spec, training, validation)


def _both_regions(fields: Sequence[Field], options: TrainOptions) -> list[Field]:
    """Return fields that are scored where they are not learned, if nothing says where."""
    if options.validation or any(field.score is not None for field in fields):
        return list(fields)
    return [
        field if field.learn is None or field.learn.all() else replace(field, score=~field.learn)
        for field in fields
    ]


def check_options(recipe: Preset) -> None:
    """Refuse options of the network that are unknown, out of range, or not the user's to choose."""
    from napari_virtual_stain import networks

    for option in ("ndim", "in_channels", "out_channels"):
        if option in recipe.options:
            raise VirtualStainError(
                f"the option {option!r} follows from the preset and the pairs; leave it out."
            )
    networks.check_options(recipe.network, networks.rules(recipe.network), recipe.options)


def _learned(spec: ModelSpec, field: Field, crop: Mapping[str, slice]) -> list[Example]:
    """Return the examples of a field to learn from: all of it but what is scored."""
    region = field.learn
    if region is None and field.score is not None:
        region = ~field.score
    if region is not None and not region.any():
        return []
    return read_examples(spec, field, crop, region)


def _only_scored(spec: ModelSpec, fields: Sequence[Field]) -> Iterator[Notice]:
    """Yield which targets there are to score on and none to learn from."""
    learned = {output.name.casefold() for output in spec.outputs}
    given = [[target.name for target in field.given] for field in fields]
    # One target alone may be called otherwise: it is taken for the only one there is.
    others = dict.fromkeys(name for names in given if len(names) > 1 for name in names)
    for name in others:
        if name.casefold() in learned:
            continue
        yield Notice(f"{name} is only among the pairs to score on, and is not learned.", True)


def _dark(
    fields: Sequence[Field], examples: Sequence[Example], crop: Mapping[str, slice]
) -> Iterator[Notice]:
    """Yield how many time points of each movie are left out, as they show nothing."""
    for field in fields:
        own = {e.place.origin["T"] for e in examples if e.place and e.place.pair == field.pair}
        part = field.part(crop).get("T", slice(None))
        total = len(range(*part.indices(field.sources[0].sizes.get("T", 1))))
        if own and len(own) < total:
            yield Notice(
                f"{total - len(own)} of {total} time points of {field.sources[0].name} show "
                "nothing, and are left out."
            )


def _check_network(spec: ModelSpec) -> None:
    """Refuse options that the network does not take, before anything is read."""
    import torch

    with torch.device("meta"):
        spec.build_network()
