"""A residual U-Net that works on 2 × 2 pixels at a time: this project's own.

At full resolution a U-Net spends most of its time on few channels, and learns little there. Here
the four pixels of a square in the plane become four channels at the start, and at the end four
channels become the four pixels again (Shi et al., "Real-time single image and video
super-resolution using an efficient sub-pixel convolutional neural network", 2016, Eq. 4). No pixel
is lost, and a step takes a fraction of the time of a network of the same depth.

Blocks are pre-activation residual blocks (He et al., "Identity mappings in deep residual networks",
2016); upsampling is linear, which leaves no checkerboard (Odena et al., "Deconvolution and
checkerboard artifacts", 2016), and skips are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from napari_virtual_stain.networks.geometry import (
    Conv,
    Geometry,
    Layer,
    Level,
    Linear,
    Nearest,
    chain_reads,
    rounded_halo,
    u_net_reads,
)
from napari_virtual_stain.networks.heads import Head
from napari_virtual_stain.networks.layers import batch_norm, check_input, conv
from napari_virtual_stain.networks.options import CHANNELS, OneOf, PerLevel, Rule, Whole
from napari_virtual_stain.networks.residual_blocks import ResidualBlock

REFERENCE = "napari-virtual-stain; after Shi et al., CVPR (2016), arXiv:1609.05158"

RULES: dict[str, Rule] = {
    "ndim": Whole(2, 3),
    **CHANNELS,
    "widths": PerLevel(Whole(1, 2048)),
    "likelihood": OneOf("none", "gaussian"),
}

SQUARE = 2
"""Pixels along the side of a square that becomes channels."""


class SubpixelUNet(nn.Module):
    """Residual U-Net on squares of pixels.

    Parameters
    ----------
    ndim : int
        2 or 3 spatial axes. Squares lie in the plane.
    in_channels, out_channels : int
        Channels of input and output.
    widths : sequence of int
        Channels of each level, from the finest; at least two levels. Sizes are multiples of
        ``2**len(widths)`` in the plane and of half as much along Z.
    likelihood : {"none", "gaussian"}
        ``gaussian`` has for each output also the logarithm of the variance of a Gaussian, after
        all predictions.

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
        ndim: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        widths: Sequence[int] = (32, 64, 128, 256),
        likelihood: str = "none",
    ) -> None:
        super().__init__()
        if not isinstance(widths, Sequence) or not 2 <= len(widths) <= 8:
            raise ValueError("its widths are a list of two to eight numbers, one for each level")
        self.ndim, self.in_channels = ndim, in_channels
        self.head = Head("value" if likelihood == "none" else "log-variance")
        pairs = list(pairwise(widths))
        self.first = conv(ndim, in_channels * SQUARE**2, widths[0], 3, padding=1, bias=False)
        self.encoders = nn.ModuleList(_block(ndim, width) for width in widths)
        self.downs = nn.ModuleList(
            nn.Sequential(
                batch_norm(ndim, fine), nn.ReLU(), conv(ndim, fine, coarse, 2, stride=2, bias=False)
            )
            for fine, coarse in pairs
        )
        self.ups = nn.ModuleList(
            conv(ndim, coarse, fine, 1, bias=False) for fine, coarse in reversed(pairs)
        )
        self.decoders = nn.ModuleList(_block(ndim, fine) for fine, _ in reversed(pairs))
        self.last = nn.Sequential(batch_norm(ndim, widths[0]), nn.ReLU())
        raw = self.head.raw_channels(out_channels)
        self.output = conv(ndim, widths[0], raw * SQUARE**2, 3, padding=1)
        self.geometry = _geometry(ndim, len(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, *sizes) to the raw channels (B, raw, *sizes).

        Raises
        ------
        ValueError
            If a size is not a multiple of the stride or the channels do not fit.
        """
        check_input(x, self.ndim, self.in_channels, self.geometry.stride)
        x = self.encoders[0](self.first(squares_to_channels(x)))
        skips = []
        for down, encoder in zip(self.downs, list(self.encoders)[1:], strict=True):
            skips.append(x)
            x = encoder(down(x))
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(skips.pop() + _doubled(up(x)))
        return channels_to_squares(self.output(self.last(x)))


def squares_to_channels(x: Tensor) -> Tensor:
    """Map (B, C, [Z,] 2Y, 2X) to (B, 4C, [Z,] Y, X).

    The pixel (i, j) of each square becomes channel 4c + 2i + j, as in PyTorch's
    ``pixel_unshuffle``, which knows no Z.
    """
    if x.ndim == 4:
        return functional.pixel_unshuffle(x, SQUARE)
    batch, channels, depth, height, width = x.shape
    squares = x.reshape(batch, channels, depth, height // SQUARE, SQUARE, width // SQUARE, SQUARE)
    return squares.permute(0, 1, 4, 6, 2, 3, 5).flatten(1, 3)


def channels_to_squares(x: Tensor) -> Tensor:
    """Map (B, 4C, [Z,] Y, X) to (B, C, [Z,] 2Y, 2X), back."""
    if x.ndim == 4:
        return functional.pixel_shuffle(x, SQUARE)
    batch, channels, depth, height, width = x.shape
    squares = x.reshape(batch, channels // SQUARE**2, SQUARE, SQUARE, depth, height, width)
    return squares.permute(0, 1, 4, 5, 2, 6, 3).reshape(
        batch, channels // SQUARE**2, depth, height * SQUARE, width * SQUARE
    )


def _block(ndim: int, width: int) -> nn.Module:
    return ResidualBlock(ndim, width, width, activation="relu")


def _doubled(x: Tensor) -> Tensor:
    mode = "bilinear" if x.ndim == 4 else "trilinear"
    return functional.interpolate(x, scale_factor=2, mode=mode, align_corners=False)


def _geometry(ndim: int, depth: int) -> Geometry:
    block = list(ResidualBlock.reach)
    levels = [
        Level(
            encoder=[Conv(1, 1), *block] if level == 0 else block,
            down=[Conv(0, 1, stride=2)],
            up=[Linear()],
            decoder=[*block, Conv(1, 1)] if level == 0 else block,
        )
        for level in range(depth - 1)
    ]

    def halo(before: Sequence[Layer], after: Sequence[Layer], stride: int) -> int:
        joined = u_net_reads(levels, block, chain_reads(after, (0, stride)))
        return rounded_halo(chain_reads(before, joined), stride)

    coarse, fine = 2 ** (depth - 1), SQUARE * 2 ** (depth - 1)
    along_z = halo([], [], coarse)
    in_plane = halo([Conv(0, SQUARE - 1, stride=SQUARE)], [Nearest(SQUARE)], fine)
    return Geometry(
        (*(coarse,) * (ndim - 2), fine, fine), (*(along_z,) * (ndim - 2), in_plane, in_plane)
    )
