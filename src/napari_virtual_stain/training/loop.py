"""Training: pairs of images → StainModel, as a generator of events.

The loop is ours; Fabric (Lightning) does devices and precision. What a step sees follows
from (seed, step), so that the same call gives the same model on the same machine.
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Event, Losses, Notice, Progress, Work, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import fit
from napari_virtual_stain.model import ModelSpec, OutputSpec, Provenance, StainModel
from napari_virtual_stain.training.examples import (
    Example,
    check_pair,
    choose_channels,
    draft_spec,
    read_examples,
    target_statistics,
)
from napari_virtual_stain.training.options import Pair, TrainOptions
from napari_virtual_stain.training.patches import batch, patch_shape
from napari_virtual_stain.training.presets import Preset, preset
from napari_virtual_stain.training.splitting import parts
from napari_virtual_stain.version import __version__

if TYPE_CHECKING:
    import torch
    from torch import nn

FABRIC_PRECISION: dict[str, Any] = {
    "auto": "32-true",
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}

SETTLING_STEPS = 16
"""Batches over which the statistics of batch normalization are averaged before scoring."""


@dataclass(frozen=True, eq=False)
class Best:
    """The step that scored best: its scores per output, and its network, ready for inference."""

    mean: float
    scores: tuple[float, ...]
    step: int
    network: nn.Module


def train(pairs: Sequence[Pair], preset: str = "gvtnet-2d-small", **options: Any) -> StainModel:
    """Train a model on pairs of images.

    Parameters
    ----------
    pairs : sequence of (Image, Image)
        Input and target, on one grid. A z-stack whose target is a single plane gives
        its planes as channels (2D presets).
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
    recipe = preset(options.preset)
    if not pairs:
        raise VirtualStainError("there are no pairs to train on.")
    yield Progress("Reading pairs", 0, len(pairs))
    spec, training, validation = yield from _read(pairs, recipe, options)

    from napari_virtual_stain.inference.devices import choose_device, describe

    device = choose_device(options.device)
    yield Notice(f"Training on the {describe(device)}.")
    network = _seeded_network(spec, options.seed)
    best = yield from _fit(network, training, validation, recipe, options, device)
    outputs = [
        OutputSpec(name=output.name, colormap=output.colormap, mean=by.mean, std=by.std)
        for output, by in zip(spec.outputs, target_statistics(training), strict=True)
    ]
    provenance = _provenance(spec, recipe, options, best)
    spec = spec.model_copy(update={"outputs": outputs, "provenance": provenance})
    return StainModel(best.network.to("cpu"), spec)


def _read(
    pairs: Sequence[Pair], recipe: Preset, options: TrainOptions
) -> Generator[Event, None, tuple[ModelSpec, list[Example], list[Example]]]:
    chosen = [choose_channels(pair, options.inputs, options.targets) for pair in pairs]
    name = options.name or f"{chosen[0][0][0].name} {recipe.name}"
    spec = draft_spec(*chosen[0], recipe, name)
    spec = spec.model_copy(update={"description": options.description})
    if not options.validation and not options.validation_crop:
        yield Notice(
            "No validation part was named: the last fifth of the columns of each image is held "
            "out for scoring."
        )
    training: list[Example] = []
    validation: list[Example] = []
    for position, pair in enumerate(chosen, start=1):
        sources, targets = check_pair(spec, *pair)
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


def _seeded_network(spec: ModelSpec, seed: int) -> nn.Module:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return spec.build_network()


def _fit(
    network: nn.Module,
    training: Sequence[Example],
    validation: Sequence[Example],
    recipe: Preset,
    options: TrainOptions,
    device: torch.device,
) -> Generator[Event, None, Best]:
    """Train `network` in place; returns the step that scored best."""
    import torch
    from lightning.fabric import Fabric

    from napari_virtual_stain.networks import to_half
    from napari_virtual_stain.training.validation import settled, validation_r

    if options.precision == "fp16" and device.type == "cpu":
        raise VirtualStainError(
            "half precision (fp16) does not train on the CPU; choose bf16 or fp32."
        )
    steps = options.steps or recipe.steps
    fabric = Fabric(
        accelerator=device.type, devices=1, precision=FABRIC_PRECISION[options.precision]
    )
    geometry: Any = network.geometry
    layout: Any = torch.channels_last if len(geometry.stride) == 2 else torch.channels_last_3d
    network.to(memory_format=layout)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate, betas=recipe.betas)
    schedule = _schedule(optimizer, recipe, steps)
    wrapped, optimizer = fabric.setup(network, optimizer)
    shape = patch_shape(training, recipe.patch, geometry.stride)
    count = options.batch or recipe.batch
    _check_batch(count, shape, geometry.stride)

    def tensors(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        values, targets = batch(training, shape, count, options.seed, step)
        inputs = torch.from_numpy(values).to(device).contiguous(memory_format=layout)
        return inputs, torch.from_numpy(targets).to(device)

    best: Best | None = None
    for step in range(1, steps + 1):
        wrapped.train()
        inputs, targets = tensors(step)
        loss = torch.nn.functional.mse_loss(wrapped(inputs).float(), targets)
        fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        scores: tuple[float, ...] = ()
        if step % options.validate_every == 0 or step == steps:
            recent = range(max(1, step - SETTLING_STEPS + 1), step + 1)
            candidate = settled(network, (tensors(earlier)[0] for earlier in recent))
            if options.half:
                candidate.load_state_dict(to_half(candidate.state_dict()))
            scores = validation_r(candidate, validation, device)
            mean = float(np.mean(scores))
            if math.isfinite(mean) and (best is None or mean > best.mean):
                best = Best(mean, scores, step, candidate)
        yield Losses(step, float(loss.detach()), scores)
        yield Progress("Training", step, steps)
    if best is None:
        raise VirtualStainError(
            "the training diverged: no score of the validation part is a number; check the images, "
            "or choose another preset or precision."
        )
    return best


def _check_batch(count: int, shape: Sequence[int], stride: Sequence[int]) -> None:
    if count * math.prod(n // s for n, s in zip(shape, stride, strict=True)) == 1:
        raise VirtualStainError(
            f"one patch of {' × '.join(map(str, shape))} pixels is too little for a step, as batch "
            "normalization needs several values; use a larger batch or larger images."
        )


def _schedule(
    optimizer: torch.optim.Optimizer, recipe: Preset, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    from torch.optim import lr_scheduler

    if recipe.schedule == "one-cycle":
        return lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=recipe.learning_rate,
            total_steps=steps + 1,
            # PyTorch cannot warm up in less than a step.
            pct_start=max(0.2, 2 / (steps + 1)),
            cycle_momentum=False,
        )
    return lr_scheduler.ConstantLR(optimizer, factor=1.0)


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
