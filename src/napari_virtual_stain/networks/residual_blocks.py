"""Pre-activation residual blocks of the GVTNets.

Source: Wang et al., "Global voxel transformer networks for augmented microscopy", Nature
Machine Intelligence 3 (2021), section 4.1. A shortcut that changes the number of channels or the
size convolves the activated features, as in the published graphs; another is the identity.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from napari_virtual_stain.networks.geometry import Conv, Layer
from napari_virtual_stain.networks.layers import SameDown, conv, pre_norm, rectifier


class ResidualBlock(nn.Module):
    """s + conv(act(BN(conv(act(BN(x)))))), with s = x or, to other channels, conv1(act(BN(x))).

    Parameters
    ----------
    ndim : int
        2 or 3 spatial axes.
    n_in, n_out : int
        Channels of input and output.
    norm : bool
        Whether there is batch normalization.
    activation : {"relu6", "relu"}

    Attributes
    ----------
    reach : tuple of Layer
        What it reads of its input.
    """

    reach: ClassVar[tuple[Layer, ...]] = (Conv(1, 1), Conv(1, 1))
    halves: ClassVar[bool] = False

    def __init__(
        self, ndim: int, n_in: int, n_out: int, *, norm: bool = True, activation: str = "relu6"
    ) -> None:
        super().__init__()
        self.norm_1 = pre_norm(ndim, n_in, norm)
        self.shortcut: nn.Module | None
        self.conv_1: nn.Module
        if self.halves:
            self.shortcut = conv(ndim, n_in, n_out, 1, stride=2, bias=False)
            self.conv_1 = SameDown(ndim, n_in, n_out, bias=False)
        else:
            same = n_in == n_out
            self.shortcut = None if same else conv(ndim, n_in, n_out, 1, bias=False)
            self.conv_1 = conv(ndim, n_in, n_out, 3, padding=1, bias=False)
        self.norm_2 = pre_norm(ndim, n_out, norm)
        self.conv_2 = conv(ndim, n_out, n_out, 3, padding=1, bias=False)
        self.activation = rectifier(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, *n) to (B, n_out, *n), or to half the size."""
        activated = self.activation(self.norm_1(x))
        y = self.conv_2(self.activation(self.norm_2(self.conv_1(activated))))
        result: Tensor = y + (x if self.shortcut is None else self.shortcut(activated))
        return result


class DownResidualBlock(ResidualBlock):
    """Residual block that halves the size; its shortcut is always a convolution, 1×1, strided."""

    reach = (*SameDown.reach, Conv(1, 1))
    halves = True


def residual_blocks(ndim: int, count: int, n_in: int, n_out: int, **options: Any) -> nn.Module:
    """Return that many residual blocks in a row; one is itself, none is the identity."""
    blocks = [ResidualBlock(ndim, n_out if i else n_in, n_out, **options) for i in range(count)]
    return blocks[0] if count == 1 else nn.Sequential(*blocks)
