"""Muon: steps of equal size in every direction that the kernel of a layer can be changed in.

The momentum of a kernel, taken as a matrix from what a position reads to what it yields, is
replaced by the nearest orthogonal matrix: directions that are rare in the gradients are learned as
fast as those that dominate them. What is no kernel between two hidden layers (the first and the
last one, biases, normalizations) is learned by AdamW, in the same optimizer, so that a schedule and
a snapshot hold both.

PyTorch's own Muon takes matrices alone, and none of the kernels of convolutions.

References
----------
.. [1] Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024).
.. [2] Liu et al., "Muon is scalable for LLM training" (2025), equation 4: steps as large as those
   of AdamW, so that one rate does for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

MOMENTUM = 0.95
ROUNDS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial whose iteration brings singular values near 1 ([1]_)."""

LIKE_ADAM = 0.2
"""Root mean square of a step of AdamW ([2]_)."""

SMALL = 1e-8


class Muon(Optimizer):
    """Muon for groups of parameters with ``orthogonal``, AdamW for the others.

    Parameters
    ----------
    groups : iterable of dict
        ``params``, ``orthogonal`` (bool) and ``weight_decay`` of each.
    rate : float
        Learning rate, of both.
    betas : pair of float
        Of AdamW.
    """

    def __init__(
        self, groups: Iterable[dict[str, Any]], rate: float, betas: tuple[float, float]
    ) -> None:
        defaults = {"lr": rate, "betas": betas, "weight_decay": 0.0, "orthogonal": False}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change every parameter by its gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            change = self._orthogonal if group["orthogonal"] else self._adam
            for parameter in group["params"]:
                if parameter.grad is not None:
                    step = change(parameter, self.state[parameter], group)
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(step, alpha=-group["lr"])
        return loss

    def _orthogonal(
        self, parameter: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> Tensor:
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].mul_(MOMENTUM).add_(parameter.grad)
        ahead = parameter.grad + MOMENTUM * momentum
        matrix = orthogonalized(ahead.reshape(len(parameter), -1))
        size = LIKE_ADAM * math.sqrt(max(matrix.shape))
        return size * matrix.reshape(parameter.shape)

    def _adam(self, parameter: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        if not state:
            state["step"] = 0
            state["mean"], state["square"] = (torch.zeros_like(parameter) for _ in range(2))
        state["step"] += 1
        first, second = group["betas"]
        gradient = parameter.grad
        mean = state["mean"].lerp_(gradient, 1 - first)
        square = state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        spread = (square / (1 - second ** state["step"])).sqrt_().add_(SMALL)
        step: Tensor = mean / (1 - first ** state["step"]) / spread
        return step


def orthogonalized(matrix: Tensor) -> Tensor:
    """Return about the orthogonal matrix nearest to a matrix, by Newton and Schulz's iteration.

    Parameters
    ----------
    matrix : tensor, shape (rows, columns)

    Returns
    -------
    tensor, same shape
        Its singular values lie between 0.5 and 1.3, but for those that were nearly 0.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + SMALL)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    nearest: Tensor = x if wide is matrix else x.T
    return nearest
