"""A network made ready for inference: the same function, with fewer passes over memory.

What is done, each where it changes results by no more than rounding: batch normalization behind a
convolution becomes part of its weights, activations overwrite what nobody else reads, and
weights lie channels-last, so that no kernel has to turn a feature map around. The
figures behind each of them, and what was tried and rejected, are in ``docs/performance.md``.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from napari_virtual_stain.inference.direct_conv import direct_convolutions
from napari_virtual_stain.networks.global_operators import GVTO
from napari_virtual_stain.networks.gvtnet import GVTNet
from napari_virtual_stain.networks.layers import SameDown, SameUp
from napari_virtual_stain.networks.residual_blocks import ResidualBlock

_CHANNELS_LAST: dict[int, Any] = {4: torch.channels_last, 5: torch.channels_last_3d}

_NORM: Any = nn.modules.batchnorm._BatchNorm
_TRANSPOSED: Any = nn.modules.conv._ConvTransposeNd
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU)
_PASSED_ON = (nn.Identity, nn.Dropout)  # these return their very input in evaluation mode

_NORM_BEFORE_ACTIVATION: dict[type[nn.Module], str] = {
    ResidualBlock: "norm_1",
    GVTO: "norm",
    GVTNet: "norm",
}
"""Modules that apply their `activation` to what comes out of a normalization, and to nothing else
that is read again. Without a normalization it is their input, which they add later."""


def tuned(network: nn.Module, device: torch.device) -> nn.Module:
    """Return a private copy of a network in evaluation mode, made fast for a device.

    Parameters
    ----------
    network : torch.nn.Module
        One of the package; it is not changed.
    device : torch.device

    Returns
    -------
    torch.nn.Module
        Computes the same as the network, up to rounding (1e-5 of its output in float32). Its class,
        its ``geometry`` and ``head``, and its global operators stay what they are; batch
        normalization that was folded is an identity. It is not for training.
    """
    own = copy.deepcopy(network).eval().requires_grad_(False)
    for module in own.modules():
        if isinstance(module, ResidualBlock):
            _fold(module, "conv_1", "norm_2")
        if _is_chain(module):
            _tune_chain(module)
        for kind, norm in _NORM_BEFORE_ACTIVATION.items():
            if isinstance(module, kind) and isinstance(getattr(module, norm), _NORM):
                module.activation = _in_place(module.get_submodule("activation"))
    if device.type == "cpu":
        direct_convolutions(own)
    own.to(device)
    for parameter in own.parameters():
        # One by one: behind a projection, layers have fewer axes than before it.
        if parameter.ndim in _CHANNELS_LAST:
            layout = _CHANNELS_LAST[parameter.ndim]
            parameter.data = parameter.data.contiguous(memory_format=layout)
    return own


def _is_chain(module: nn.Module) -> bool:
    """Whether children run one after the other, each on what the one before it returned."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _tune_chain(chain: nn.Module) -> None:
    """Fold normalizations into the convolutions before them; then activate in place."""
    names = [name for name, _ in chain.named_children()]
    for before, after in pairwise(names):
        _fold(chain, before, after)
    fresh = False  # whether the value belongs to the chain alone; its input never does
    for name, module in chain.named_children():
        if isinstance(module, _ACTIVATIONS):
            if fresh:
                setattr(chain, name, _in_place(module))
            fresh = True
        elif not isinstance(module, _PASSED_ON):
            fresh = isinstance(module, _NORM) or _convolution(module) is not None


def _fold(owner: nn.Module, before: str, after: str) -> None:
    """Make a normalization part of the convolution before it, which nobody else reads.

    Left as they are: what is no such pair, normalization by the statistics of the input, and
    weights that would overflow.
    """
    convolution = _convolution(owner.get_submodule(before))
    norm: Any = owner.get_submodule(after)
    if convolution is None or not isinstance(norm, _NORM) or norm.running_mean is None:
        return
    folded = fuse_conv_bn_weights(
        _wide(convolution.weight),
        _wide(convolution.bias),
        _wide(norm.running_mean),
        _wide(norm.running_var),
        norm.eps,
        _wide(norm.weight),
        _wide(norm.bias),
        transpose=isinstance(convolution, _TRANSPOSED),
    )
    weight, bias = (t.detach().to(convolution.weight.dtype) for t in folded)
    if not (weight.isfinite().all() and bias.isfinite().all()):
        return
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    convolution.bias = nn.Parameter(bias, requires_grad=False)
    setattr(owner, after, nn.Identity().eval())


def _convolution(module: nn.Module) -> Any:
    """Return the convolution that a module is, or whose result it pads or cuts; else None.

    Normalization goes by channel, so that it may as well come before something is cut off.
    """
    if isinstance(module, SameDown | SameUp):
        module = module.conv
    grouped = isinstance(module, _TRANSPOSED) and module.groups > 1
    return module if isinstance(module, nn.modules.conv._ConvNd) and not grouped else None


def _in_place(activation: nn.Module) -> nn.Module:
    """Return an activation that overwrites its input; a copy, as modules may share it."""
    if not isinstance(activation, _ACTIVATIONS):
        return activation
    own = copy.copy(activation)
    own.inplace = True
    return own


def _wide(tensor: torch.Tensor | None) -> Any:
    return None if tensor is None else tensor.detach().double()
