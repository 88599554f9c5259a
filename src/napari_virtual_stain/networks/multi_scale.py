"""Multi-scale input: three crops around one centre, brought to the size of the middle one.

Source: Liu et al., "Global transformer U-Nets for label-free prediction of fluorescence
images" (2019), section 3.4. The paper rescales crops of the image, the published code crops of
its features, by layers that learn; there is a module for each. Both read the largest crop,
(2H, 2W), join [the middle crop, the context, the detail] in this order, and yield (H, W).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_virtual_stain.networks.dense_blocks import conv_unit, unit
from napari_virtual_stain.networks.layers import SameUp, conv


def centre_crop(x: Tensor, part: int) -> Tensor:
    """Return the centre of (B, C, Y, X), smaller by the factor `part` along both axes.

    Y and X are multiples of ``2 · part``.
    """
    for axis in (2, 3):
        size = x.shape[axis] // part
        x = x.narrow(axis, (x.shape[axis] - size) // 2, size)
    return x


class ImageScales(nn.Module):
    """The paper's: crops of the image, rescaled, concatenated and mixed by a 1×1 convolution.

    The paper does not say how it rescales. The context is averaged over 2 × 2 pixels, so that
    nothing aliases; the detail is interpolated bilinearly with pixels as squares
    (``align_corners=False``), so that the three crops keep their common centre.

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    filters : int
        Channels of the output.
    """

    def __init__(self, in_channels: int, filters: int) -> None:
        super().__init__()
        self.fuse = conv(2, 3 * in_channels, filters, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, 2H, 2W) to (B, filters, H, W)."""
        result: Tensor = self.fuse(self.scales(x))
        return result

    @staticmethod
    def scales(x: Tensor) -> Tensor:
        """Map (B, C, 2H, 2W) to the crops (B, 3 C, H, W): middle, context, detail."""
        detail = functional.interpolate(
            centre_crop(x, 4), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        return torch.cat([centre_crop(x, 2), functional.avg_pool2d(x, 2), detail], dim=1)


class LearnedScales(nn.Module):
    """The code's: crops of a 1×1 projection, rescaled between 3×3 convolutions, and mixed.

    The context is reduced by max-pooling, the detail enlarged by a transposed convolution. The
    projection and the mixing 1×1 convolution are linear.

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    filters : int
        Channels of the output and in between.
    norm, dropout
        Of each convolution unit.
    """

    def __init__(self, in_channels: int, filters: int, *, norm: bool, dropout: float) -> None:
        super().__init__()

        def pair() -> list[nn.Module]:
            return [conv_unit(filters, filters, 3, norm=norm, dropout=dropout) for _ in range(2)]

        enlarge = SameUp(2, filters, filters, bias=True)
        self.project = conv(2, in_channels, filters, 1)
        self.middle = nn.Sequential(*pair())
        self.context = nn.Sequential(*pair(), nn.MaxPool2d(2), *pair())
        self.detail = nn.Sequential(*pair(), unit(enlarge, filters, norm=norm, dropout=dropout))
        self.fuse = conv(2, 3 * filters, filters, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, 2H, 2W) to (B, filters, H, W)."""
        x = self.project(x)
        scales = [
            self.middle(centre_crop(x, 2)),
            self.context(x),
            self.detail(centre_crop(x, 4)),
        ]
        result: Tensor = self.fuse(torch.cat(scales, dim=1))
        return result
