"""What the light path does to an input: defocus and uneven illumination."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_virtual_stain.inference.padding import reflected_positions
from napari_virtual_stain.training.augmentation.tensors import beside, changed

WAVES = 3
"""An uneven illumination has fewer half periods than these along each axis."""

TRUNCATED = 3
"""Standard deviations behind which a Gaussian ends."""


def blurred(inputs: Tensor, widths: np.ndarray) -> Tensor:
    """Return inputs behind a Gaussian in the plane, reflected at their borders.

    Parameters
    ----------
    inputs : tensor, shape (B, C, [Z,] Y, X)
    widths : ndarray, shape (B,)
        Standard deviation (px); 0 leaves a sample as it is.
    """

    def blur(values: Tensor, samples: np.ndarray) -> Tensor:
        taps = _taps(widths[samples])
        return _filtered(_filtered(values, taps, -2), taps, -1)

    return changed(inputs, widths > 0, blur)


def _taps(widths: np.ndarray) -> np.ndarray:
    """Return Gaussians that add up to 1, shape (b, 2 * radius + 1)."""
    radii = np.ceil(TRUNCATED * widths).astype(int)
    taps = np.zeros((len(widths), 2 * radii.max() + 1))
    for row, width, radius in zip(taps, widths, radii, strict=True):
        gaussian = np.exp(-0.5 * (np.arange(-radius, radius + 1) / width) ** 2)
        row[radii.max() - radius : radii.max() + radius + 1] = gaussian / gaussian.sum()
    return taps


def _filtered(values: Tensor, taps: np.ndarray, axis: int) -> Tensor:
    size, radius = values.shape[axis], taps.shape[1] // 2
    positions = reflected_positions(-radius, size + radius, size)
    wide = values.index_select(axis, torch.as_tensor(positions, device=values.device))
    # Sums of shifted copies: a convolution may pick another algorithm, and so other roundings,
    # for a batch of another size, and rounds to TF32 on a GPU.
    result = wide.narrow(axis, radius, size) * beside(taps[:, radius], values)
    for shift in range(radius):
        both = wide.narrow(axis, shift, size) + wide.narrow(axis, 2 * radius - shift, size)
        result.addcmul_(both, beside(taps[:, shift], values))
    return result


def lit(inputs: Tensor, peaks: np.ndarray, waves: np.ndarray, channels: np.ndarray) -> Tensor:
    """Return inputs under uneven light: a smooth field f makes of x the value x + f · (x + 1).

    That is what a factor 1 + f on the grey values does to normalized ones, of an image whose mean
    is as large as its spread.

    Parameters
    ----------
    inputs : tensor, shape (B, C, [Z,] Y, X)
    peaks : ndarray, shape (B, input channels)
        Largest magnitude of the field; 0 leaves a channel as it is.
    waves : ndarray, shape (B, input channels, WAVES, WAVES)
        Coefficients of the half periods along Y and X.
    channels : ndarray of int, shape (C,)
        To which input channel each of the network belongs.
    """

    def light(values: Tensor, samples: np.ndarray) -> Tensor:
        field = _fields(values, peaks[samples], waves[samples])
        field = field.index_select(1, torch.as_tensor(channels, device=values.device))
        return torch.addcmul(values, field, values + 1)

    return changed(inputs, peaks.max(1) > 0, light)


def _fields(values: Tensor, peaks: np.ndarray, waves: np.ndarray) -> Tensor:
    """Return a field for each input channel, shape (b, input channels, [1,] Y, X)."""
    height, width = values.shape[-2:]
    orders = np.add.outer(range(WAVES), range(WAVES))
    # Slow waves are strong, and what is the same everywhere is no matter of illumination.
    waves = waves * (orders > 0) / np.maximum(orders, 1)
    rows = _cosines(height) @ waves
    depth = (1,) * (values.ndim - 4)
    rows = rows.reshape(*rows.shape[:2], *depth, height, 1, WAVES)
    columns = _cosines(width).reshape(1, 1, *depth, 1, width, WAVES)
    field = values.new_zeros(())
    for order in range(WAVES):
        field = field + beside(rows[..., order], values) * beside(columns[..., order], values)
    return field * beside(peaks, values) / field.abs().amax((-2, -1), keepdim=True)


def _cosines(size: int) -> np.ndarray:
    """Return the waves along an axis, shape (size, WAVES)."""
    return np.cos(np.pi / size * np.outer(np.arange(size) + 0.5, range(WAVES)))
