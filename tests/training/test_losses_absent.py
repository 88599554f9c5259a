"""A target that an image lacks leaves no trace: not in the loss, and not in any gradient."""

from __future__ import annotations

import itertools

import pytest
import torch

from napari_virtual_stain.networks import Head, build
from napari_virtual_stain.training.losses import Levels, LossOptions, head_loss

OUTPUTS = 3
HEADS = [Head(), Head("laplace"), Head("gaussian"), Head("log-variance"), Head("classes", 5)]
TERMS = [
    LossOptions(),
    LossOptions(value="mae"),
    LossOptions(foreground=2),
    LossOptions(ssim=1),
    LossOptions(correlation=1),
    LossOptions(foreground=2, ssim=0.5, correlation=0.5),
]
LEVELS = Levels((0.5,) * OUTPUTS, (1.0,) * OUTPUTS)


def of_output(head: Head, output: int) -> list[int]:
    """Return which raw channels belong to an output."""
    if head.kind == "classes":
        return list(range(output * head.classes, (output + 1) * head.classes))
    return [output] if head.kind == "value" else [output, OUTPUTS + output]


def example(head: Head, seed=0):
    """Return raw channels, targets and weights.

    The first image lacks the second output, the second image half of the first; the third
    output is annotated by a stroke.
    """
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(2, head.raw_channels(OUTPUTS), 16, 18, generator=generator)
    if head.kind in ("laplace", "gaussian"):
        raw[:, OUTPUTS:] = raw[:, OUTPUTS:].abs() + 0.3
    target = torch.rand(2, OUTPUTS, 16, 18, generator=generator)
    weight = torch.ones_like(target)
    weight[0, 1] = 0
    weight[1, 0, :, 9:] = 0
    weight[:, 2] = 0
    weight[:, 2, 3:6, 2:15] = 1
    return raw, target.where(weight > 0, torch.nan), weight


@pytest.mark.parametrize("options", TERMS, ids=str)
@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_gradients_where_nothing_counts_are_exactly_zero(head, options):
    raw, target, weight = example(head)
    raw.requires_grad_()
    loss = head_loss(head, raw, target, options=options, weight=weight, levels=LEVELS)
    assert torch.isfinite(loss)
    loss.backward()
    assert torch.isfinite(raw.grad).all()
    for output in range(OUTPUTS):
        gradient = raw.grad[:, of_output(head, output)]
        absent = (weight[:, [output]] == 0).expand_as(gradient)
        assert (gradient[absent] == 0).all()
        assert (gradient[~absent] != 0).any()


@pytest.mark.parametrize("options", TERMS, ids=str)
@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_what_an_absent_target_holds_changes_nothing(head, options):
    raw, target, weight = example(head)
    losses = [
        head_loss(
            head,
            raw,
            target.where(weight > 0, value),
            options=options,
            weight=weight,
            levels=LEVELS,
        )
        for value in (torch.nan, torch.inf, 0.0, 1e30)
    ]
    assert all(torch.equal(loss, losses[0]) for loss in losses)


@pytest.mark.parametrize("head", HEADS[1:4], ids=lambda head: head.kind)
@pytest.mark.parametrize("scale", [0.0, -200.0, 200.0])
def test_a_scale_that_went_astray_where_nothing_counts_is_not_looked_at(head, scale):
    raw, target, weight = example(head)
    raw[:, OUTPUTS:] = raw[:, OUTPUTS:].where(weight > 0, scale)
    raw.requires_grad_()
    head_loss(head, raw, target, weight=weight).backward()
    assert torch.isfinite(raw.grad).all()
    assert (raw.grad[:, OUTPUTS:][weight == 0] == 0).all()


@pytest.mark.parametrize("options", TERMS, ids=str)
@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_a_batch_in_which_nothing_counts_is_worth_zero(head, options):
    raw, target, weight = example(head)
    raw.requires_grad_()
    nothing = torch.full_like(target, torch.nan)
    loss = head_loss(
        head, raw, nothing, options=options, weight=torch.zeros_like(weight), levels=LEVELS
    )
    loss.backward()
    assert float(loss.detach()) == 0
    assert (raw.grad == 0).all()


NETWORKS = [
    ("fnet", {"filters": 4, "depth": 1}),
    ("fnet", {"filters": 4, "depth": 1, "likelihood": "gaussian"}),
    ("gvtnet", {"filters": 4, "depth": 2}),
]


@pytest.mark.parametrize(
    ("name", "chosen", "options"),
    [(*network, options) for network, options in itertools.product(NETWORKS, TERMS[::5])],
    ids=str,
)
def test_last_weights_of_an_absent_output_have_a_gradient_of_exactly_zero(name, chosen, options):
    torch.manual_seed(0)
    network = build(name, ndim=2, in_channels=1, out_channels=OUTPUTS, **chosen)
    target = torch.rand(2, OUTPUTS, 16, 16)
    target[:, 1] = torch.nan
    weight = torch.ones_like(target)
    weight[:, 1] = 0
    raw = network(torch.randn(2, 1, 16, 16))
    head_loss(network.head, raw, target, options=options, weight=weight, levels=LEVELS).backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
    *_, (last, weights) = ((n, g) for n, g in gradients.items() if n.endswith("weight"))
    bias = gradients[last.removesuffix("weight") + "bias"]
    channels = of_output(network.head, 1)
    assert len(weights) == network.head.raw_channels(OUTPUTS)
    assert (weights[channels] == 0).all()
    assert (bias[channels] == 0).all()
    present = [k for k in range(len(weights)) if k not in channels]
    assert (weights[present] != 0).flatten(1).any(1).all()
