"""Half precision for storage."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def to_half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict with its real tensors in float16, except those that would overflow."""
    return {name: _half(tensor) for name, tensor in state.items()}


def _half(tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if bool(half.isfinite().all()) else tensor
