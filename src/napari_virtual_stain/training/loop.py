"""Training: pairs of images → StainModel, as a generator of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, Work, run
from napari_virtual_stain.keeping import Keeper, KeepsNothing
from napari_virtual_stain.model import ModelSpec, StainModel
from napari_virtual_stain.training.control import Control
from napari_virtual_stain.training.options import Pair, TrainOptions
from napari_virtual_stain.training.origin import provenance_of, run_key
from napari_virtual_stain.training.parallel import is_first_process
from napari_virtual_stain.training.preparation import prepare_events
from napari_virtual_stain.training.presets import preset
from napari_virtual_stain.training.preview import BatchPreview
from napari_virtual_stain.training.recipe import Preset
from napari_virtual_stain.training.transfer import order_notice, recipe_of, take_weights

if TYPE_CHECKING:
    from torch import nn


def train(pairs: Sequence[Pair], preset: str = "best", **options: Any) -> StainModel:
    """Train a model on pairs of images.

    Parameters
    ----------
    pairs : sequence of (Image, Image) or TrainingPair
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


def train_events(
    pairs: Sequence[Pair],
    options: TrainOptions,
    *,
    control: Control | None = None,
    keeper: Keeper | None = None,
) -> Work[StainModel]:
    """Train as :func:`train` does, as a generator of events that returns the model.

    It yields `Progress`, `Notice`, at each step `Losses`, and with each score a `Preview`.

    Parameters
    ----------
    pairs : sequence of (Image, Image) or TrainingPair
    options : TrainOptions
    control : Control, optional
        By which a person pauses the training, or ends it and keeps the best.
    keeper : Keeper, optional
        Where it is kept while it runs. It goes on with what an unfinished run of the same pairs
        and options left there.
    """
    recipe = chosen_recipe(options)
    prepared = yield from prepare_events(pairs, recipe, options)

    from napari_virtual_stain.inference.devices import choose_device, describe
    from napari_virtual_stain.training.best import Best
    from napari_virtual_stain.training.fitting import Task, fit_network

    device = choose_device(options.device)
    if is_first_process():
        yield Notice(f"Training on the {describe(device)}.")
    network = _seeded_network(prepared.spec, options.seed)
    if options.start is not None:
        yield take_weights(network, options.start)
        if (notice := order_notice(options.start.spec, prepared.spec)) is not None:
            yield notice

    def described(best: Best) -> ModelSpec:
        provenance = provenance_of(prepared.spec, recipe, options, best)
        return prepared.spec.model_copy(update={"provenance": provenance})

    task = Task(
        prepared.spec,
        network,
        prepared.training,
        prepared.validation,
        recipe,
        options,
        described,
        run_key(prepared, recipe, options),
        control or Control(),
        keeper or KeepsNothing(),
    )
    best = yield from fit_network(task, device)
    return StainModel(best.network.to("cpu"), described(best))


def preview_events(pairs: Sequence[Pair], options: TrainOptions) -> Work[BatchPreview]:
    """Return the first batch of a training, as the network would see it."""
    recipe = chosen_recipe(options)
    prepared = yield from prepare_events(pairs, recipe, options)

    from napari_virtual_stain.training.first_batch import first_batch

    return first_batch(prepared, recipe, options)


def chosen_recipe(options: TrainOptions) -> Preset:
    """Return the recipe of the preset, with what the user chose in its place.

    Raises
    ------
    VirtualStainError
        If there is no preset of that name, or it does not suit the model to start from, or options
        do not suit each other.
    """
    recipe = preset(options.preset)
    if options.start is not None:
        recipe = recipe_of(options.start, recipe)
    if options.loss is not None and (recipe.adversarial or options.adversarial):
        raise VirtualStainError(
            "against a discriminator, the loss is that of Nguyen et al. 2020, and no other can be "
            "chosen; leave out the loss, or the discriminator."
        )
    changes: dict[str, Any] = {
        name: value
        for name in (
            "steps",
            "batch",
            "learning_rate",
            "adversarial",
            "augmentation",
            "loss",
            "averaging",
            "foreground",
        )
        if (value := getattr(options, name)) is not None
    }
    if not options.turns:
        changed = changes.get("augmentation", recipe.augmentation)
        changes["augmentation"] = replace(changed, turns=False)
    if options.equalize:
        changes["normalization"] = recipe.normalization.model_copy(update={"equalize": True})
    return replace(recipe, options={**recipe.options, **options.network_options}, **changes)


def _seeded_network(spec: ModelSpec, seed: int) -> nn.Module:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return spec.build_network()
