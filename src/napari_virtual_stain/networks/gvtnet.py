"""GVTNet, label-free configuration: a residual U-Net with global attention at its bottom.

Source: Wang et al., "Global voxel transformer networks for augmented microscopy",
Nature Machine Intelligence 3 (2021), Fig. 1 and the label-free configuration. Where the paper
and the published graphs differ (ReLU6 for ReLU, the padding of strided convolutions), the
graphs are followed, so that published weights give published predictions.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from napari_virtual_stain.networks.geometry import Conv, Geometry, Level, TransposedConv, u_net_halo
from napari_virtual_stain.networks.global_operators import SizePreservingGVTO
from napari_virtual_stain.networks.heads import Head
from napari_virtual_stain.networks.layers import (
    SameDown,
    SameUp,
    batch_norm,
    check_input,
    check_width,
    conv,
    glorot_uniform_,
)
from napari_virtual_stain.networks.options import CHANNELS, Rule, Whole

REFERENCE = "Wang et al., Nature Machine Intelligence 3 (2021), doi:10.1038/s42256-020-00283-x"

RULES: dict[str, Rule] = {
    "ndim": Whole(2, 3),
    **CHANNELS,
    "filters": Whole(1, 1024),
    "depth": Whole(2, 8),
    "heads": Whole(1, 64),
}

BN_MOMENTUM = 0.003  # 0.997 in TensorFlow's convention


class ResidualBlock(nn.Module):
    """Pre-activation residual block: x + conv(act(BN(conv(act(BN(x))))))."""

    def __init__(self, ndim: int, features: int) -> None:
        super().__init__()
        self.norm_1 = batch_norm(ndim, features, momentum=BN_MOMENTUM)
        self.conv_1 = conv(ndim, features, features, 3, padding=1, bias=False)
        self.norm_2 = batch_norm(ndim, features, momentum=BN_MOMENTUM)
        self.conv_2 = conv(ndim, features, features, 3, padding=1, bias=False)
        self.activation = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features, *n) to the same shape."""
        y = self.conv_1(self.activation(self.norm_1(x)))
        y = self.conv_2(self.activation(self.norm_2(y)))
        result: Tensor = x + y
        return result


class DownResidualBlock(nn.Module):
    """Residual block that halves the size; the shortcut convolves act(BN(x)) 1×1, strided."""

    def __init__(self, ndim: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.norm_1 = batch_norm(ndim, n_in, momentum=BN_MOMENTUM)
        self.shortcut = conv(ndim, n_in, n_out, 1, stride=2, bias=False)
        self.conv_1 = SameDown(ndim, n_in, n_out, bias=False)
        self.norm_2 = batch_norm(ndim, n_out, momentum=BN_MOMENTUM)
        self.conv_2 = conv(ndim, n_out, n_out, 3, padding=1, bias=False)
        self.activation = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, *2n) to (B, n_out, *n)."""
        activated = self.activation(self.norm_1(x))
        y = self.conv_1(activated)
        y = self.conv_2(self.activation(self.norm_2(y)))
        result: Tensor = self.shortcut(activated) + y
        return result


class GVTNet(nn.Module):
    """Global voxel transformer network for label-free prediction.

    Parameters
    ----------
    ndim : int
        2 or 3 spatial axes.
    in_channels, out_channels : int
        Channels of input and output.
    filters : int
        Channels at full resolution; they double with each level.
    depth : int
        Number of resolution levels, at least 2. Sizes are multiples of ``2**(depth - 1)``.
    heads : int
        Attention heads at the bottom.

    Attributes
    ----------
    geometry : Geometry
        Stride, halo, and that the network holds a global operator.
    """

    def __init__(
        self,
        *,
        ndim: int = 3,
        in_channels: int = 1,
        out_channels: int = 1,
        filters: int = 32,
        depth: int = 4,
        heads: int = 1,
    ) -> None:
        super().__init__()
        check_width(filters, depth)
        self.ndim, self.in_channels = ndim, in_channels
        self.head = Head()
        widths = [filters * 2**level for level in range(depth)]
        self.first = conv(ndim, in_channels, filters, 3, padding=1, bias=False)
        self.encoder = ResidualBlock(ndim, filters)
        self.downs = nn.ModuleList(DownResidualBlock(ndim, a, b) for a, b in pairwise(widths))
        self.bottom = SizePreservingGVTO(ndim, widths[-1], heads=heads)
        upwards = widths[::-1]
        self.ups = nn.ModuleList(SameUp(ndim, a, b, bias=False) for a, b in pairwise(upwards))
        self.decoders = nn.ModuleList(ResidualBlock(ndim, width) for width in upwards[1:])
        self.norm = batch_norm(ndim, filters, momentum=BN_MOMENTUM)
        self.activation = nn.ReLU6()
        self.output = conv(ndim, filters, out_channels, 3, padding=1, bias=True)
        self.geometry = _geometry(ndim, depth)
        glorot_uniform_(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, *sizes) to (B, out_channels, *sizes).

        Raises
        ------
        ValueError
            If a size is not a multiple of the stride or the channels do not fit.
        """
        check_input(x, self.ndim, self.in_channels, self.geometry.stride)
        x = self.encoder(self.first(x))
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(x)
        x = self.bottom(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up(x) + skips.pop())
        result: Tensor = self.output(self.activation(self.norm(x)))
        return result


def _geometry(ndim: int, depth: int) -> Geometry:
    same = Conv(1, 1)
    residual = [same, same]
    levels = [
        Level(
            encoder=[same, *residual] if level == 0 else [],
            down=[Conv(0, 2, stride=2), same],
            up=[TransposedConv(3)],
            decoder=[*residual, same] if level == 0 else residual,
        )
        for level in range(depth - 1)
    ]
    halo = u_net_halo(levels, [])
    return Geometry((2 ** (depth - 1),) * ndim, (halo,) * ndim, has_global_operators=True)
