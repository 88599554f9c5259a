"""The loop: steps, scores, and the network of the step that scored best.

What a step sees and draws follows from (seed, step), and a snapshot holds everything else that
it depends on, so that a resumed training equals an unbroken one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Event, Losses, Notice, Progress, Stopped, raise_if_stopped
from napari_virtual_stain.keeping import Keeper, KeepsNothing, Snapshot
from napari_virtual_stain.model import ModelSpec
from napari_virtual_stain.networks import Geometry, to_half
from napari_virtual_stain.training.averaging import Averaged
from napari_virtual_stain.training.best import Best
from napari_virtual_stain.training.control import Control
from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.feeding import Feed
from napari_virtual_stain.training.levels import levels_of
from napari_virtual_stain.training.options import TrainOptions
from napari_virtual_stain.training.parallel import fabric_for
from napari_virtual_stain.training.patches import patches_of
from napari_virtual_stain.training.preview import on_pair_grid
from napari_virtual_stain.training.randomness import drawn_from
from napari_virtual_stain.training.recipe import Preset
from napari_virtual_stain.training.snapshots import Moment, Parts, restore, snapshot_of
from napari_virtual_stain.training.stopping import Patience
from napari_virtual_stain.training.transfer import freeze
from napari_virtual_stain.training.updates import (
    Adversarial,
    Supervised,
    Update,
    channels_last_,
    several_values_for_batch_norm,
)
from napari_virtual_stain.training.validation import scored_outputs, settled, validate

SETTLING_STEPS = 16
"""Batches over which the statistics of batch normalization are averaged before scoring."""

KEEP_EVERY = 45.0
"""Seconds after which a snapshot is kept with the next step: a crash loses at most a minute."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is trained, on what, and how.

    Parameters
    ----------
    spec : ModelSpec
    network : torch.nn.Module
        Trained in place.
    training, validation : sequence of Example
    recipe : Preset
        With what the user chose in its place.
    options : TrainOptions
    describe : callable
        The specification of the best network, as it would be saved now.
    key : mapping
        All that determines the training, as plain JSON values.
    control : Control
    keeper : Keeper
    """

    spec: ModelSpec
    network: nn.Module
    training: Sequence[Example]
    validation: Sequence[Example]
    recipe: Preset
    options: TrainOptions
    describe: Callable[[Best], ModelSpec]
    key: Mapping[str, Any]
    control: Control = field(default_factory=Control)
    keeper: Keeper = field(default_factory=KeepsNothing)


def fit_network(task: Task, device: torch.device) -> Generator[Event, None, Best]:
    """Train a network in place; yields `Losses` and `Progress` at each step.

    Raises
    ------
    VirtualStainError
        If the training diverges, or a batch is too small.
    Stopped
        If it is left for later.
    """
    fitting = Fitting(task, device)
    with fitting.feed:
        yield from fitting.run()
    if fitting.fabric.global_rank > 0:
        # The first process alone scores, says and saves; this one has nothing to tell.
        unknown = (math.nan,) * len(task.spec.outputs)
        return Best(math.nan, unknown, fitting.step, task.network)
    if fitting.best is None:
        if task.control.stopping:
            raise VirtualStainError(
                "the training was stopped before there was anything to keep; let it come to its "
                "first score."
            )
        raise VirtualStainError(
            "the training diverged: no score of the validation part is a number; check the images, "
            "or choose another preset, learning rate or precision."
        )
    return fitting.best


class Fitting:
    """One training: everything that changes from step to step.

    Parameters
    ----------
    task : Task
    device : torch.device
    """

    def __init__(self, task: Task, device: torch.device) -> None:
        recipe, options = task.recipe, task.options
        self.task, self.fabric = task, fabric_for(options, device)
        self.device = self.fabric.device if self.fabric.world_size > 1 else device
        geometry: Geometry = task.network.geometry  # type: ignore[assignment]
        patches = patches_of(task.training, recipe, geometry, options.seed)
        planes = [channel.planes for channel in task.spec.inputs]
        self.feed = Feed(
            patches, recipe.augmentation, recipe.batch, planes, self.device, self.fabric.global_rank
        )
        self.frozen = freeze(task.network, options.freeze)
        self.update = self._update(patches.plan.target)
        self.averaged = Averaged(task.network, recipe.averaging) if recipe.averaging else None
        self.patience = Patience(options.patience)
        self.scored = scored_outputs(task.validation)
        self.best: Best | None = None
        self.step = 0
        self._began = time.monotonic()
        self._kept_at: float | None = None
        for module in task.network.modules():
            if not list(module.children()):
                module.register_forward_pre_hook(_stop_between_layers)

    def run(self) -> Generator[Event, None, None]:
        """Go from the step that an earlier run came to, if there was one, to the last."""
        steps, control = self.task.recipe.steps, self.task.control
        earlier = self.task.keeper.earlier(self.task.key)
        if earlier is not None:
            spec, device = self.task.spec, self.device
            moment = restore(earlier, self._parts(), spec, device)
            self.step, self.best = moment.step, moment.best
            yield Notice(f"Going on with an earlier training, after step {self.step} of {steps}.")
            yield Progress("Training", self.step, steps)
        loss = math.nan
        scored_at = self.step
        while self.step < steps and not self.patience.over and not control.stopping:
            control.wait_while_paused()
            self.step += 1
            loss = self._learn()
            if self.step == steps or self.step % self.task.options.validate_every == 0:
                yield from self._score(loss)
                scored_at = self.step
            else:
                yield Losses(self.step, loss)
            yield Progress("Training", self.step, steps)
            yield from self._keep(at_once=control.leaving)
            if control.leaving:
                raise Stopped
        if control.stopping and self.step > scored_at:
            # What was learned last may be the best.
            yield from self._score(loss)
        if self.patience.over and self.step < steps:
            yield Notice(
                f"Stopped after step {self.step}: the last {self.patience.waited} scores were no "
                "better than one before."
            )

    def _learn(self) -> float:
        network = self.task.network.train()
        for module in self.frozen:
            module.eval()
        fed = self.feed(self.step, self.task.recipe.steps)
        watched = several_values_for_batch_norm(network, fed.inputs.shape[2:])
        rank = self.fabric.global_rank
        with drawn_from(self.task.options.seed, self.step, self.device, rank), watched:
            loss = self.update(fed)
        if self.averaged is not None:
            self.averaged.update(network)
        return loss

    def _score(self, loss: float) -> Generator[Event, None, None]:
        """Score the network, and keep it if it is the best."""
        scores: tuple[float, ...] = ()
        names = tuple(output.name for output in self.task.spec.outputs)
        preview = None
        if self.fabric.global_rank == 0:
            network = self.task.network if self.averaged is None else self.averaged.network
            recent = range(max(1, self.step - SETTLING_STEPS + 1), self.step + 1)
            candidate = settled(network, (self.feed(earlier).inputs for earlier in recent))
            if self.task.options.half:
                candidate.load_state_dict(to_half(candidate.state_dict()))
            found = validate(candidate, self.task.validation, self.device)
            scores = found.scores
            mean = _mean([scores[output] for output in self.scored])
            if self.patience.saw(mean):
                self.best = Best(mean, scores, self.step, candidate)
            preview = on_pair_grid(self.task.validation[0], found.first, self.step, names)
        if self.fabric.world_size > 1:
            scores, self.patience.waited = self.fabric.broadcast((scores, self.patience.waited))
        yield Losses(self.step, loss, scores, names)
        if preview is not None:
            yield preview

    def _keep(self, *, at_once: bool = False) -> Iterator[Notice]:
        """Keep a snapshot from time to time; one that cannot be kept ends no training."""
        if self.fabric.global_rank > 0:
            return
        # The first score is kept at once: from then on there is something to lose.
        is_first = self._kept_at is None and self.best is not None
        since = self._began if self._kept_at is None else self._kept_at
        if at_once or is_first or time.monotonic() - since >= KEEP_EVERY:
            self._kept_at = time.monotonic()
            try:
                self.task.keeper.keep(self._snapshot())
            except VirtualStainError as error:
                yield Notice(
                    f"The training cannot be kept while it runs, so a crash would lose it: {error}",
                    True,
                )

    def _parts(self) -> Parts:
        return {"update": self.update, "averaged": self.averaged, "patience": self.patience}

    def _snapshot(self) -> Snapshot:
        task = self.task
        spec = None if self.best is None else task.describe(self.best)
        values = {"steps": task.recipe.steps, "key": dict(task.key)}
        return snapshot_of(Moment(self.step, self.best), self._parts(), values, spec)

    def _update(self, size: Sequence[int]) -> Update:
        task, recipe = self.task, self.task.recipe
        if self.device.type != "cpu":
            # On the CPU, PyTorch's backward through narrow convolutions whose weights lie channels
            # last writes beyond its memory; the layout of the inputs alone gives the same speed.
            channels_last_(task.network)
        if not recipe.adversarial:
            levels = levels_of(task.training) if recipe.loss.needs_levels else None
            return Supervised(self.fabric, task.network, recipe, recipe.steps, levels)
        example = task.training[0]
        channels = example.values.shape[0] + example.target.shape[0]
        with drawn_from(task.options.seed, 0, self.device):
            return Adversarial(
                self.fabric, task.network, recipe, recipe.steps, size=size, channels=channels
            )


def _mean(scores: Sequence[float]) -> float:
    """Return the mean of scores; one that is not known, of a flat prediction, counts as 0."""
    known = [score for score in scores if math.isfinite(score)]
    return sum(known) / len(scores) if known else math.nan


def _stop_between_layers(module: nn.Module, args: Any) -> None:
    raise_if_stopped()
