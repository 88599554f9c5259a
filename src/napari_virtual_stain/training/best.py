"""The best network that a training has come to."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, eq=False)
class Best:
    """The step that scored best: its scores per output, and its network, ready for inference."""

    mean: float
    scores: tuple[float, ...]
    step: int
    network: nn.Module
