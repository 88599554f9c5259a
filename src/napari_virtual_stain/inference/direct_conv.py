"""3D convolutions on x86 processors that always take the fast kernel.

PyTorch hands float32 convolutions to oneDNN only where batch × channels × Z × Y exceeds 20480,
whatever X is. The first layer on a stack and the deepest ones stay below, and are unrolled into
matrices instead: 3.5 times slower, on one core, with 27 times the memory of their input.
oneDNN is therefore called directly. The result differs by rounding.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor, nn


class DirectConv3d(nn.Conv3d):
    """A 3D convolution in oneDNN; under autocast or in another type, as PyTorch does it."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if input.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            result: Tensor = super()._conv_forward(input, weight, bias)
            return result
        padding: Any = self.padding
        return torch.mkldnn_convolution(
            input, weight, bias, padding, self.stride, self.dilation, self.groups
        )


def direct_convolutions(network: nn.Module) -> None:
    """Make all 3D convolutions of a network, which runs on the CPU, direct ones, in place.

    Nothing is done on other processors, where oneDNN may have no fast kernel, and where PyTorch
    lacks the function.
    """
    x86 = platform.machine().casefold() in ("x86_64", "amd64")
    mkldnn: Any = torch.backends.mkldnn
    if not (x86 and mkldnn.is_available() and hasattr(torch, "mkldnn_convolution")):
        return
    for module in network.modules():
        if type(module) is nn.Conv3d and _is_plain(module):
            module.__class__ = DirectConv3d


def _is_plain(module: Any) -> bool:
    return module.padding_mode == "zeros" and not isinstance(module.padding, str)
