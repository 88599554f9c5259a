"""Parameters of samples as tensors, and changes of some samples of a batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def beside(parameters: np.ndarray, values: Tensor) -> Tensor:
    """Return parameters where values are, in their dtype.

    Parameters
    ----------
    parameters : ndarray, shape (B, …)
    values : tensor, shape (B, C, *sizes)

    Returns
    -------
    tensor
        With axes of one element behind, so that it broadcasts with `values`.
    """
    shape = parameters.shape + (1,) * (values.ndim - parameters.ndim)
    return torch.as_tensor(parameters, dtype=values.dtype, device=values.device).reshape(shape)


def changed(
    values: Tensor, chosen: np.ndarray, change: Callable[[Tensor, np.ndarray], Tensor]
) -> Tensor:
    """Return a batch of which the chosen samples are changed.

    Parameters
    ----------
    values : tensor, shape (B, …)
        Left as it is.
    chosen : ndarray of bool, shape (B,)
    change : callable
        Given the chosen samples and their positions, returns what takes their place.
    """
    (positions,) = np.nonzero(chosen)
    if not len(positions):
        return values
    if len(positions) == len(values):
        return change(values, positions)
    index = torch.as_tensor(positions, device=values.device)
    return values.index_copy(0, index, change(values.index_select(0, index), positions))
