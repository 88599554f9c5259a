"""What a training minimizes, for each kind of head, in float32.

With y the target, ŷ the prediction and, where the head has them, b or σ its scale:

* ``value``: mean (y − ŷ)², or mean |y − ŷ|;
* ``laplace``: mean |y − ŷ| / b + ln b, the negative log-likelihood without ln 2;
* ``gaussian`` and ``log-variance``: mean (y − ŷ)² / 2σ² + ln σ, without ln √(2π);
* ``classes``: cross-entropy against the class round(y · (C − 1)), divided by ln C, so that a
  network that gives every class the same probability scores 1.

Sources: Kendall & Gal (2017), Eq. 5 and 8, and Wang et al. (2021) for the likelihoods; Liu et al.
(2020) and Christiansen et al. (2018) for the classes.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from napari_virtual_stain.networks import Head

ValueLoss = Literal["mse", "mae"]


def head_loss(
    head: Head,
    raw: Tensor,
    target: Tensor,
    *,
    value_loss: ValueLoss = "mse",
    weight: Tensor | None = None,
) -> Tensor:
    """Return the loss of raw channels, a scalar in float32.

    Parameters
    ----------
    head : Head
        What the raw channels stand for.
    raw : tensor, shape (B, raw_channels, *sizes)
    target : tensor, shape (B, outputs, *sizes)
        On the scale of the prediction; of classes, in [0, 1], beyond which it is clipped.
    value_loss : {"mse", "mae"}
        For heads of the kind ``value``.
    weight : tensor, shape (B, outputs, *sizes), optional
        How much a pixel of an output counts; where it is 0, the target may be anything, NaN too.

    Returns
    -------
    tensor, shape ()
        The mean over the outputs that have a pixel that counts, each of which is the mean over its
        pixels; 0 where nothing counts. (The published code of the GT U-Net divides by the
        number of all outputs, so that a sample with a single label would count little.)
    """
    raw, target = raw.float(), target.float()
    if weight is not None:
        # A product with 0 would keep a NaN, in the gradient too.
        target = target.where(weight > 0, 0.0)
    if head.kind == "classes":
        losses = _cross_entropy(raw, target, head.classes)
    else:
        losses = _pixel_losses(head, raw, target, value_loss)
    return _mean_over_available(losses, weight)


def _pixel_losses(head: Head, raw: Tensor, target: Tensor, value_loss: ValueLoss) -> Tensor:
    if head.kind == "value":
        difference = raw - target
        return difference.abs() if value_loss == "mae" else difference**2
    predicted, scale = raw.chunk(2, dim=1)
    if head.kind == "laplace":
        return (target - predicted).abs() / scale + scale.log()
    if head.kind == "gaussian":
        return (target - predicted) ** 2 / (2 * scale**2) + scale.log()
    return ((target - predicted) ** 2 * torch.exp(-scale) + scale) / 2


def _cross_entropy(raw: Tensor, target: Tensor, classes: int) -> Tensor:
    """Return it for each pixel, shape (B, outputs, *sizes)."""
    nearest = (target.clamp(0, 1) * (classes - 1)).round().long()
    # Output by output: the logits are the largest tensor of the network, and are not copied whole.
    outputs = zip(raw.chunk(target.shape[1], dim=1), nearest.unbind(1), strict=True)
    losses = [functional.cross_entropy(logits, k, reduction="none") for logits, k in outputs]
    return torch.stack(losses, dim=1) / math.log(classes)


def _mean_over_available(losses: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return losses.mean()
    axes = [axis for axis in range(losses.ndim) if axis != 1]
    weight = weight.to(losses.dtype)
    total = weight.sum(axes)
    means = (losses * weight).sum(axes) / total.where(total > 0, 1.0)
    return means.sum() / (total > 0).sum().clamp(min=1)
