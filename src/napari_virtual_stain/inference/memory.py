"""How much memory a forward takes, told from what the layers of a network yield."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

BYTES_PER_CHANNEL = 40
"""Peak memory of a forward, per voxel and channel of the widest layer: ten float32 maps.
Measured on the U-Nets of this package: 28 (fnet 3D) and 37 (GVTNet 3D)."""


def bytes_per_voxel(network: nn.Module, voxels: int, forward: Callable[[], Any]) -> int:
    """Return the peak memory of a forward for each voxel of its input.

    Parameters
    ----------
    network : torch.nn.Module
    voxels : int
        Of the input of `forward`.
    forward : callable
        Calls the network once.
    """
    widest = 1

    def note(module: nn.Module, args: Any, output: Any) -> None:
        nonlocal widest
        for tensor in (*args, output):
            if isinstance(tensor, torch.Tensor):
                widest = max(widest, math.ceil(tensor.numel() / voxels))

    handles = [module.register_forward_hook(note) for module in network.modules()]
    try:
        forward()
    finally:
        for handle in handles:
            handle.remove()
    return BYTES_PER_CHANNEL * widest
