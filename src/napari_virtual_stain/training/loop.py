"""Training: pairs of images → StainModel, as a generator of events."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Event, Notice, Progress, Work, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import fit
from napari_virtual_stain.model import ModelSpec, Provenance, StainModel
from napari_virtual_stain.training.examples import Example, read_examples
from napari_virtual_stain.training.options import Pair, TrainOptions
from napari_virtual_stain.training.presets import preset
from napari_virtual_stain.training.recipe import Preset
from napari_virtual_stain.training.specification import check_pair, choose_channels, draft_spec
from napari_virtual_stain.training.splitting import parts
from napari_virtual_stain.training.targets import with_ranges, with_statistics
from napari_virtual_stain.version import __version__

if TYPE_CHECKING:
    from torch import nn

    from napari_virtual_stain.training.fitting import Best


def train(pairs: Sequence[Pair], preset: str = "gvtnet-2d-small", **options: Any) -> StainModel:
    """Train a model on pairs of images.

    Parameters
    ----------
    pairs : sequence of (Image, Image)
        Input and target, on one grid. A z-stack whose target is a single plane gives
        its planes as channels (2D presets), or is projected (presets that project).
    preset : str
        Name of the recipe.
    **options
        Fields of :class:`TrainOptions`.

    Returns
    -------
    StainModel
        With the weights of the step that scored best on the validation part.

    Raises
    ------
    VirtualStainError
        If the pairs do not fit each other or the preset.
    """
    return run(train_events(pairs, TrainOptions(preset=preset, **options)))


def train_events(pairs: Sequence[Pair], options: TrainOptions) -> Work[StainModel]:
    """Train as :func:`train` does, as a generator of events that returns the model.

    It yields `Progress`, `Notice` and, at each step, `Losses`.
    """
    recipe = chosen_recipe(options)
    if not pairs:
        raise VirtualStainError("there are no pairs to train on.")
    yield Progress("Reading pairs", 0, len(pairs))
    spec, training, validation = yield from _read(pairs, recipe, options)

    from napari_virtual_stain.inference.devices import choose_device, describe
    from napari_virtual_stain.training.fitting import fit_network

    device = choose_device(options.device)
    yield Notice(f"Training on the {describe(device)}.")
    network = _seeded_network(spec, options.seed)
    best = yield from fit_network(network, training, validation, recipe, options, device)
    spec = with_statistics(spec, [example.statistics for example in training])
    provenance = _provenance(spec, recipe, options, best)
    return StainModel(best.network.to("cpu"), spec.model_copy(update={"provenance": provenance}))


def chosen_recipe(options: TrainOptions) -> Preset:
    """Return the recipe of the preset, with what the user chose in its place.

    Raises
    ------
    VirtualStainError
        If there is no preset of that name.
    """
    recipe = preset(options.preset)
    changes: dict[str, Any] = {
        name: value
        for name in ("steps", "batch", "learning_rate", "adversarial")
        if (value := getattr(options, name)) is not None
    }
    if options.equalize:
        changes["normalization"] = recipe.normalization.model_copy(update={"equalize": True})
    return replace(recipe, options={**recipe.options, **options.network_options}, **changes)


def _read(
    pairs: Sequence[Pair], recipe: Preset, options: TrainOptions
) -> Generator[Event, None, tuple[ModelSpec, list[Example], list[Example]]]:
    _check_options(recipe)
    for given in pairs:
        _check_is_pair(given)
    chosen = [choose_channels(pair, options.inputs, options.targets) for pair in pairs]
    name = options.name or f"{chosen[0][0][0].name} {recipe.name}"
    spec = draft_spec(*chosen[0], recipe, name)
    spec = spec.model_copy(update={"description": options.description})
    _check_network(spec)
    if not options.validation and not options.validation_crop:
        yield Notice(
            "No validation part was named: the last fifth of the columns of each image is held "
            "out for scoring."
        )
    checked = [check_pair(spec, *pair) for pair in chosen]
    spec = with_ranges(spec, [targets for _, targets in checked])
    training: list[Example] = []
    validation: list[Example] = []
    for position, (sources, targets) in enumerate(checked, start=1):
        yield from (notice for notice in fit(spec, sources).notices if not notice.warning)
        crop = options.train_crop
        if not options.validation:
            crop, held_out = parts(sources[0], crop, options.validation_crop)
            validation += _scorable(spec, sources, targets, held_out)
        training += read_examples(spec, sources, targets, crop)
        yield Progress("Reading pairs", position, len(chosen))
    for one in options.validation:
        pair = choose_channels(one, options.inputs, options.targets)
        sources, targets = check_pair(spec, *pair)
        validation += _scorable(spec, sources, targets, options.validation_crop)
    return spec, training, validation


def _scorable(
    spec: ModelSpec,
    sources: Sequence[Image],
    targets: Sequence[Image],
    crop: Mapping[str, slice],
) -> list[Example]:
    """Read examples whose targets show something: of a constant, there is no correlation."""
    examples = read_examples(spec, sources, targets, crop)
    for example in examples:
        for target, values in zip(targets, example.target, strict=True):
            if np.ptp(values) == 0:
                raise VirtualStainError(
                    f"the target {target.name} ({' '.join(target.channels)}) is constant in the "
                    "validation part, so nothing can be scored there; name another part with a "
                    "validation crop."
                )
    return examples


def _check_is_pair(given: Any) -> None:
    images = given if isinstance(given, (tuple, list)) else ()
    if len(images) != 2 or not all(isinstance(image, Image) for image in images):
        raise VirtualStainError(
            "a pair is an input image and a target image (vs.read_image, vs.Image), not "
            f"{type(given).__name__}."
        )


def _check_options(recipe: Preset) -> None:
    """Refuse options of the network that are unknown, out of range, or not the user's to choose."""
    from napari_virtual_stain import networks

    for option in ("ndim", "in_channels", "out_channels"):
        if option in recipe.options:
            raise VirtualStainError(
                f"the option {option!r} follows from the preset and the pairs; leave it out."
            )
    networks.check_options(recipe.network, networks.rules(recipe.network), recipe.options)


def _check_network(spec: ModelSpec) -> None:
    """Refuse options that the network does not take, before anything is read."""
    import torch

    with torch.device("meta"):
        spec.build_network()


def _seeded_network(spec: ModelSpec, seed: int) -> nn.Module:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return spec.build_network()


def _provenance(spec: ModelSpec, recipe: Preset, options: TrainOptions, best: Best) -> Provenance:
    return Provenance(
        data=options.data,
        licence=options.licence,
        attribution=options.attribution,
        preset=recipe.name,
        command=options.command,
        steps=best.step,
        seed=options.seed,
        versions={"napari-virtual-stain": __version__}
        | {package: importlib.metadata.version(package) for package in ("torch", "lightning")},
        scores={
            output.name: {"validation_pearson_r": round(score, 4)}
            for output, score in zip(spec.outputs, best.scores, strict=True)
        },
    )
