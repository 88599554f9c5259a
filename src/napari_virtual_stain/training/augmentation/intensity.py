"""What a camera and a scaling do to an input: gain, offset and noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from napari_virtual_stain.training.augmentation.tensors import beside, changed


def rescaled(
    inputs: Tensor, factors: np.ndarray, offsets: np.ndarray, channels: np.ndarray
) -> Tensor:
    """Return inputs times a factor plus an offset.

    Parameters
    ----------
    inputs : tensor, shape (B, C, [Z,] Y, X)
    factors, offsets : ndarray, shape (B, input channels)
    channels : ndarray of int, shape (C,)
        To which input channel each of the network belongs.
    """
    offset = beside(offsets[:, channels], inputs)
    return torch.addcmul(offset, inputs, beside(factors[:, channels], inputs))


def noisy(inputs: Tensor, widths: np.ndarray, seeds: Sequence[int]) -> Tensor:
    """Return inputs with Gaussian noise, independent in each pixel.

    Parameters
    ----------
    inputs : tensor, shape (B, C, [Z,] Y, X)
    widths : ndarray, shape (B,)
        Standard deviation; 0 leaves a sample as it is.
    seeds : sequence of int
        One for each sample. The same seed gives other noise on another kind of device.
    """

    def add(values: Tensor, samples: np.ndarray) -> Tensor:
        # In one layout, as what is drawn follows the order in memory.
        noise = torch.empty_like(values, memory_format=torch.contiguous_format)
        for one, sample in zip(noise, samples, strict=True):
            one.normal_(generator=torch.Generator(values.device).manual_seed(seeds[sample]))
        return torch.addcmul(values, noise, beside(widths[samples], values))

    return changed(inputs, widths > 0, add)
