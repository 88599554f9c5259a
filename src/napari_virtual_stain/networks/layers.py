"""Convolutions, normalization and resampling in 2D or 3D, padded as in the papers' code."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from napari_virtual_stain.networks.geometry import Conv, Layer, TransposedConv


def conv(ndim: int, n_in: int, n_out: int, kernel: int, **options: Any) -> nn.Module:
    """Return a 2D or 3D convolution."""
    return (nn.Conv2d, nn.Conv3d)[ndim - 2](n_in, n_out, kernel, **options)


def conv_transpose(ndim: int, n_in: int, n_out: int, kernel: int, **options: Any) -> nn.Module:
    """Return a 2D or 3D transposed convolution."""
    return (nn.ConvTranspose2d, nn.ConvTranspose3d)[ndim - 2](n_in, n_out, kernel, **options)


def batch_norm(ndim: int, features: int, **options: Any) -> nn.Module:
    """Return 2D or 3D batch normalization."""
    return (nn.BatchNorm2d, nn.BatchNorm3d)[ndim - 2](features, **options)


def pre_norm(ndim: int, features: int, norm: bool) -> nn.Module:
    """Return the batch normalization of the GVTNets, or nothing in its place.

    PyTorch's momentum of 0.003 is the 0.997 of the published code, in TensorFlow's convention.
    """
    return batch_norm(ndim, features, momentum=0.003) if norm else nn.Identity()


def rectifier(name: str) -> nn.Module:
    """Return the activation "relu6" (clipped at 6) or "relu"."""
    return {"relu6": nn.ReLU6, "relu": nn.ReLU}[name]()


class SameDown(nn.Module):
    """Convolution of kernel 3 and stride 2 that pads one zero at the end of each axis.

    That is TensorFlow's ``SAME`` for even sizes: output i reads inputs 2i, 2i + 1, 2i + 2, where
    PyTorch's ``padding=1`` would read 2i − 1, 2i, 2i + 1. Weights of the published
    GVTNets need the former.
    """

    reach: ClassVar[tuple[Layer, ...]] = (Conv(0, 2, stride=2),)

    def __init__(self, ndim: int, n_in: int, n_out: int, *, bias: bool) -> None:
        super().__init__()
        self.conv = conv(ndim, n_in, n_out, 3, stride=2, bias=bias)
        self.ndim = ndim

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, *2n) to (B, n_out, *n)."""
        result: Tensor = self.conv(functional.pad(x, (0, 1) * self.ndim))
        return result


class SameUp(nn.Module):
    """Transposed convolution of kernel 3 and stride 2 whose last element along each axis is cut.

    That is TensorFlow's ``SAME``: 2n of the full 2n + 1 outputs, from the start.
    """

    reach: ClassVar[tuple[Layer, ...]] = (TransposedConv(3),)

    def __init__(self, ndim: int, n_in: int, n_out: int, *, bias: bool) -> None:
        super().__init__()
        self.conv = conv_transpose(ndim, n_in, n_out, 3, stride=2, bias=bias)
        self.ndim = ndim

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, *n) to (B, n_out, *2n)."""
        result: Tensor = self.conv(x)
        for axis in range(2, 2 + self.ndim):
            result = result.narrow(axis, 0, result.shape[axis] - 1)
        return result


def glorot_uniform_(network: nn.Module) -> None:
    """Initialize every (transposed) convolution with Glorot-uniform weights and zero biases."""
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def check_input(x: Tensor, ndim: int, channels: int, stride: tuple[int, ...]) -> None:
    """Raise ValueError unless `x` is (B, channels, *sizes) with sizes on the stride lattice."""
    shape = tuple(x.shape)
    if len(shape) != ndim + 2 or shape[1] != channels:
        raise ValueError(f"expected (batch, {channels}, {ndim} spatial axes), got {shape}")
    if any(n % s for n, s in zip(shape[2:], stride, strict=True)):
        raise ValueError(f"spatial sizes {shape[2:]} must be multiples of {stride}")
