"""GT U-Net: a U-Net of dense blocks and global transformer layers with a multi-scale input.

Source: Liu et al., "Global transformer U-Nets for label-free prediction of fluorescence
images", the preprint, after which figures, tables and equations are numbered here, of "Global
pixel transformers for virtual staining of microscopy images", IEEE Transactions on Medical
Imaging 39 (2020); where the paper is silent, its published code. That code cannot run as
it stands, so the paper goes first. Where they disagree, or the paper with itself:

* Table 2 prints 165 channels at the second decoder level. 168 is built: a GUT layer halves the
  channels, so does the 1×1 convolution after the concatenation, and the dense block adds
  16 a layer; this rule gives every other number of the table, and only 168 leads to its last, 90.
* The 1×1 convolution that belongs to a dense block (Fig. 2) follows those of the encoder, where
  its output is the skip, precedes those of the decoder, where it mixes skip and upsampled
  features, and is absent at the bottom: the code's places, which give Table 2's channels.
* A unit is convolution → batch normalization → ReLU → dropout (paper); `norm` False leaves the
  normalization out (code). Units are all convolutions of the blocks, 1×1 ones included, and
  those of the learned multi-scale input; the 1×1 convolutions at either end are linear.
* Dropout acts in training only. The code's default leaves it on at prediction, by an
  oversight; the paper describes no Monte Carlo dropout.
* Attention: scaled queries and an output projection (code), no ReLU after the projections
  (paper); each is an option, see :class:`GlobalTransformer`.
* The multi-scale input rescales crops of the image (paper), or crops of features by learned
  layers (code): `multi_scale`. What "re-scaled" means, see :class:`ImageScales`.
* 256 classes a label (paper; the code says 64), from a 1×1 convolution for each label (paper) or
  the code's residual head: `classes`, `head`. The code also has a head for each input plane
  that reproduces it; the paper has none, and here they would be outputs like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from napari_virtual_stain.networks.dense_blocks import DenseBlock, PlainBlock, conv_unit, unit
from napari_virtual_stain.networks.geometry import Geometry, Window
from napari_virtual_stain.networks.gt_layers import Direction, GlobalTransformer, resampling_conv
from napari_virtual_stain.networks.heads import Head
from napari_virtual_stain.networks.label_heads import ResidualHeads, plain_heads
from napari_virtual_stain.networks.layers import check_input, glorot_uniform_
from napari_virtual_stain.networks.multi_scale import ImageScales, LearnedScales
from napari_virtual_stain.networks.options import CHANNELS, Flag, OneOf, Rule, Share, Whole

REFERENCE = (
    "Liu et al., IEEE Transactions on Medical Imaging 39 (2020), doi:10.1109/TMI.2020.2968504"
)

RULES: dict[str, Rule] = {
    "ndim": Whole(2, 2),
    **CHANNELS,
    "window": Whole(16, 1024),
    "filters": Whole(1, 1024),
    "growth": Whole(1, 256),
    "classes": Whole(1, 1024),
    "dropout": Share(),
    "multi_scale": OneOf("image", "learned"),
    "blocks": OneOf("dense", "plain"),
    "operators": OneOf("gt", "convolution"),
    "norm": Flag(),
    "query_scaling": Flag(),
    "output_projection": Flag(),
    "relu_projections": Flag(),
    "head": OneOf("plain", "residual"),
}

ENCODER_LAYERS, BOTTOM_LAYERS, DECODER_LAYERS = (2, 4, 8), 8, (4, 2, 1)
STRIDE = 16  # of the output: it is halved three times, and half a window is a step


class GTUNet(nn.Module):
    """Global transformer U-Net, which classifies grey values window by window.

    Parameters
    ----------
    ndim : int
        2.
    in_channels : int
        Channels of the input; in the paper the z planes of a stack.
    out_channels : int
        Labels.
    window : int
        Size of the output window (px), a multiple of 16; twice as much is read for it.
    filters : int
        Channels after the multi-scale input.
    growth : int
        Channels that each layer of a dense block adds.
    classes : int
        Classes of grey values for each label; with 1 the network predicts the value itself.
    dropout : float
        Share of values that each unit sets to zero in training.
    multi_scale : {"image", "learned"}
        Rescaled crops of the image (paper), or of features by learned layers (code).
    blocks : {"dense", "plain"}
        Dense blocks with their 1×1 convolutions; or, as wide, two 3×3 units in place of each:
        the U-Net of Table 4, which the paper does not specify further.
    operators : {"gt", "convolution"}
        Global transformer layers; or, as wide, units of the convolutions that generate their
        queries: the local operators of Table 4.
    norm : bool
        Whether units have batch normalization (paper).
    query_scaling, output_projection, relu_projections : bool
        See :class:`GlobalTransformer`.
    head : {"plain", "residual"}
        A 1×1 convolution for each label (paper), or a :class:`ResidualHead` (code).

    Attributes
    ----------
    geometry : Geometry
        Its window. For tiles there is no global operator: attention spans the window, not
        the image.
    head : Head
        ``classes``, or ``value`` with one class.
    heads : nn.Module
        What labels do not share; all else is the trunk.

    Raises
    ------
    ValueError
        If `ndim` is not 2 or `window` is not a multiple of 16.
    """

    def __init__(
        self,
        *,
        ndim: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        window: int = 128,
        filters: int = 32,
        growth: int = 16,
        classes: int = 256,
        dropout: float = 0.5,
        multi_scale: str = "image",
        blocks: str = "dense",
        operators: str = "gt",
        norm: bool = True,
        query_scaling: bool = True,
        output_projection: bool = True,
        relu_projections: bool = False,
        head: str = "plain",
    ) -> None:
        super().__init__()
        if ndim != 2:
            raise ValueError("it is defined in 2D only")
        self.geometry = _geometry(window)
        self.head = Head("classes", classes) if classes > 1 else Head()
        self.in_channels = in_channels
        transformer = partial(
            GlobalTransformer,
            query_scaling=query_scaling,
            output_projection=output_projection,
            relu_projections=relu_projections,
            dropout=dropout,
        )
        parts = _Parts(
            blocks == "dense", growth, norm, dropout, transformer if operators == "gt" else None
        )
        self.scales: nn.Module = (
            ImageScales(in_channels, filters)
            if multi_scale == "image"
            else LearnedScales(in_channels, filters, norm=norm, dropout=dropout)
        )
        self.encoders, self.downs = nn.ModuleList(), nn.ModuleList()
        skips, width = [], filters
        for layers in ENCODER_LAYERS:
            self.encoders.append(parts.encoder(width, layers))
            width += layers * growth
            self.downs.append(parts.operator("down", width, width))
            skips.append(width)
        self.bottom = parts.bottom(width, BOTTOM_LAYERS)
        width += BOTTOM_LAYERS * growth
        self.across = parts.operator("same", width, width)
        self.ups, self.decoders = nn.ModuleList(), nn.ModuleList()
        for layers in DECODER_LAYERS:
            self.ups.append(parts.operator("up", width, width // 2))
            joined = skips.pop() + width // 2
            self.decoders.append(parts.decoder(joined, layers))
            width = joined // 2 + layers * growth
        glorot_uniform_(self)
        heads = ResidualHeads if head == "residual" else plain_heads
        self.heads = heads(width, out_channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, 2H, 2W) to the raw channels (B, raw, H, W) of the centre.

        Raises
        ------
        ValueError
            If H or W is not a multiple of 16 or the channels do not fit.
        """
        check_input(x, 2, self.in_channels, self.geometry.stride)
        x = self.scales(x)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = self.across(self.bottom(x))
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(torch.cat([skips.pop(), up(x)], dim=1))
        result: Tensor = self.heads(x)
        return result


