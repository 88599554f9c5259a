"""What one step does to a network: by the loss of its head, or against a discriminator too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.networks import Discriminator, Head
from napari_virtual_stain.training.adversarial import (
    GENERATOR_UPDATES,
    AdversarialWeights,
    discriminator_loss,
    generator_loss,
)
from napari_virtual_stain.training.feeding import Fed
from napari_virtual_stain.training.learner import Learner
from napari_virtual_stain.training.losses import Levels, head_loss, loss_sums
from napari_virtual_stain.training.recipe import Preset

DISCRIMINATOR_RATE = 2e-4
"""Learning rate of the discriminator (Nguyen et al. 2020), whichever network is the generator."""

DISCRIMINATOR_BETAS = (0.5, 0.999)
"""Of its Adam (the same)."""


class Update(Protocol):
    """One step of a training."""

    def __call__(self, fed: Fed) -> float:
        """Change the network by a batch; returns the training loss before the change."""

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on: networks, optimizers, schedules."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""


class Supervised:
    """Updates by the loss of the network's head.

    Parameters
    ----------
    fabric : Fabric
    network : torch.nn.Module
        Trained in place.
    recipe : Preset
    steps : int
    levels : Levels, optional
        Of the targets, where the loss needs them.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        recipe: Preset,
        steps: int,
        levels: Levels | None = None,
    ) -> None:
        self.fabric, self.recipe, self.levels = fabric, recipe, levels
        self.head: Head = network.head  # type: ignore[assignment]
        self.learner = Learner(fabric, network, recipe, steps)

    def __call__(self, fed: Fed) -> float:
        """Change the network by a batch; returns the loss."""
        raw = self.learner.network(fed.inputs)
        sums = loss_sums(
            self.head,
            raw,
            fed.targets,
            options=self.recipe.loss,
            weight=fed.weights,
            levels=self.levels,
        )
        counts = None
        if self.fabric.world_size > 1:
            counts = self.fabric.all_reduce(sums.counts.detach(), reduce_op="mean")
        loss = sums.mean(counts)
        self.learner.learn(loss)
        return float(loss.detach())

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on."""
        return {"learner": self.learner.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.learner.restore(state["learner"])


class Adversarial:
    """Updates of a network as the generator of a conditional GAN, and of its discriminator.

    The discriminator learns first, then the generator, :data:`GENERATOR_UPDATES` times on the
    same batch. A generator that predicts a distribution also minimizes the loss of its head, with
    the weight of the absolute error: that of its mean alone would leave the spread untrained.
    Where a target does not count, the prediction stands in for it, for both.

    Parameters
    ----------
    fabric, network, recipe, steps
        As :class:`Supervised`.
    size : sequence of int
        Of a target patch (px).
    channels : int
        Of input and target together.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        recipe: Preset,
        steps: int,
        *,
        size: Sequence[int],
        channels: int,
    ) -> None:
        self.fabric, self.weights = fabric, AdversarialWeights()
        self.head: Head = network.head  # type: ignore[assignment]
        self.generator = Learner(fabric, network, recipe, steps)
        discriminator = Discriminator(in_channels=channels, size=size)
        judge = replace(
            recipe,
            optimizer="adam",
            learning_rate=DISCRIMINATOR_RATE,
            betas=DISCRIMINATOR_BETAS,
            weight_decay=0.0,
            schedule="constant",
        )
        self.discriminator = Learner(fabric, discriminator, judge, steps)

    def __call__(self, fed: Fed) -> float:
        """Change both by a batch; returns the mean absolute error of the generator."""
        raw, predicted = self._predict(fed.inputs)
        targets = self._complete(fed, predicted)
        judge = self.discriminator.network
        real, fake = judge(fed.inputs, targets), judge(fed.inputs, predicted.detach())
        self.discriminator.learn(discriminator_loss(real, fake))
        error = float((predicted.detach() - targets).abs().mean())
        judge.requires_grad_(False)
        for update in range(GENERATOR_UPDATES):
            if update:
                raw, predicted = self._predict(fed.inputs)
                targets = self._complete(fed, predicted)
            logits = judge(fed.inputs, predicted)
            parameters = self.generator.network.parameters()
            loss = generator_loss(predicted, targets, logits, parameters, self.weights)
            if self.head.kind != "value":
                own = head_loss(self.head, raw, fed.targets, weight=fed.weights)
                loss = loss + self.weights.mae * own
            self.generator.learn(loss, last=update == GENERATOR_UPDATES - 1)
        judge.requires_grad_(True)
        return error

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on."""
        return {"learner": self.generator.state(), "discriminator": self.discriminator.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.generator.restore(state["learner"])
        self.discriminator.restore(state["discriminator"])

    def _predict(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        raw = self.generator.network(inputs)
        # Without the maps: a sure pixel has a σ of 0, whose derivative is infinite.
        return raw, self.head.read(raw, uncertainty=False)

    def _complete(self, fed: Fed, predicted: Tensor) -> Tensor:
        if fed.weights is None:
            return fed.targets
        return fed.targets.where(fed.weights > 0, predicted.detach())


@contextmanager
def several_values_for_batch_norm(network: nn.Module, shape: Sequence[int]) -> Iterator[None]:
    """Within this context, batch normalization of a single value for each channel is refused.

    Parameters
    ----------
    network : torch.nn.Module
    shape : sequence of int
        Spatial sizes of a patch of its input (px), for the sentence.

    Raises
    ------
    VirtualStainError
        If a layer gets one. From one value no variance can be had.
    """

    def check(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        (values,) = arguments
        if module.training and values.numel() == values.shape[1]:
            raise VirtualStainError(
                f"one patch of {' × '.join(map(str, shape))} pixels is too little for a step, as "
                "batch normalization needs several values; use a larger batch or larger images."
            )

    norms = [m for m in network.modules() if isinstance(m, (nn.BatchNorm2d, nn.BatchNorm3d))]
    handles = [norm.register_forward_pre_hook(check) for norm in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def channels_last_(network: nn.Module) -> None:
    """Lay out the weights of convolutions channels last in memory, of 2D and 3D ones alike."""
    for parameter in network.parameters():
        if parameter.ndim in (4, 5):
            layout = torch.channels_last if parameter.ndim == 4 else torch.channels_last_3d
            parameter.data = parameter.data.contiguous(memory_format=layout)
