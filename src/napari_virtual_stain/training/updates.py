"""What one step does to a network: by the loss of its head, or against a discriminator too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Adam

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.networks import Discriminator, Head
from napari_virtual_stain.training.adversarial import (
    GENERATOR_UPDATES,
    AdversarialWeights,
    discriminator_loss,
    generator_loss,
)
from napari_virtual_stain.training.losses import head_loss
from napari_virtual_stain.training.recipe import Preset
from napari_virtual_stain.training.schedules import schedule

DISCRIMINATOR_RATE = 2e-4
"""Learning rate of the discriminator (Nguyen et al. 2020), whichever network is the generator."""


class Update(Protocol):
    """One step of a training."""

    def __call__(self, inputs: Tensor, targets: Tensor) -> float:
        """Change the network by a batch; returns the training loss before the change."""


class Supervised:
    """Updates by the loss of the network's head.

    Parameters
    ----------
    fabric : Fabric
    network : torch.nn.Module
        Trained in place.
    recipe : Preset
    steps : int
    """

    def __init__(self, fabric: Fabric, network: nn.Module, recipe: Preset, steps: int) -> None:
        self.fabric, self.recipe = fabric, recipe
        self.head: Head = network.head  # type: ignore[assignment]
        optimizer = Adam(network.parameters(), recipe.learning_rate, betas=recipe.betas)
        self.schedule = schedule(optimizer, recipe, steps)
        self.network, self.optimizer = fabric.setup(network, optimizer)

    def __call__(self, inputs: Tensor, targets: Tensor) -> float:
        """Change the network by a batch; returns the loss."""
        loss = head_loss(self.head, self.network(inputs), targets, value_loss=self.recipe.loss)
        self.fabric.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        return float(loss.detach())


class Adversarial:
    """Updates of a network as the generator of a conditional GAN, and of its discriminator.

    The discriminator learns first, then the generator, :data:`GENERATOR_UPDATES` times on the
    same batch. A generator that predicts a distribution also minimizes the loss of its head, with
    the weight of the absolute error: that of its mean alone would leave the spread untrained.

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
        optimizer = Adam(network.parameters(), recipe.learning_rate, betas=recipe.betas)
        self.schedule = schedule(optimizer, recipe, steps)
        self.network, self.optimizer = fabric.setup(network, optimizer)
        discriminator = Discriminator(in_channels=channels, size=size)
        judge = Adam(discriminator.parameters(), DISCRIMINATOR_RATE, betas=recipe.betas)
        self.discriminator, self.judge = fabric.setup(discriminator, judge)

    def __call__(self, inputs: Tensor, targets: Tensor) -> float:
        """Change both by a batch; returns the mean absolute error of the generator."""
        raw, predicted = self._predict(inputs)
        self._discriminate(inputs, targets, predicted.detach())
        error = float((predicted.detach() - targets).abs().mean())
        self.discriminator.requires_grad_(False)
        for update in range(GENERATOR_UPDATES):
            if update:
                raw, predicted = self._predict(inputs)
            logits = self.discriminator(inputs, predicted)
            parameters = self.network.parameters()
            loss = generator_loss(predicted, targets, logits, parameters, self.weights)
            if self.head.kind != "value":
                loss = loss + self.weights.mae * head_loss(self.head, raw, targets)
            self.fabric.backward(loss)
            self.optimizer.step()
            self.optimizer.zero_grad()
        self.discriminator.requires_grad_(True)
        self.schedule.step()
        return error

    def _predict(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        raw = self.network(inputs)
        # Without the maps: a sure pixel has a σ of 0, whose derivative is infinite.
        return raw, self.head.read(raw, uncertainty=False)

    def _discriminate(self, inputs: Tensor, targets: Tensor, predicted: Tensor) -> None:
        real, fake = self.discriminator(inputs, targets), self.discriminator(inputs, predicted)
        self.fabric.backward(discriminator_loss(real, fake))
        self.judge.step()
        self.judge.zero_grad()


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
