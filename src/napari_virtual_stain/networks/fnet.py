"""fnet: the U-Net of "Label-free prediction of three-dimensional fluorescence images".

Source: Ounkomol et al., Nature Methods 15 (2018), Supplementary Figure 1; channel widths,
padding and biases as in the published code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_virtual_stain.networks.geometry import Conv, Geometry, Level, TransposedConv, u_net_halo
from napari_virtual_stain.networks.heads import Head
from napari_virtual_stain.networks.layers import (
    batch_norm,
    check_input,
    conv,
    conv_transpose,
)
from napari_virtual_stain.networks.options import CHANNELS, OneOf, Rule, Whole

REFERENCE = "Ounkomol et al., Nature Methods 15 (2018), doi:10.1038/s41592-018-0111-2"

RULES: dict[str, Rule] = {
    "ndim": Whole(2, 3),
    **CHANNELS,
    "filters": Whole(1, 1024),
    "depth": Whole(1, 8),
    "likelihood": OneOf("none", "gaussian"),
}


class DoubleConv(nn.Sequential):
    """Twice: convolution of kernel 3, batch normalization, ReLU."""

    def __init__(self, ndim: int, n_in: int, n_out: int) -> None:
        layers: list[nn.Module] = []
        for a in (n_in, n_out):
            layers += [conv(ndim, a, n_out, 3, padding=1), batch_norm(ndim, n_out), nn.ReLU()]
        super().__init__(*layers)


class FNet(nn.Module):
    """U-Net of fnet, with strided convolutions of kernel 2 down and up.

    Parameters
    ----------
    ndim : int
        2 or 3 spatial axes.
    in_channels, out_channels : int
        Channels of input and output.
    filters : int
        Channels at full resolution; they double with each level.
    depth : int
        Number of times the size is halved. Sizes are multiples of ``2**depth``.
    likelihood : {"none", "gaussian"}
        ``gaussian`` is the heteroscedastic variant: for each output also the logarithm of the
        variance of a Gaussian, after all predictions.

    Attributes
    ----------
    geometry : Geometry
        Stride and halo.
    head : Head
        What the raw channels stand for.
    """

    def __init__(
        self,
        *,
        ndim: int = 3,
        in_channels: int = 1,
        out_channels: int = 1,
        filters: int = 32,
        depth: int = 4,
        likelihood: str = "none",
    ) -> None:
        super().__init__()
        self.ndim, self.in_channels = ndim, in_channels
        self.head = Head("value" if likelihood == "none" else "log-variance")
        widths = [filters * 2**level for level in range(depth + 1)]
        self.encoders = nn.ModuleList(
            DoubleConv(ndim, a, b)
            for a, b in zip([in_channels, *widths[:-2]], widths[:-1], strict=True)
        )
        self.downs = nn.ModuleList(
            nn.Sequential(conv(ndim, w, w, 2, stride=2), batch_norm(ndim, w), nn.ReLU())
            for w in widths[:-1]
        )
        self.bottom = DoubleConv(ndim, widths[-2], widths[-1])
        self.ups = nn.ModuleList(
            nn.Sequential(
                conv_transpose(ndim, 2 * w, w, 2, stride=2), batch_norm(ndim, w), nn.ReLU()
            )
            for w in widths[-2::-1]
        )
        self.decoders = nn.ModuleList(DoubleConv(ndim, 2 * w, w) for w in widths[-2::-1])
        self.output = conv(ndim, filters, self.head.raw_channels(out_channels), 3, padding=1)
        self.geometry = _geometry(ndim, depth)
        self.apply(_initialize)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, *sizes) to the raw channels (B, raw, *sizes).

        Raises
        ------
        ValueError
            If a size is not a multiple of the stride or the channels do not fit.
        """
        check_input(x, self.ndim, self.in_channels, self.geometry.stride)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = self.bottom(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(torch.cat([skips.pop(), up(x)], dim=1))
        result: Tensor = self.output(x)
        return result


def _initialize(module: nn.Module) -> None:
    """Initialize as the published training did: N(0, 0.02) weights, N(1, 0.02) BN scales."""
    if isinstance(module, nn.modules.conv._ConvNd):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.modules.batchnorm._BatchNorm):
        nn.init.normal_(module.weight, 1.0, 0.02)


def _geometry(ndim: int, depth: int) -> Geometry:
    same = Conv(1, 1)
    levels = [
        Level(
            encoder=[same, same],
            down=[Conv(0, 1, stride=2)],
            up=[TransposedConv(2)],
            decoder=[same, same, same] if level == 0 else [same, same],
        )
        for level in range(depth)
    ]
    halo = u_net_halo(levels, [same, same])
    return Geometry((2**depth,) * ndim, (halo,) * ndim)
