"""The loss of each pixel by itself, for each kind of head.

With y the target, ŷ the prediction and, where the head has them, b or σ its scale:

* ``value``: (y − ŷ)², or |y − ŷ|;
* ``laplace``: |y − ŷ| / b + ln b, the negative log-likelihood without ln 2;
* ``gaussian`` and ``log-variance``: (y − ŷ)² / 2σ² + ln σ, without ln √(2π);
* ``classes``: cross-entropy against the class round(y · (C − 1)), divided by ln C, so that a
  network that gives every class the same probability scores 1.

Sources: Kendall & Gal (2017), Eq. 5 and 8, and Wang et al. (2021) for the likelihoods; Liu et al.
(2020) and Christiansen et al. (2018) for the classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from napari_virtual_stain.networks import Head
from napari_virtual_stain.training.losses.options import ValueLoss


def pixel_losses(
    head: Head, raw: Tensor, target: Tensor, value: ValueLoss, counts: Tensor | None
) -> Tensor:
    """Return the loss of each pixel and output, shape (B, outputs, *sizes).

    Parameters
    ----------
    head : Head
    raw : tensor of float32, shape (B, raw_channels, *sizes)
    target : tensor of float32, shape (B, outputs, *sizes)
        Finite everywhere.
    value : {"mse", "mae"}
        For heads of the kind ``value``.
    counts : tensor of bool, shape (B, outputs, *sizes), optional
        Where it is False, the loss is finite whatever a likelihood's raw channels hold, and so is
        its derivative: only then does a weight of 0 leave nothing of either.
    """
    if head.kind == "classes":
        return _cross_entropy(raw, target, head.classes)
    if head.kind == "value":
        difference = (raw if counts is None else raw.where(counts, 0.0)) - target
        return difference.abs() if value == "mae" else difference**2
    predicted, scale = raw.chunk(2, dim=1)
    if counts is not None:
        predicted, scale = predicted.where(counts, 0.0), scale.where(counts, 1.0)
    if head.kind == "laplace":
        return (target - predicted).abs() / scale + scale.log()
    if head.kind == "gaussian":
        return (target - predicted) ** 2 / (2 * scale**2) + scale.log()
    return ((target - predicted) ** 2 * torch.exp(-scale) + scale) / 2


def _cross_entropy(raw: Tensor, target: Tensor, classes: int) -> Tensor:
    nearest = (target.clamp(0, 1) * (classes - 1)).round().long()
    # Output by output: the logits are the largest tensor of the network, and are not copied whole.
    outputs = zip(raw.chunk(target.shape[1], dim=1), nearest.unbind(1), strict=True)
    losses = [functional.cross_entropy(logits, k, reduction="none") for logits, k in outputs]
    return torch.stack(losses, dim=1) / math.log(classes)
