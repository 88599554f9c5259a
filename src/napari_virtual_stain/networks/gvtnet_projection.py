"""Projection of a stack onto the surface in it: a weight for each voxel, then a 2D GVTNet.

Source: Wang et al., "Global voxel transformer networks for augmented microscopy", Nature
Machine Intelligence 3 (2021), section 4.5.3. The layers are those of the published graph. As in
it, the weights are unbounded, and the projection is the mean of weighted planes where the
paper speaks of a sum weighted by probabilities.
"""

from __future__ import annotations

from torch import Tensor, nn

from napari_virtual_stain.networks.geometry import (
    Conv,
    Geometry,
    Layer,
    Nearest,
    chain_reads,
    rounded_halo,
)
from napari_virtual_stain.networks.global_operators import SizePreservingGVTO, Up4GVTO
from napari_virtual_stain.networks.gvtnet import GVTNet
from napari_virtual_stain.networks.gvtnet_options import DENOISE
from napari_virtual_stain.networks.layers import check_input, glorot_uniform_, rectifier
from napari_virtual_stain.networks.stages import Stages, finish, pause_before

POOLED = 16
"""Sizes along Y and X are halved four times: two poolings by 4."""


class ProjectionNet(nn.Module):
    """A weight for each voxel of a stack, by convolutions flat in Z and global operators.

    Parameters
    ----------
    in_channels : int
        Channels of the stack; the weight is common to them.
    filters : int
        Channels of all layers.
    heads : int
        Attention heads; divides `filters`.
    activation : {"relu6", "relu"}
    attention : {"linear", "softmax"}

    Attributes
    ----------
    reach : tuple of Layer
        What its layers read along Y and X, in forward order.
    """

    _conv = Conv(2, 2)
    _pool = Conv(0, 3, stride=4)
    reach: tuple[Layer, ...] = (
        *(_conv, _pool, _conv, _pool),
        _conv,
        *(Nearest(4), _conv, Nearest(4), _conv),
        _conv,
    )

    def __init__(
        self,
        in_channels: int = 1,
        *,
        filters: int = 8,
        heads: int = 2,
        activation: str = "relu6",
        attention: str = "linear",
    ) -> None:
        super().__init__()

        def flat(n_in: int) -> nn.Module:
            return nn.Conv3d(n_in, filters, (3, 5, 5), padding=(1, 2, 2))

        self.activation = rectifier(activation)
        self.pool = nn.MaxPool3d((1, 4, 4))
        self.downs = nn.ModuleList([flat(in_channels), flat(filters)])
        options = {"heads": heads, "norm": False, "activation": activation, "attention": attention}
        self.bottom = SizePreservingGVTO(3, filters, **options)
        self.bottom_conv = flat(filters)
        self.ups = nn.ModuleList(Up4GVTO(3, filters, **options) for _ in range(2))
        self.up_convs = nn.ModuleList(flat(filters) for _ in range(2))
        self.output = nn.Conv3d(filters, 1, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, Z, 16·m, 16·n) to weights (B, 1, Z, 16·m, 16·n)."""
        return finish(self.stages(x))

    def stages(self, x: Tensor, *kept: Tensor) -> Stages:
        """Run the forward, with a pause before each global operator.

        Parameters
        ----------
        x : tensor, shape (B, in_channels, Z, 16·m, 16·n)
        *kept : tensor
            What the caller holds for later.
        """
        first, second = self.downs
        x = self.pool(second(self.activation(self.pool(first(x)))))
        yield from pause_before(self.bottom, x, *kept)
        x = self.bottom(x) + self.bottom_conv(self.activation(x))
        for up, up_conv in zip(self.ups, self.up_convs, strict=True):
            yield from pause_before(up, x, *kept)
            x = up(x)
            x = up_conv(self.activation(x))
        result: Tensor = self.output(self.activation(x))
        return result


class GVTNetProjection(nn.Module):
    """Stack to surface: the mean over Z of weight · stack, then the 2D denoising GVTNet.

    Parameters
    ----------
    ndim : int
        3: it reads stacks.
    in_channels, out_channels : int
        Channels of the stack and of the result; the same number where `residual`.
    projection_filters : int
        Channels of the layers that find the weights.
    filters, depth : int
        Channels at full resolution and number of levels of the 2D network.
    heads : int
        Attention heads of each global operator.
    activation : {"relu6", "relu"}
    attention : {"linear", "softmax"}
    residual : bool
        Whether the 2D network predicts the difference to the projected image.
    likelihood : {"none", "laplace", "gaussian"}
        With a likelihood, each output has its scale too, after all predictions.

    Attributes
    ----------
    geometry : Geometry
        Stride and halo; Z is always read whole, its halo is 0.
    head : Head
        What the raw channels stand for.

    Raises
    ------
    ValueError
        If options do not go together; see :class:`GVTNet`.
    """

    def __init__(
        self,
        *,
        ndim: int = 3,
        in_channels: int = 1,
        out_channels: int = 1,
        projection_filters: int = 8,
        filters: int = 32,
        depth: int = 3,
        heads: int = 2,
        activation: str = "relu6",
        attention: str = "linear",
        residual: bool = True,
        likelihood: str = "none",
    ) -> None:
        super().__init__()
        if ndim != 3:
            raise ValueError(f"it projects stacks, which have 3 spatial axes, not {ndim}")
        self.in_channels = in_channels
        self.projection = ProjectionNet(
            in_channels,
            filters=projection_filters,
            heads=heads,
            activation=activation,
            attention=attention,
        )
        glorot_uniform_(self.projection)
        denoise = DENOISE | {"ndim": 2, "filters": filters, "depth": depth, "heads": heads}
        denoise |= {"in_channels": in_channels, "out_channels": out_channels, "residual": residual}
        denoise |= {"activation": activation, "attention": attention, "likelihood": likelihood}
        self.denoising = GVTNet(**denoise)
        self.head = self.denoising.head
        self.geometry = self._geometry()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, Z, Y, X) to the raw channels (B, raw, Y, X).

        Raises
        ------
        ValueError
            If a size is not a multiple of the stride or the channels do not fit.
        """
        check_input(x, 3, self.in_channels, self.geometry.stride)
        # Not by way of its own stages: torch.compile cannot follow what `yield from` returns.
        result: Tensor = self.denoising(self._projected(self.projection(x), x))
        return result

    def stages(self, x: Tensor) -> Stages:
        """Run the forward, with a pause before each global operator."""
        check_input(x, 3, self.in_channels, self.geometry.stride)
        weights = yield from self.projection.stages(x, x)
        denoising = self.denoising.stages(self._projected(weights, x))
        del weights, x  # the stack may be large, and the rest is flat
        return (yield from denoising)

    def _projected(self, weights: Tensor, x: Tensor) -> Tensor:
        return (weights * x).mean(dim=2)

    def _geometry(self) -> Geometry:
        stride = max(POOLED, *self.denoising.geometry.stride)
        read = chain_reads(self.projection.reach, self.denoising.reads((0, stride)))
        halo = rounded_halo(read, stride)
        return Geometry(
            (1, stride, stride), (0, halo, halo), has_global_operators=True, projects=True
        )
