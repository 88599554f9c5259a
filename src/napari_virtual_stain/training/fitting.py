"""The loop: steps, scores, and the network of the step that scored best.

Fabric (Lightning) does devices and precision. What a step sees and draws follows from (seed,
step), so that the same call gives the same network on the same machine.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Event, Losses, Progress
from napari_virtual_stain.networks import Geometry, to_half
from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.options import TrainOptions
from napari_virtual_stain.training.patches import PatchPlan, batch, patch_plan
from napari_virtual_stain.training.randomness import drawn_from
from napari_virtual_stain.training.recipe import Preset
from napari_virtual_stain.training.updates import (
    Adversarial,
    Supervised,
    Update,
    channels_last_,
    several_values_for_batch_norm,
)
from napari_virtual_stain.training.validation import settled, validation_r

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


def fit_network(
    network: nn.Module,
    training: Sequence[Example],
    validation: Sequence[Example],
    recipe: Preset,
    options: TrainOptions,
    device: torch.device,
) -> Generator[Event, None, Best]:
    """Train `network` in place; yields `Losses` and `Progress` at each step.

    Parameters
    ----------
    network : torch.nn.Module
    training, validation : sequence of Example
    recipe : Preset
        With what the user chose in its place.
    options : TrainOptions
    device : torch.device

    Returns
    -------
    Best

    Raises
    ------
    VirtualStainError
        If the training diverges, or a batch is too small.
    """
    if options.precision == "fp16" and device.type == "cpu":
        raise VirtualStainError(
            "half precision (fp16) does not train on the CPU; choose bf16 or fp32."
        )
    precision = FABRIC_PRECISION[options.precision]
    fabric = Fabric(accelerator=device.type, devices=1, precision=precision)
    geometry: Geometry = network.geometry  # type: ignore[assignment]
    plan = patch_plan(training, recipe.patch, geometry)
    draw = _Drawing(training, plan, recipe.batch, options, device)
    update = _update(fabric, network, recipe, plan, draw)

    best: Best | None = None
    for step in range(1, recipe.steps + 1):
        network.train()
        inputs, targets = draw(step)
        watched = several_values_for_batch_norm(network, inputs.shape[2:])
        with drawn_from(options.seed, step, device), watched:
            loss = update(inputs, targets)
        scores: tuple[float, ...] = ()
        if step % options.validate_every == 0 or step == recipe.steps:
            recent = range(max(1, step - SETTLING_STEPS + 1), step + 1)
            candidate = settled(network, (draw(earlier)[0] for earlier in recent))
            if options.half:
                candidate.load_state_dict(to_half(candidate.state_dict()))
            scores = validation_r(candidate, validation, device)
            mean = float(np.mean(scores))
            if math.isfinite(mean) and (best is None or mean > best.mean):
                best = Best(mean, scores, step, candidate)
        yield Losses(step, loss, scores)
        yield Progress("Training", step, recipe.steps)
    if best is None:
        raise VirtualStainError(
            "the training diverged: no score of the validation part is a number; check the images, "
            "or choose another preset, learning rate or precision."
        )
    return best


@dataclass(frozen=True, eq=False)
class _Drawing:
    """Draws the patches of a step, on the device."""

    examples: Sequence[Example]
    plan: PatchPlan
    count: int
    options: TrainOptions
    device: torch.device

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        seed, turns = self.options.seed, self.options.turns
        values, targets = batch(self.examples, self.plan, self.count, seed, step, turns=turns)
        layout: Any = torch.channels_last if values.ndim == 4 else torch.channels_last_3d
        inputs = torch.from_numpy(values).to(self.device).contiguous(memory_format=layout)
        return inputs, torch.from_numpy(targets).to(self.device)


def _update(
    fabric: Fabric, network: nn.Module, recipe: Preset, plan: PatchPlan, draw: _Drawing
) -> Update:
    if draw.device.type != "cpu":
        # On the CPU, PyTorch's backward through narrow convolutions whose weights lie channels
        # last writes beyond its memory; the layout of the inputs alone gives the same speed.
        channels_last_(network)
    if not recipe.adversarial:
        return Supervised(fabric, network, recipe, recipe.steps)
    example = draw.examples[0]
    channels = len(example.values) + len(example.target)
    with drawn_from(draw.options.seed, 0, draw.device):
        return Adversarial(
            fabric, network, recipe, recipe.steps, size=plan.target, channels=channels
        )
