"""Each loss equals its formula in float64; masks leave out what they say, gradients included."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_virtual_stain.networks import Head
from napari_virtual_stain.training.losses import head_loss

OUTPUTS, SIZES = 3, (5, 7)
HEADS = [Head(), Head("laplace"), Head("gaussian"), Head("log-variance"), Head("classes", 6)]


def example(head: Head, seed=0):
    """Return raw channels with positive scales where they are scales, and targets in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(2, head.raw_channels(OUTPUTS), *SIZES, generator=generator)
    if head.kind in ("laplace", "gaussian"):
        raw[:, OUTPUTS:] = raw[:, OUTPUTS:].abs() + 0.3
    return raw, torch.rand(2, OUTPUTS, *SIZES, generator=generator)


def by_formula(head: Head, raw, target, kind="mse"):
    """Return the loss of each pixel and output in float64, by loops and NumPy."""
    raw, target = raw.double().numpy(), target.double().numpy()
    predicted, scale = raw[:, :OUTPUTS], raw[:, OUTPUTS:]
    if head.kind == "value":
        return np.abs(raw - target) if kind == "mae" else (raw - target) ** 2
    if head.kind == "laplace":
        return np.abs(target - predicted) / scale + np.log(scale)
    if head.kind == "gaussian":
        return (target - predicted) ** 2 / (2 * scale**2) + np.log(scale)
    if head.kind == "log-variance":
        sigma = np.sqrt(np.exp(scale))
        return (target - predicted) ** 2 / (2 * sigma**2) + np.log(sigma)
    losses = np.empty(target.shape)
    for b, k, y, x in np.ndindex(target.shape):
        logits = raw[b, k * head.classes : (k + 1) * head.classes, y, x]
        shares = np.exp(logits) / np.exp(logits).sum()
        nearest = int(np.rint(target[b, k, y, x] * (head.classes - 1)))
        losses[b, k, y, x] = -np.log(shares[nearest]) / math.log(head.classes)
    return losses


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_every_loss_is_its_formula(head):
    raw, target = example(head)
    for kind in ("mse", "mae"):
        expected = by_formula(head, raw, target, kind).mean()
        assert float(head_loss(head, raw, target, value_loss=kind)) == pytest.approx(
            expected, rel=1e-5
        )


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_the_mean_is_over_pixels_that_count_and_then_over_outputs_that_have_any(head):
    raw, target = example(head)
    weight = torch.zeros(2, OUTPUTS, *SIZES)
    weight[0, 0, :2] = 1  # few pixels of one output
    weight[:, 2] = 1  # all of another, none of the second
    losses = by_formula(head, raw, target)
    expected = (losses[0, 0, :2].mean() + losses[:, 2].mean()) / 2
    target = target.where(weight > 0, torch.nan)
    raw.requires_grad_()
    loss = head_loss(head, raw, target, weight=weight)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert torch.isfinite(raw.grad).all()
    channels = Head(head.kind, head.classes).raw_channels(1)
    of_second = (
        raw.grad[:, head.classes : 2 * head.classes]
        if head.kind == "classes"
        else raw.grad[:, 1::OUTPUTS]
    )
    assert of_second.shape[1] == channels
    assert (of_second == 0).all()


def test_a_weight_of_one_everywhere_changes_nothing():
    raw, target = example(HEADS[1])
    weighted = head_loss(HEADS[1], raw, target, weight=torch.ones_like(target))
    assert float(weighted) == pytest.approx(float(head_loss(HEADS[1], raw, target)))


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_where_nothing_counts_the_loss_is_zero(head):
    raw, target = example(head)
    loss = head_loss(head, raw.requires_grad_(), target, weight=torch.zeros_like(target))
    assert float(loss.detach()) == 0
    loss.backward()
    assert (raw.grad == 0).all()


@pytest.mark.parametrize("classes", [2, 64, 256])
def test_a_uniform_prediction_scores_one(classes):
    head = Head("classes", classes)
    raw = torch.zeros(1, 2 * classes, 4, 4)
    assert float(head_loss(head, raw, torch.rand(1, 2, 4, 4))) == pytest.approx(1.0)


def test_targets_beyond_the_classes_are_clipped():
    head, raw = Head("classes", 4), torch.randn(1, 4, 1, 3)
    beyond = head_loss(head, raw, torch.tensor([[[[-0.5, 1.5, 0.5]]]]))
    assert beyond == head_loss(head, raw, torch.tensor([[[[0.0, 1.0, 0.5]]]]))


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_half_precision_is_evaluated_in_float32(head):
    raw, target = example(head)
    loss = head_loss(head, raw.bfloat16(), target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, head_loss(head, raw.bfloat16().float(), target))
