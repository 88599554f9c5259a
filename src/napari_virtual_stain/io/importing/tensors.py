"""Mappings of names to tensors, as files hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.io.importing.sentences import listed

if TYPE_CHECKING:
    import torch

PREFIXES = ("module.", "_orig_mod.")
"""What wrappers of a network (DataParallel, compile) put before its names."""


def tensors_of(content: Any) -> dict[str, torch.Tensor] | None:
    """Return a state dict without the prefixes of wrappers, or None for anything else."""
    import torch

    if not isinstance(content, Mapping) or not content:
        return None
    if not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in content.items()):
        return None
    state = dict(content)
    while (prefix := _shared_prefix(state)) is not None:
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def described(state: Mapping[str, Any] | None) -> str:
    """Return how many tensors there are and what some are called, for a person."""
    if state is None:
        return "without tensors that have names"
    return f"with {len(state)} tensors such as {listed([repr(name) for name in state])}"


def _shared_prefix(state: Mapping[str, Any]) -> str | None:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return prefix
    return None
