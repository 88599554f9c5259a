"""Dense blocks, and the plain blocks that stand in for them in an ablation.

Source: Liu et al., "Global transformer U-Nets for label-free prediction of fluorescence
images" (2019), Eq. 7 and Fig. 2, after Huang et al., "Densely connected convolutional
networks" (2017).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_virtual_stain.networks.layers import batch_norm, conv


def unit(layer: nn.Module, features: int, *, norm: bool, dropout: float) -> nn.Sequential:
    """Return `layer`, which yields `features` channels, → batch normalization → ReLU → dropout.

    Parameters
    ----------
    layer : nn.Module
        A convolution of any kind.
    features : int
        Channels that it yields.
    norm : bool
        Whether there is batch normalization.
    dropout : float
        Share of values that are set to zero in training.
    """
    normalization = [batch_norm(2, features)] if norm else []
    return nn.Sequential(layer, *normalization, nn.ReLU(), nn.Dropout(dropout))


def conv_unit(n_in: int, n_out: int, kernel: int, *, norm: bool, dropout: float) -> nn.Sequential:
    """Return a :func:`unit` of a 2D convolution that keeps the size; `kernel` is odd."""
    layer = conv(2, n_in, n_out, kernel, padding=kernel // 2)
    return unit(layer, n_out, norm=norm, dropout=dropout)


class DenseBlock(nn.Module):
    """3×3 convolution units, each of which reads the block's input and all units before it.

    Parameters
    ----------
    n_in : int
        Channels of the input.
    layers : int
        Number of units.
    growth : int
        Channels that each adds: the output has ``n_in + layers · growth``, the input first.
    norm, dropout
        Of each :func:`unit`.
    """

    def __init__(self, n_in: int, layers: int, growth: int, *, norm: bool, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            conv_unit(n_in + i * growth, growth, 3, norm=norm, dropout=dropout)
            for i in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, *n) to (B, n_in + layers · growth, *n)."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class PlainBlock(nn.Sequential):
    """Two 3×3 convolution units in a row, as in a U-Net.

    Parameters
    ----------
    n_in, n_out : int
        Channels of the input and the output.
    norm, dropout
        Of each :func:`unit`.
    """

    def __init__(self, n_in: int, n_out: int, *, norm: bool, dropout: float) -> None:
        super().__init__(
            conv_unit(n_in, n_out, 3, norm=norm, dropout=dropout),
            conv_unit(n_out, n_out, 3, norm=norm, dropout=dropout),
        )
