"""Forwards in stages: networks that can pause before each of their global operators.

Such a network states its forward as a generator, ``network.stages(x)``, which pauses right before
a global operator is called. Whoever drives it may look at what the operator is about to get, give
it what was gathered over a whole image, and keep the generator until then: what was
computed so far need not be computed again. ``forward(x)`` drives it to its end.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from napari_virtual_stain.networks.global_operators import GlobalOperator


@dataclass(frozen=True, eq=False)
class Pause:
    """A forward that waits before a global operator.

    It holds tensors: drop it before the forward goes on, or they stay alive with it.

    Parameters
    ----------
    operator : GlobalOperator
        What is called next. Where nothing is ``given`` to it, it gathers from `features`.
    features : tensor, shape (B, C, *sizes)
        Its input.
    kept : tuple of tensor
        What else the forward holds for later, such as the features that skip the operator.
    """

    operator: GlobalOperator
    features: Tensor
    kept: tuple[Tensor, ...] = ()


Stages = Generator[Pause, None, Tensor]
"""A forward in stages; it returns the raw channels."""


def pause_before(module: nn.Module, x: Tensor, *kept: Tensor) -> Iterator[Pause]:
    """Pause, where what is called next is a global operator.

    Parameters
    ----------
    module : torch.nn.Module
        It is called next.
    x : tensor
        Its input.
    *kept : tensor
        What else the forward holds for later.
    """
    if isinstance(module, GlobalOperator):
        yield Pause(module, x, kept)


def finish(stages: Stages) -> Tensor:
    """Run a forward from where it is to its end, and return what it returns."""
    try:
        while True:
            next(stages)  # nothing may hold the pause: its tensors would outlive their use
    except StopIteration as end:
        result: Tensor = end.value
        return result
