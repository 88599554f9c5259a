"""A network, its optimizer and its schedule: what one step of gradient descent moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from napari_virtual_stain.training.muon import Muon
from napari_virtual_stain.training.recipe import Preset
from napari_virtual_stain.training.schedules import schedule


class Learner:
    """A network that learns by the optimizer and the schedule of a recipe.

    Parameters
    ----------
    fabric : Fabric
    network : torch.nn.Module
        Trained in place.
    recipe : Preset
    steps : int

    Attributes
    ----------
    network : torch.nn.Module
        As Fabric wraps it: forwards go through this one.
    """

    def __init__(self, fabric: Fabric, network: nn.Module, recipe: Preset, steps: int) -> None:
        self._fabric, self._bare = fabric, network
        self._optimizer = optimizer(network, recipe)
        self._schedule = schedule(self._optimizer, recipe, steps)
        self.network, self._wrapped = fabric.setup(network, self._optimizer)

    def learn(self, loss: Tensor, *, last: bool = True) -> None:
        """Change the network by the gradient of a loss.

        Parameters
        ----------
        loss : tensor, shape ()
        last : bool
            Whether this is the last change of a step, after which the schedule goes on.
        """
        self._fabric.backward(loss)
        self._wrapped.step()
        self._wrapped.zero_grad()
        if last:
            self._schedule.step()

    def state(self) -> dict[str, Any]:
        """Return all that the next change depends on."""
        return {
            "network": self._bare.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "precision": self._fabric.strategy.precision.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._bare.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._fabric.strategy.precision.load_state_dict(state["precision"])


def optimizer(network: nn.Module, recipe: Preset) -> Optimizer:
    """Return the optimizer of a recipe: Adam, AdamW where weights decay, or Muon.

    Only the kernels of convolutions decay: biases and the parameters of normalizations are few,
    and pulled to zero they do harm.
    """
    rate, betas = recipe.learning_rate, recipe.betas
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if recipe.optimizer == "muon":
        return Muon(_muon_groups(network, recipe), rate, betas)
    if not recipe.weight_decay:
        return Adam(learned, rate, betas=betas)
    kernels = [parameter for parameter in learned if parameter.ndim > 1]
    others = [parameter for parameter in learned if parameter.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return AdamW([group for group in groups if group["params"]], rate, betas=betas)


def _muon_groups(network: nn.Module, recipe: Preset) -> list[dict[str, Any]]:
    """Return the kernels between hidden layers, the first and the last kernel, and the rest."""
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    ends = {id(kernel) for kernel in (*kernels[:1], *kernels[-1:])}
    hidden = [p for p in learned if p.ndim > 1 and id(p) not in ends]
    outer = [p for p in learned if p.ndim > 1 and id(p) in ends]
    others = [p for p in learned if p.ndim <= 1]
    decay = recipe.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": hidden, "orthogonal": True, "weight_decay": decay},
        {"params": outer, "weight_decay": decay},
        {"params": others},
    ]
    return [group for group in groups if group["params"]]
