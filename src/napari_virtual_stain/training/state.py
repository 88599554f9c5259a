"""Nested states of optimizers and networks, as arrays and plain JSON values; and back, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def packed(state: Any, arrays: dict[str, np.ndarray], name: str) -> Any:
    """Return a state as plain JSON values; its tensors go into `arrays`.

    Parameters
    ----------
    state : dict, list, tuple, tensor, number, str, bool or None, nested
    arrays : dict
        Tensors are added to it under names that begin with `name`.
    name : str

    Raises
    ------
    TypeError
        If something else is in it.
    """
    if isinstance(state, Tensor):
        arrays[name] = state.detach().cpu().numpy().copy()
        return {"array": name}
    if isinstance(state, Mapping):
        # As pairs, for the keys of JSON are texts alone, and those of optimizers are numbers.
        return {
            "items": [[key, packed(one, arrays, f"{name}/{key}")] for key, one in state.items()]
        }
    if isinstance(state, (list, tuple)):
        return {"list": [packed(one, arrays, f"{name}/{i}") for i, one in enumerate(state)]}
    if isinstance(state, np.generic):
        return state.item()
    if state is None or isinstance(state, (bool, int, float, str)):
        return state
    raise TypeError(f"{name} is a {type(state).__name__}, which cannot be kept")


def unpacked(values: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the state that :func:`packed` made these values and arrays of; tuples as lists."""
    if not isinstance(values, Mapping):
        return values
    if "array" in values:
        return torch.from_numpy(np.array(arrays[values["array"]]))
    if "list" in values:
        return [unpacked(one, arrays) for one in values["list"]]
    return {key: unpacked(one, arrays) for key, one in values["items"]}
