"""GVTNet: a residual U-Net whose operators may attend to all positions of the image.

Source: Wang et al., "Global voxel transformer networks for augmented microscopy",
Nature Machine Intelligence 3 (2021), sections 4.1, 4.2 and 4.5. Where the paper and the
published graphs differ (ReLU6 for ReLU, the padding of strided convolutions), the
graphs are followed, so that published weights give published predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_virtual_stain.networks.geometry import (
    Conv,
    Geometry,
    Interval,
    Layer,
    Level,
    rounded_halo,
    u_net_reads,
)
from napari_virtual_stain.networks.global_operators import (
    DownGVTO,
    GlobalOperator,
    SizePreservingGVTO,
    UpGVTO,
)
from napari_virtual_stain.networks.gvtnet_options import fitted, per_level
from napari_virtual_stain.networks.heads import Head
from napari_virtual_stain.networks.layers import (
    SameDown,
    SameUp,
    check_input,
    conv,
    glorot_uniform_,
    pre_norm,
    rectifier,
)
from napari_virtual_stain.networks.residual_blocks import (
    DownResidualBlock,
    ResidualBlock,
    residual_blocks,
)
from napari_virtual_stain.networks.stages import Stages, finish, pause_before

HEADS = {"none": Head(), "laplace": Head("laplace"), "gaussian": Head("gaussian")}

MIN_SCALE = 1e-3
"""Smallest scale of a likelihood."""


class GVTNet(nn.Module):
    """Global voxel transformer network; the default options are the label-free configuration.

    A level is a resolution, the finest first. In the encoder `down` leads from each to the
    next, in the decoder `up` leads back to it, and residual blocks follow either. `down`, `up`
    and `decoder_blocks` take one value for all levels, or a sequence with one for each level but
    the coarsest.

    Parameters
    ----------
    ndim : int
        2 or 3 spatial axes.
    in_channels, out_channels : int
        Channels of input and output.
    filters : int
        Channels at full resolution; they double with each level.
    depth : int
        Number of levels, at least 2. Sizes are multiples of ``2**(depth - 1)``.
    heads : int
        Attention heads of each global operator.
    down : {"residual", "convolution", "gvto-v1", "gvto-v2"} or a sequence of them
        What halves the size.
    bottom : {"gvto", "residual"}
        The operator of the coarsest level: size-preserving attention, or a residual block.
    up : {"transposed", "gvto-v1", "gvto-v2"} or a sequence of them
        What doubles the size.
    encoder_blocks : int or sequence of int
        Residual blocks of each level, the coarsest included. A sequence that is too short goes on
        with its last value, and one that is too long is cut: so its default serves any depth.
    decoder_blocks : int or sequence of int
        Residual blocks of each level on the way up.
    skip : {"add", "concat"}
        How the encoder's features join the decoder's; concatenated, they come second.
    norm : bool
        Whether there is batch normalization before the activations.
    activation : {"relu6", "relu"}
    attention : {"linear", "softmax"}
    output_kernel : {1, 3}
        Kernel of the output convolution: 3 with a bias, or 1 without.
    residual : bool
        Whether the network predicts the difference to its input, which is then added.
    likelihood : {"none", "laplace", "gaussian"}
        With a likelihood, each output has its scale too, after all predictions.

    Attributes
    ----------
    geometry : Geometry
        Stride, halo, and whether the network holds global operators.
    head : Head
        What the raw channels stand for.

    Raises
    ------
    ValueError
        If options do not go together: widths and heads, the length of a sequence, different
        channels in and out of a residual network; or if a layer would be too wide.
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
        down: str | Sequence[str] = "residual",
        bottom: str = "gvto",
        up: str | Sequence[str] = "transposed",
        encoder_blocks: int | Sequence[int] = (1, 0, 0, 0),
        decoder_blocks: int | Sequence[int] = 1,
        skip: str = "add",
        norm: bool = True,
        activation: str = "relu6",
        attention: str = "linear",
        output_kernel: int = 3,
        residual: bool = False,
        likelihood: str = "none",
    ) -> None:
        super().__init__()
        if residual and in_channels != out_channels:
            raise ValueError(
                f"it adds its prediction to its input, which needs as many outputs as inputs, not "
                f"{out_channels} of {in_channels}; set 'residual' to false"
            )
        self.ndim, self.in_channels = ndim, in_channels
        self.residual, self.concatenates = residual, skip == "concat"
        self.head = HEADS[likelihood]
        local: dict[str, Any] = {"norm": norm, "activation": activation}
        globally = {**local, "heads": heads, "attention": attention}
        downs = per_level("down", down, depth - 1)
        ups = per_level("up", up, depth - 1)
        in_encoder = fitted("encoder_blocks", encoder_blocks, depth)
        in_decoder = per_level("decoder_blocks", decoder_blocks, depth - 1)
        widths = [filters * 2**level for level in range(depth)]

        self.first = conv(ndim, in_channels, filters, 3, padding=1, bias=False)
        self.encoder = residual_blocks(ndim, in_encoder[0], filters, filters, **local)
        self.downs, self.encoders = nn.ModuleList(), nn.ModuleList()
        for kind, count, (n_in, n_out) in zip(downs, in_encoder[1:], pairwise(widths), strict=True):
            self.downs.append(_down(kind, ndim, n_in, n_out, local, globally))
            self.encoders.append(residual_blocks(ndim, count, n_out, n_out, **local))
        width = widths[-1]
        self.bottom = (
            SizePreservingGVTO(ndim, width, **globally)
            if bottom == "gvto"
            else ResidualBlock(ndim, width, width, **local)
        )
        self.ups, self.decoders = nn.ModuleList(), nn.ModuleList()
        for kind, count, n_out in zip(ups[::-1], in_decoder[::-1], widths[-2::-1], strict=True):
            self.ups.append(_up(kind, ndim, width, n_out, globally))
            width = 2 * n_out if self.concatenates else n_out
            self.decoders.append(residual_blocks(ndim, count, width, n_out, **local))
            width = n_out if count else width
        self.norm = pre_norm(ndim, width, norm)
        self.activation = rectifier(activation)
        wide = output_kernel == 3
        self.output = conv(ndim, width, out_channels, output_kernel, padding=int(wide), bias=wide)
        certain = likelihood == "none"
        self.sigma = None if certain else conv(ndim, width, out_channels, 1, bias=False)
        glorot_uniform_(self)
        self._levels, self._bottom = self._layers(in_encoder, in_decoder, wide)
        self.geometry = self._geometry()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, *sizes) to the raw channels (B, raw, *sizes).

        Raises
        ------
        ValueError
            If a size is not a multiple of the stride or the channels do not fit.
        """
        return finish(self.stages(x))

    def stages(self, x: Tensor) -> Stages:
        """Run the forward, with a pause before each global operator."""
        check_input(x, self.ndim, self.in_channels, self.geometry.stride)
        # A stack of what is needed later: the image, then the skips. Nothing else is held, as
        # the forward may wait for long.
        kept: list[Tensor] = [x] if self.residual else []
        x = self.encoder(self.first(x))
        for down, blocks in zip(self.downs, self.encoders, strict=True):
            kept.append(x)
            yield from pause_before(down, x, *kept)
            x = blocks(down(x))
        yield from pause_before(self.bottom, x, *kept)
        x = self.bottom(x)
        for up, blocks in zip(self.ups, self.decoders, strict=True):
            yield from pause_before(up, x, *kept)
            x = up(x)
            x = self._joined(x, kept.pop())
            x = blocks(x)
        features = self.activation(self.norm(x))
        predicted: Tensor = self.output(features)
        if self.residual:
            predicted = kept.pop() + predicted
        if self.sigma is None:
            return predicted
        scale = functional.softplus(self.sigma(features)) + MIN_SCALE
        return torch.cat([predicted, scale], dim=1)

    def _joined(self, x: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([x, skip], dim=1) if self.concatenates else x + skip

    def reads(self, output: Interval) -> Interval:
        """Return the half-open interval of input that determines `output`, global sums aside."""
        return u_net_reads(self._levels, self._bottom, output)

    def _layers(
        self, in_encoder: Sequence[int], in_decoder: Sequence[int], wide: bool
    ) -> tuple[list[Level], tuple[Layer, ...]]:
        """Return what the layers read, level by level, and at the bottom."""
        block, ends = ResidualBlock.reach, (Conv(1, 1),)
        resampling: Any = zip(self.downs, reversed(self.ups), strict=True)
        bottom: Any = self.bottom
        levels = [
            Level(
                encoder=(ends if level == 0 else ()) + block * in_encoder[level],
                down=down.reach,
                up=up.reach,
                decoder=block * in_decoder[level] + (ends if level == 0 and wide else ()),
            )
            for level, (down, up) in enumerate(resampling)
        ]
        return levels, block * in_encoder[-1] + bottom.reach

    def _geometry(self) -> Geometry:
        stride: int = 2 ** len(self._levels)
        halo = rounded_halo(self.reads((0, stride)), stride)
        attends = any(isinstance(module, GlobalOperator) for module in self.modules())
        return Geometry((stride,) * self.ndim, (halo,) * self.ndim, has_global_operators=attends)


def _down(
    kind: str, ndim: int, n_in: int, n_out: int, local: dict[str, Any], globally: dict[str, Any]
) -> nn.Module:
    if kind == "convolution":
        return SameDown(ndim, n_in, n_out, bias=False)
    if kind == "residual":
        return DownResidualBlock(ndim, n_in, n_out, **local)
    return DownGVTO(ndim, n_in, n_out, version=kind.removeprefix("gvto-"), **globally)


def _up(kind: str, ndim: int, n_in: int, n_out: int, globally: dict[str, Any]) -> nn.Module:
    if kind == "transposed":
        return SameUp(ndim, n_in, n_out, bias=False)
    return UpGVTO(ndim, n_in, n_out, version=kind.removeprefix("gvto-"), **globally)
