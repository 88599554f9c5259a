"""Two processes with a half of the batch each train as one with the whole."""

from __future__ import annotations

import pytest
import torch

from napari_virtual_stain.networks import Head, build
from napari_virtual_stain.training.losses import Levels, LossOptions, head_loss, loss_sums

OUTPUTS = 3
HEADS = [Head(), Head("laplace"), Head("gaussian"), Head("log-variance"), Head("classes", 5)]
EVERY_TERM = LossOptions(foreground=2, ssim=0.5, correlation=0.7)
LEVELS = Levels((0.5,) * OUTPUTS, (1.0,) * OUTPUTS)


def example(head: Head):
    """Return a batch whose halves have very different numbers of pixels that count."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(4, head.raw_channels(OUTPUTS), 16, 14, generator=generator)
    if head.kind in ("laplace", "gaussian"):
        raw[:, OUTPUTS:] = raw[:, OUTPUTS:].abs() + 0.3
    target = torch.rand(4, OUTPUTS, 16, 14, generator=generator)
    weight = torch.zeros_like(target)
    weight[:, 0] = 1
    weight[0, 0, 3:] = 0
    weight[0, 1, 5:8, 5:8] = 1  # the second half lacks this output
    weight[2:, 2, :, 4:9] = 1  # the first half lacks this one
    return raw, target.where(weight > 0, torch.nan), weight


def in_two(head, raw, target, weight, options):
    """Return the loss of each half, as two processes compute it; all-reduced is the count."""
    halves = [slice(0, 2), slice(2, 4)]
    sums = [
        loss_sums(
            head,
            raw[half],
            target[half],
            options=options,
            weight=None if weight is None else weight[half],
            levels=LEVELS,
        )
        for half in halves
    ]
    counts = torch.stack([one.counts for one in sums]).mean(0)
    return [one.mean(counts) for one in sums]


@pytest.mark.parametrize("options", [LossOptions(), EVERY_TERM], ids=["pixels", "every term"])
@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_the_mean_loss_and_gradient_of_two_halves_are_those_of_the_whole(head, options):
    raw, target, weight = example(head)
    raw.requires_grad_()
    whole = head_loss(head, raw, target, options=options, weight=weight, levels=LEVELS)
    (expected,) = torch.autograd.grad(whole, raw)
    halves = in_two(head, raw, target, weight, options)
    mean = torch.stack(halves).mean()
    (gradient,) = torch.autograd.grad(mean, raw)
    torch.testing.assert_close(mean, whole)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-9)
    # What the counts are for: the plain mean of the halves' own losses is another.
    alone = [
        head_loss(
            head, raw[h], target[h], options=options, weight=weight[h], levels=LEVELS
        ).detach()
        for h in (slice(0, 2), slice(2, 4))
    ]
    assert abs(float(torch.stack(alone).mean() - whole.detach())) > 1e-3


def test_without_weights_the_counts_are_equal_and_change_nothing():
    raw, target, _ = example(HEADS[0])
    target = target.nan_to_num(0.3)
    halves = in_two(HEADS[0], raw, target, None, LossOptions(ssim=1, correlation=1))
    whole = head_loss(
        HEADS[0], raw, target, options=LossOptions(ssim=1, correlation=1), levels=LEVELS
    )
    torch.testing.assert_close(torch.stack(halves).mean(), whole)


def test_counts_do_not_depend_on_the_prediction():
    raw, target, weight = example(HEADS[1])
    raw.requires_grad_()
    sums = loss_sums(HEADS[1], raw, target, options=EVERY_TERM, weight=weight, levels=LEVELS)
    other = loss_sums(
        HEADS[1], raw.detach() + 1, target, options=EVERY_TERM, weight=weight, levels=LEVELS
    )
    assert sums.totals.shape == sums.counts.shape == (3, OUTPUTS)
    assert not sums.counts.requires_grad
    assert torch.equal(sums.counts, other.counts)
    # Windows whose centre counts, and patches in which anything does.
    assert sums.counts[1].tolist() == [6 * 4 * 3, 9, 2 * 6 * 4]
    assert sums.counts[2].tolist() == [4, 1, 2]


def test_a_network_takes_the_same_step_on_two_processes_as_on_one():
    torch.manual_seed(0)
    network = build("fnet", ndim=2, in_channels=1, out_channels=OUTPUTS, filters=4, depth=1).eval()
    inputs = torch.randn(4, 1, 16, 14)
    _, target, weight = example(network.head)
    parameters = list(network.parameters())
    whole = head_loss(
        network.head, network(inputs), target, options=EVERY_TERM, weight=weight, levels=LEVELS
    )
    expected = torch.autograd.grad(whole, parameters)
    halves = in_two(network.head, network(inputs), target, weight, EVERY_TERM)
    gradients = [torch.autograd.grad(half, parameters, retain_graph=True) for half in halves]
    for first, second, both in zip(*gradients, expected, strict=True):
        torch.testing.assert_close((first + second) / 2, both, rtol=1e-4, atol=1e-6)
