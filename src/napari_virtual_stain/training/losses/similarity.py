"""Structural similarity of prediction and target (SSIM), as a loss, where only some pixels count.

Source: Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error visibility to
structural similarity", IEEE Transactions on Image Processing 13 (2004), Eq. 13, with the window
and the constants of its section III.C: a Gaussian of 1.5 px, 11 px wide, K₁ = 0.01 and K₂ = 0.03.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SIGMA = 1.5
RADIUS = 5
K1, K2 = 0.01, 0.03


def dissimilarity(
    predicted: Tensor, target: Tensor, ranges: Tensor, weight: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Return 1 − SSIM of every window that lies within a patch, and how much each counts.

    Windows lie in the plane, those of a stack in each of its planes. The moments of a window are
    those of its pixels that count, by their weights; the window counts as its centre does.

    Parameters
    ----------
    predicted, target : tensor of float32, shape (B, outputs, [Z,] Y, X)
        Finite everywhere.
    ranges : tensor, shape (outputs,)
        How far the values of each output reach, from dark to bright.
    weight : tensor of float32, shape (B, outputs, [Z,] Y, X), optional

    Returns
    -------
    losses : tensor, shape (B, outputs, [Z,] Y − 2r, X − 2r)
        r is :data:`RADIUS`, less where a patch is narrower than a window. Where all pixels count,
        their mean is 1 − ``skimage.metrics.structural_similarity`` with ``gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False``.
    weights : tensor of the same shape, or None
    """
    radius = min(RADIUS, (min(target.shape[-2:]) - 1) // 2)
    # SSIM needs the sum of both variances alone, which is a map less to be filtered.
    maps = [predicted, target, predicted**2 + target**2, predicted * target]
    if weight is None:
        centres = None
        x, y, squares, xy = _windowed(maps, radius)
    else:
        centres = _inner(weight, radius)
        share, *sums = _windowed([weight, *(weight * one for one in maps)], radius)
        # Around a centre that does not count there may be nothing at all to divide by.
        share = share.where(centres > 0, 1.0)
        x, y, squares, xy = (one / share for one in sums)
    shape = [-1] + [1] * (target.ndim - 2)
    c1, c2 = ((k * ranges).square().reshape(shape) for k in (K1, K2))
    luminance = (2 * x * y + c1) / (x * x + y * y + c1)
    structure = (2 * (xy - x * y) + c2) / (squares - x * x - y * y + c2)
    return 1 - luminance * structure, centres


def _windowed(maps: list[Tensor], radius: int) -> list[Tensor]:
    """Return the mean of each map over the Gaussian window around every inner pixel."""
    shape = maps[0].shape
    stacked = torch.stack(maps, dim=-3).reshape(-1, len(maps), *shape[-2:])
    offsets = torch.arange(-radius, radius + 1, dtype=stacked.dtype, device=stacked.device)
    window = torch.exp(-0.5 * (offsets / SIGMA) ** 2)
    window = (window / window.sum()).expand(len(maps), 1, 1, -1)
    across = functional.conv2d(stacked, window, groups=len(maps))
    both = functional.conv2d(across, window.transpose(2, 3), groups=len(maps))
    sizes = (*shape[:-2], both.shape[-2], both.shape[-1])
    return [one.reshape(sizes) for one in both.unbind(1)]


def _inner(values: Tensor, radius: int) -> Tensor:
    height, width = values.shape[-2:]
    return values[..., radius : height - radius, radius : width - radius]
