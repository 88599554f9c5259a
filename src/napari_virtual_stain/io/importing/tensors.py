"""Tensors as files hold them: known by their shape, and read when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.io.importing.sentences import some

if TYPE_CHECKING:
    import torch

PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")
"""What wrappers of a network (DataParallel, compile, a training script) put before its names."""

MAX_WRAPPERS = 4


@dataclass(frozen=True, eq=False)
class Stored:
    """A tensor of a file.

    Parameters
    ----------
    shape : tuple of int
    nbytes : int
        What it takes in memory; of a shape that repeats values, more than the file holds of it.
    read : callable
        Returns it, in memory of its own; raises Malformed where the file is damaged.
    """

    shape: tuple[int, ...]
    nbytes: int
    read: Callable[[], torch.Tensor]


State = Mapping[str, Stored]


def held(tensor: torch.Tensor) -> Stored:
    """Return a tensor that is in memory already."""
    return Stored(tuple(tensor.shape), tensor.nbytes, lambda: tensor)


def tensors_of(content: Any) -> dict[str, Stored] | None:
    """Return a state dict without the prefixes of wrappers, or None for anything else."""
    if not isinstance(content, Mapping) or not content:
        return None
    if not all(isinstance(k, str) and isinstance(v, Stored) for k, v in content.items()):
        return None
    state = dict(content)
    for _ in range(MAX_WRAPPERS):
        prefix = _shared_prefix(state)
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def described(state: Mapping[str, Any] | None) -> str:
    """Return how many tensors there are and what some are called, for a person."""
    return "without tensors that have names" if state is None else some("tensors", list(state))


def _shared_prefix(state: Mapping[str, Any]) -> str:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return prefix
    return ""
