"""Muon: orthogonal steps for the kernels between hidden layers, AdamW for the rest."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_virtual_stain.networks import build
from napari_virtual_stain.training.learner import optimizer
from napari_virtual_stain.training.muon import LIKE_ADAM, Muon, orthogonalized
from napari_virtual_stain.training.presets import preset


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000), st.floats(1e-6, 1e6))
@settings(max_examples=40, deadline=None)
def test_singular_values_are_brought_near_one(rows, columns, seed, size):
    matrix = size * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    before = torch.linalg.svdvals(matrix)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    after = orthogonalized(matrix)
    values = torch.linalg.svdvals(after)
    known = before > 0.02 * before.max()
    assert values.max() < 1.35
    assert values[: int(known.sum())].min() > 0.4
    # The directions stay: the nearest orthogonal matrix has those of the matrix itself.
    aligned = torch.einsum("ir,ij,jr->r", u, after, v.T)
    assert (aligned[known] > 0.3).all()


def network():
    return nn.Sequential(
        nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 3), nn.Conv2d(6, 1, 1)
    )


def recipe(**changes):
    return replace(preset("best"), optimizer="muon", **changes)


def test_what_is_learned_how():
    made = network()
    names = {id(p): name for name, p in made.named_parameters()}
    groups = {
        bool(group.get("orthogonal")): [names[id(p)] for p in group["params"]]
        for group in optimizer(made, recipe()).param_groups
        if group.get("orthogonal") or group["weight_decay"] == 0
    }
    assert groups == {
        True: ["2.weight"],
        False: ["0.bias", "1.weight", "1.bias", "2.bias", "3.bias"],
    }


def test_its_steps_are_as_large_as_those_of_adam():
    torch.manual_seed(0)
    kernel = nn.Parameter(torch.randn(32, 16, 3, 3))
    muon = Muon([{"params": [kernel], "orthogonal": True}], 0.01, (0.9, 0.999))
    before = kernel.detach().clone()
    kernel.grad = torch.randn_like(kernel)
    muon.step()
    change = (kernel.detach() - before).square().mean().sqrt()
    assert change == pytest.approx(0.01 * LIKE_ADAM, rel=0.25)


def test_the_rest_is_learned_as_by_adamw():
    torch.manual_seed(0)
    ours = nn.Linear(5, 3)
    theirs = copy.deepcopy(ours)
    groups = [{"params": list(ours.parameters()), "weight_decay": 0.1}]
    muon = Muon(groups, 0.01, (0.9, 0.99))
    adam = torch.optim.AdamW(theirs.parameters(), 0.01, betas=(0.9, 0.99), weight_decay=0.1)
    for _ in range(5):
        x = torch.randn(7, 5)
        for made, steps in ((ours, muon), (theirs, adam)):
            steps.zero_grad()
            made(x).square().sum().backward()
            steps.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_it_goes_on_from_its_state():
    def learn(made, steps, count):
        for _ in range(count):
            steps.zero_grad()
            made(torch.ones(1, 2, 9, 9)).square().sum().backward()
            steps.step()

    torch.manual_seed(0)
    whole = network().eval()
    broken = copy.deepcopy(whole)
    learn(whole, optimizer(whole, recipe()), 4)
    first = optimizer(broken, recipe())
    learn(broken, first, 2)
    again = optimizer(broken, recipe())
    again.load_state_dict(first.state_dict())
    learn(broken, again, 2)
    for one, other in zip(whole.parameters(), broken.parameters(), strict=True):
        assert torch.equal(one, other)


def test_frozen_parts_stay():
    made = build("subpixel-unet", ndim=2, widths=(8, 8))
    made.encoders.requires_grad_(False)
    steps = optimizer(made, recipe())
    learned = {id(p) for group in steps.param_groups for p in group["params"]}
    assert not learned & {id(p) for p in made.encoders.parameters()}
    before = [p.clone() for p in made.encoders.parameters()]
    made(torch.randn(2, 1, 16, 16)).square().sum().backward()
    steps.step()
    for one, other in zip(before, made.encoders.parameters(), strict=True):
        assert torch.equal(one, other)
