"""Global operators under tiling: what they gather over all positions is collected before its use.

Operators are served one after the other, in the network's order: what one gathers is joined
over the cores of all tiles, while those before it already use theirs. So a network with n global
operators takes n + 1 passes, of which each of the first n stops at its operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from napari_virtual_stain.networks import GlobalOperator
from napari_virtual_stain.networks.attention import Gathered


class _Collected(Exception):
    """Carries what was gathered out of a forward pass that need not go on."""

    def __init__(self, gathered: Gathered) -> None:
        self.gathered = gathered


def global_operators(network: nn.Module) -> list[GlobalOperator]:
    """Return the global operators of a network, in the order in which it runs them."""
    return [module for module in network.modules() if isinstance(module, GlobalOperator)]


def give(operators: Sequence[GlobalOperator], gathered: Gathered | None) -> None:
    """Give operators what was gathered over all positions, or take it away (None)."""
    for operator in operators:
        operator.given = gathered


def gather(
    network: nn.Module, operator: GlobalOperator, values: torch.Tensor, core: Sequence[slice]
) -> Gathered:
    """Return what an operator gathers over the core of a tile.

    Parameters
    ----------
    network : torch.nn.Module
    operator : GlobalOperator
        One of the network's.
    values : tensor, shape (1, C, *sizes)
        The tile, with its halo.
    core : sequence of slice
        Where the core lies in it; on the stride lattice.
    """

    def collect(module: nn.Module, args: tuple[Any, ...]) -> None:
        features = args[0]
        axes = features.ndim - 2  # its own: behind a projection, Y and X are left
        # The core in the operator's own resolution; exact, as cores lie on the lattice.
        region = tuple(
            slice(part.start * n // size, part.stop * n // size)
            for part, n, size in zip(
                core[-axes:], features.shape[2:], values.shape[-axes:], strict=True
            )
        )
        raise _Collected(operator.gather(features, region))

    handle = operator.register_forward_pre_hook(collect)
    try:
        network(values)
    except _Collected as collected:
        return collected.gathered
    finally:
        handle.remove()
    raise RuntimeError("the network has an operator that its forward does not call")
