"""The loss of a batch: terms, each a mean over what counts, then over outputs, in float32.

With several processes, a mean of the processes' means would give a pixel more weight the fewer
count beside it. So each gives a sum and a count for each term and output (:func:`loss_sums`), and
divides its sums by the *mean* of all processes' counts (:meth:`LossSums.mean`): the mean of
their losses, and of the gradients, is then that of one process with the whole batch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from napari_virtual_stain.networks import Head
from napari_virtual_stain.training.losses.correlation import decorrelation
from napari_virtual_stain.training.losses.levels import Levels
from napari_virtual_stain.training.losses.options import LossOptions, ValueLoss
from napari_virtual_stain.training.losses.pixels import pixel_losses
from napari_virtual_stain.training.losses.similarity import dissimilarity


class LossSums(NamedTuple):
    """Sums over a batch; one row for each term of the loss, one column for each output.

    Parameters
    ----------
    totals : tensor of float32, shape (terms, outputs)
        Sums of losses by their weights, times the weight of the term.
    counts : tensor of float32, shape (terms, outputs)
        Sums of the weights; they do not depend on the prediction.
    """

    totals: Tensor
    counts: Tensor

    def mean(self, counts: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar.

        Parameters
        ----------
        counts : tensor, shape (terms, outputs), optional
            The mean of the counts of all processes; by default those of this batch.

        Returns
        -------
        tensor, shape ()
            For each term the mean over the outputs that have anything that counts, each of which
            is the mean over what does; their sum over the terms. 0 where nothing counts.
        """
        counts = self.counts if counts is None else counts
        available = counts > 0
        means = self.totals / counts.where(available, 1.0)
        return (means.sum(1) / available.sum(1).clamp(min=1)).sum()


def head_loss(
    head: Head,
    raw: Tensor,
    target: Tensor,
    *,
    value_loss: ValueLoss | None = None,
    options: LossOptions | None = None,
    weight: Tensor | None = None,
    levels: Levels | None = None,
) -> Tensor:
    """Return the loss of raw channels, a scalar in float32.

    Parameters
    ----------
    head : Head
        What the raw channels stand for.
    raw : tensor, shape (B, raw_channels, *sizes)
    target : tensor, shape (B, outputs, *sizes)
        On the scale of the prediction; of classes, in [0, 1], beyond which it is clipped.
    value_loss : {"mse", "mae"}, optional
        In the place of that of the options, for heads of the kind ``value``.
    options : LossOptions, optional
        By default the loss of each pixel alone.
    weight : tensor, shape (B, outputs, *sizes), optional
        How much a pixel of an output counts; where it is 0, the target may be anything, NaN too,
        and the gradient is exactly 0.
    levels : Levels, optional
        Of the targets; needed by every term but the loss of each pixel.

    Returns
    -------
    tensor, shape ()
        As of :meth:`LossSums.mean`. (The published code of the GT U-Net divides by the
        number of all outputs, so that a sample with a single label would count little.)

    Raises
    ------
    ValueError
        If a term needs levels, and there are none.
    """
    options = options or LossOptions()
    if value_loss is not None:
        options = replace(options, value=value_loss)
    return loss_sums(head, raw, target, options=options, weight=weight, levels=levels).mean()


def loss_sums(
    head: Head,
    raw: Tensor,
    target: Tensor,
    *,
    options: LossOptions,
    weight: Tensor | None = None,
    levels: Levels | None = None,
) -> LossSums:
    """Return the sums that make up the loss of :func:`head_loss`, whose parameters these are.

    Several processes do, with Fabric, ::

        sums = loss_sums(head, raw, target, options=options, weight=weight)
        loss = sums.mean(fabric.all_reduce(sums.counts, reduce_op="mean"))
    """
    if options.needs_levels and levels is None:
        raise ValueError("the terms of this loss need the levels of the targets")
    # A loss in half precision would round away what a step improves.
    with torch.autocast(raw.device.type, enabled=False):
        raw, target = raw.float(), target.float()
        counts = None
        if weight is not None:
            weight, counts = weight.float(), weight > 0
            # A product with 0 would keep a NaN, in the gradient too.
            target = target.where(counts, 0.0)
        losses = pixel_losses(head, raw, target, options.value, counts)
        terms = [_sums(losses, _emphasized(target, weight, options, levels))]
        if levels is not None and (options.ssim or options.correlation):
            predicted = head.read(raw, uncertainty=False)
            if counts is not None:
                predicted = predicted.where(counts, 0.0)
            ranges = target.new_tensor(levels.ranges)
            for share, term in (
                (options.ssim, dissimilarity),
                (options.correlation, decorrelation),
            ):
                if share:
                    total, count = _sums(*term(predicted, target, ranges, weight))
                    terms.append((share * total, count))
        totals, of_terms = zip(*terms, strict=True)
        return LossSums(torch.stack(totals), torch.stack(of_terms))


def _emphasized(
    target: Tensor, weight: Tensor | None, options: LossOptions, levels: Levels | None
) -> Tensor | None:
    """Return the weights of pixels, with what is added where they are foreground."""
    if not options.foreground or levels is None:
        return weight
    thresholds = target.new_tensor(levels.thresholds).reshape(-1, *[1] * (target.ndim - 2))
    emphasis = 1 + options.foreground * (target > thresholds)
    return emphasis if weight is None else weight * emphasis


def _sums(losses: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return, for each output, the sum of losses by their weights and that of the weights."""
    axes = [axis for axis in range(losses.ndim) if axis != 1]
    if weight is None:
        outputs = losses.shape[1]
        return losses.sum(axes), losses.new_full((outputs,), losses.numel() / outputs)
    return (losses * weight).sum(axes), weight.sum(axes)
