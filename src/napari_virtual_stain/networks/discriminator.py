"""The discriminator of VirFluoNet's conditional adversarial network, in 2D and 3D.

Source: Nguyen et al., arXiv:1909.04518, the section on its implementation and Eq. 2.

The paper states: kernel 5, a first convolution of stride 2, batch normalization, three blocks of
convolution of stride 2, batch normalization and leaky ReLU, one fully connected layer,
sigmoid. What it leaves open is taken from pix2pix (Isola et al. 2017) in its TensorFlow form:
64, 128, 256 and 512 channels, a slope of 0.2, weights N(0, 0.02). A leaky ReLU follows the
first batch normalization too, though the paper does not name it: without it, the first two
convolutions would be one linear map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_virtual_stain.networks.layers import conv
from napari_virtual_stain.networks.virfluonet import SLOPE, FallbackBatchNorm, initialize

_KERNEL = 5
_CONVOLUTIONS = 4


class HalvingConv(nn.Module):
    """Convolution of kernel 5 and stride 2, padded as TensorFlow's ``SAME``.

    n positions become ⌈n / 2⌉: output i reads the inputs 2i − 1 … 2i + 3 of an even size, and
    2i − 2 … 2i + 2 of an odd one. So axes of any size may be halved any number of times, and one
    of a single position stays.
    """

    def __init__(self, ndim: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = conv(ndim, n_in, n_out, _KERNEL, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, *sizes) to (B, n_out, *half the sizes, rounded up)."""
        padding: list[int] = []
        for size in reversed(x.shape[2:]):
            padding += [1 + size % 2, 2]
        result: Tensor = self.conv(functional.pad(x, padding))
        return result


class Discriminator(nn.Module):
    """Tell observed from predicted images, given what they are an image of.

    Parameters
    ----------
    in_channels : int
        Channels of the condition (the generator's input) and of the image together.
    size : sequence of int
        Size of the image patches that it judges, for each of 2 or 3 axes (px). The fully
        connected layer ties it to that size. In depth a few planes will do: an axis that has
        been halved to one position stays one.
    filters : int
        Channels of the first convolution; the others have 2, 4 and 8 times as many.

    Notes
    -----
    Batch normalization takes its statistics from the batch of each call: call it on observed and
    on predicted images separately, as pix2pix does.
    """

    def __init__(self, *, in_channels: int, size: Sequence[int], filters: int = 64) -> None:
        super().__init__()
        self.in_channels, self.size = in_channels, tuple(size)
        widths = [filters * 2**place for place in range(_CONVOLUTIONS)]
        layers: list[nn.Module] = []
        for n_in, n_out in zip([in_channels, *widths[:-1]], widths, strict=True):
            layers += [
                HalvingConv(len(self.size), n_in, n_out),
                FallbackBatchNorm(n_out),
                nn.LeakyReLU(SLOPE),
            ]
        self.features = nn.Sequential(*layers)
        positions = math.prod(math.ceil(n / 2**_CONVOLUTIONS) for n in self.size)
        self.verdict = nn.Linear(widths[-1] * positions, 1)
        self.apply(initialize)

    def forward(self, condition: Tensor, image: Tensor) -> Tensor:
        """Return the logits, shape (B,); their sigmoid is D of Eq. 2, the share "observed".

        Parameters
        ----------
        condition : tensor, shape (B, C, *sizes)
            The generator's input. Where it is larger than the image, as with networks that
            predict the centre of what they see, its centre counts; where it has a Z axis that
            the image lacks, its maximum along Z.
        image : tensor, shape (B, out, *size)
            An observed image, or a predicted one.

        Raises
        ------
        ValueError
            If the image is not of the size, or the channels not as many, as it was built for.
        """
        if tuple(image.shape[2:]) != self.size:
            raise ValueError(
                f"the discriminator judges images of {self.size}, got {tuple(image.shape[2:])}"
            )
        x = torch.cat([_beneath(condition, image), image], dim=1)
        if x.shape[1] != self.in_channels:
            raise ValueError(
                f"the discriminator takes {self.in_channels} channels in all, got {x.shape[1]}"
            )
        logits: Tensor = self.verdict(self.features(x).flatten(1))
        return logits.squeeze(1)


def _beneath(condition: Tensor, image: Tensor) -> Tensor:
    """Return the part of the condition that lies beneath the image."""
    if condition.ndim == image.ndim + 1:
        condition = condition.amax(2)
    for axis in range(2, image.ndim):
        size = image.shape[axis]
        margin = condition.shape[axis] - size
        if margin < 0:
            raise ValueError(
                f"the condition of {tuple(condition.shape)} is smaller than the image of "
                f"{tuple(image.shape)}"
            )
        condition = condition.narrow(axis, margin // 2, size)
    return condition
