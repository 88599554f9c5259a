"""Correlation of prediction and target over a patch, as a loss.

Pearson's r is what a validation scores. Of a patch without a cell it is that of the noise, and
its derivative grows without bounds as the prediction becomes the constant that it should be. So r
is that of the two images with the same faint noise added to both, of variance C = (K · range)²:

    r = (σ_xy + C) / √((σ_x² + C) · (σ_y² + C))

It is 1 where the prediction is the target, tends to Pearson's r where there is something to be
seen, and is near to 1 where there is not. The constant is of the kind of that in the
structure term of SSIM (Wang et al. 2004, Eq. 10).
"""

from __future__ import annotations

from torch import Tensor

K = 0.01
"""The noise is a hundredth of the range of the target."""


def decorrelation(
    predicted: Tensor, target: Tensor, ranges: Tensor, weight: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Return 1 − r of each patch and output, and whether any of its pixels counts.

    Parameters
    ----------
    predicted, target : tensor of float32, shape (B, outputs, *sizes)
        Finite everywhere.
    ranges : tensor, shape (outputs,)
        How far the values of each output reach, from dark to bright.
    weight : tensor of float32, shape (B, outputs, *sizes), optional
        By which the moments are taken.

    Returns
    -------
    losses, weights : tensor, shape (B, outputs)
        Weights are 0 or 1; None where all pixels count.
    """
    constant = (K * ranges).square()
    x, y = predicted.flatten(2), target.flatten(2)
    if weight is None:
        x, y = x - x.mean(2, keepdim=True), y - y.mean(2, keepdim=True)
        moments = [product.mean(2) for product in (x * x, y * y, x * y)]
        available = None
    else:
        w = weight.flatten(2)
        total = w.sum(2, keepdim=True)
        available = (total > 0).squeeze(2).to(w.dtype)
        w = w / total.where(total > 0, 1.0)
        x, y = (one - (w * one).sum(2, keepdim=True) for one in (x, y))
        moments = [(w * product).sum(2) for product in (x * x, y * y, x * y)]
    xx, yy, xy = moments
    return 1 - (xy + constant) / ((xx + constant) * (yy + constant)).sqrt(), available
