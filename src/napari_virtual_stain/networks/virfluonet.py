"""VirFluoNet's generator: a U-Net of strided convolutions down to a single position.

Source: Nguyen et al., "Virtual organelle self-coding for fluorescence imaging via adversarial
learning", arXiv:1909.04518, the section on its implementation. No code was published.

The paper states: kernel 3, a first convolution of stride 2, encoder blocks LReLU, convolution of
stride 2, batch normalization; decoder blocks ReLU, transposed convolution of stride 2,
batch normalization; tanh at the end; one or more input images, one output. That is the order
of the generator of pix2pix (Isola et al. 2017) in its TensorFlow form, and what the paper leaves
open is taken from there:

* number of blocks: a 256² patch is halved 8 times, down to 1×1; a 128² patch 7 times;
* channels: 64, 128, 256, then 512; the decoder mirrors them, and skips are concatenated behind
  what comes from below;
* slope 0.2 of the leaky ReLU; dropout of 0.5 in the first three decoder blocks, after batch
  normalization. It acts in training only: pix2pix leaves it on in prediction, as its source of
  noise, but a predicted stain has to be the same when it is predicted again;
* batch normalization neither after the first convolution nor before tanh, with ε 1e-5 and a
  momentum of 0.1, scale and offset; all convolutions have a bias;
* weights N(0, 0.02), biases 0;
* padding: TensorFlow's ``SAME``, as the paper's implementation is in TensorFlow. An even size
  is halved and doubled exactly; the zero that this needs stands at the end of each axis.

Batch normalization of a 1×1 map with a batch of one is degenerate; see
:class:`FallbackBatchNorm`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_virtual_stain.networks.geometry import Geometry, Level, Window, u_net_halo
from napari_virtual_stain.networks.heads import Head
from napari_virtual_stain.networks.layers import SameDown, SameUp, check_input
from napari_virtual_stain.networks.options import CHANNELS, Rule, Share, Whole

REFERENCE = "Nguyen et al., J. Biomed. Opt. 25 (2020) 096009, arXiv:1909.04518"

RULES: dict[str, Rule] = {
    "ndim": Whole(2, 2),
    **CHANNELS,
    "filters": Whole(1, 1024),
    "depth": Whole(2, 10),
    "dropout": Share(),
}

SLOPE = 0.2
"""Slope of the leaky ReLU for negative values, in the generator and in the discriminator."""

_BLOCKS_WITH_DROPOUT = 3
_WIDEST = 3  # channels double this often, to 512 from 64


class FallbackBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalization in 2D or 3D that a single value for each channel does not break.

    From one value no variance can be had: normalized by itself it would be 0, whatever the
    image, and PyTorch refuses it. Such a value is normalized in training as it is in
    evaluation, by the running statistics, which it leaves as they are. In training with
    batches of one throughout they stay at 0 and 1, and a 1×1 map passes with its scale and
    offset alone, in training and in prediction alike.

    With two or more values it is batch normalization and nothing else; parameters, buffers
    and their names are the same. With a batch of two, little more than a sign passes a
    1×1 map.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (B, C, *sizes)."""
        if self.training and input.numel() == input.shape[1]:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes will do."""


class VirFluoNet(nn.Module):
    """Generator of VirFluoNet. What it puts out lies between −1 and 1.

    Parameters
    ----------
    ndim : int
        2; the method is defined on planes.
    in_channels, out_channels : int
        Channels of input and output.
    filters : int
        Channels after the first convolution; they double up to 8 times as many.
    depth : int
        Number of times the size is halved. The window is ``2**depth`` px wide; with the
        paper's patches of 256² or 128² px, 8 or 7.
    dropout : float
        Share of the values that the first three decoder blocks drop in training.

    Attributes
    ----------
    geometry : Geometry
        Its window; neighbours overlap by a quarter (the paper says "some overlap") and are joined
        by alpha blending.
    head : Head
        The raw channels are the prediction.
    """

    def __init__(
        self,
        *,
        ndim: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        filters: int = 64,
        depth: int = 8,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.ndim, self.in_channels = ndim, in_channels
        self.head = Head("value")
        widths = [filters * 2 ** min(level, _WIDEST) for level in range(depth)]
        self.first = SameDown(ndim, in_channels, filters, bias=True)
        self.encoders = nn.ModuleList(_encoder(ndim, a, b) for a, b in pairwise(widths))
        joined = [widths[-1], *(2 * width for width in widths[-2::-1])]
        self.decoders = nn.ModuleList(
            _decoder(ndim, a, b, dropout if place < _BLOCKS_WITH_DROPOUT else 0.0)
            for place, (a, b) in enumerate(zip(joined[:-1], widths[-2::-1], strict=True))
        )
        self.last = nn.Sequential(nn.ReLU(), SameUp(ndim, joined[-1], out_channels, bias=True))
        self.geometry = _geometry(ndim, depth)
        self.apply(initialize)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, *sizes) to (B, out_channels, *sizes).

        Raises
        ------
        ValueError
            If a size is not a multiple of the window or the channels do not fit.
        """
        check_input(x, self.ndim, self.in_channels, self.geometry.stride)
        x = self.first(x)
        skips = []
        for encoder in self.encoders:
            skips.append(x)
            x = encoder(x)
        for decoder in self.decoders:
            x = torch.cat([decoder(x), skips.pop()], dim=1)
        return torch.tanh(self.last(x))


def initialize(module: nn.Module) -> None:
    """Give a convolution or a linear layer weights of N(0, 0.02) and biases of 0."""
    if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _encoder(ndim: int, n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LeakyReLU(SLOPE), SameDown(ndim, n_in, n_out, bias=True), FallbackBatchNorm(n_out)
    )


def _decoder(ndim: int, n_in: int, n_out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        SameUp(ndim, n_in, n_out, bias=True),
        FallbackBatchNorm(n_out),
        nn.Dropout(dropout),
    )


def _geometry(ndim: int, depth: int) -> Geometry:
    level = Level(encoder=[], down=SameDown.reach, up=SameUp.reach, decoder=[])
    halo = u_net_halo([level] * depth, [])
    size = 2**depth
    window = Window((size,) * ndim, (size,) * ndim, (size * 3 // 4,) * ndim, "linear")
    return Geometry((size,) * ndim, (halo,) * ndim, window=window)