@dataclass(frozen=True)
class _Parts:
    """What the trunk is built of; `layers` are those of a dense block, which decide the widths."""

    dense: bool
    growth: int
    norm: bool
    dropout: float
    transformer: partial[GlobalTransformer] | None

    def encoder(self, n_in: int, layers: int) -> nn.Module:
        """Return a block that yields ``n_in + layers · growth`` channels, mixed."""
        if not self.dense:
            return self.bottom(n_in, layers)
        n_out = n_in + layers * self.growth
        return nn.Sequential(self.bottom(n_in, layers), self._mix(n_out, n_out))

    def bottom(self, n_in: int, layers: int) -> nn.Module:
        """Return a block that yields ``n_in + layers · growth`` channels."""
        if self.dense:
            return DenseBlock(n_in, layers, self.growth, norm=self.norm, dropout=self.dropout)
        return self._plain(n_in, n_in + layers * self.growth)

    def decoder(self, n_in: int, layers: int) -> nn.Module:
        """Return a block that halves its channels and then adds ``layers · growth``."""
        half = n_in // 2
        if not self.dense:
            return self._plain(n_in, half + layers * self.growth)
        return nn.Sequential(self._mix(n_in, half), self.bottom(half, layers))

    def operator(self, direction: Direction, n_in: int, n_out: int) -> nn.Module:
        """Return an operator that halves, keeps or doubles the size."""
        if self.transformer is not None:
            return self.transformer(direction, n_in, n_out)
        layer = resampling_conv(direction, n_in, n_out)
        return unit(layer, n_out, norm=self.norm, dropout=self.dropout)

    def _mix(self, n_in: int, n_out: int) -> nn.Module:
        return conv_unit(n_in, n_out, 1, norm=self.norm, dropout=self.dropout)

    def _plain(self, n_in: int, n_out: int) -> nn.Module:
        return PlainBlock(n_in, n_out, norm=self.norm, dropout=self.dropout)


def _geometry(window: int) -> Geometry:
    if window % STRIDE:
        raise ValueError(f"its window must be a multiple of {STRIDE}, not {window}")
    size, step = (window, window), (window // 2, window // 2)
    read = (2 * window, 2 * window)
    return Geometry((2 * STRIDE,) * 2, (0, 0), window=Window(read, size, step, "smooth"))
