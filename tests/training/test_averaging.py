"""The average of weights is the formula, and goes on exactly where it was left."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from napari_virtual_stain.networks import build
from napari_virtual_stain.training.averaging import Averaged


def walk(network, steps, seed=0):
    """Change a network at random, parameters and running statistics; yield after each step."""
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += torch.randn(parameter.shape, generator=generator)
            for buffer in network.buffers():
                buffer += 1
        yield step


def test_it_is_the_moving_average_with_a_warm_up():
    network = nn.Linear(3, 2)
    averaged, decay = Averaged(network, 0.5), 0.5
    expected = None
    for t in walk(network, 30):
        averaged.update(network)
        weight = network.weight.detach().double().numpy()
        d = min(decay, (1 + t) / (10 + t))
        expected = weight if expected is None else d * expected + (1 - d) * weight
        found = averaged.network.weight.detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_before_the_first_step_it_is_the_network_and_after_it_the_network_then():
    network = nn.Linear(3, 2)
    averaged = Averaged(network, 0.999)
    assert torch.equal(averaged.network.weight, network.weight)
    for _ in walk(network, 1):
        averaged.update(network)
    assert torch.equal(averaged.network.weight, network.weight)


def test_buffers_are_copied_and_the_network_is_left_alone():
    network = build("fnet", ndim=2, filters=2, depth=1)
    averaged = Averaged(network, 0.9)
    for _ in walk(network, 3):
        before = copy.deepcopy(network.state_dict())
        averaged.update(network)
        for name, value in network.state_dict().items():
            assert torch.equal(value, before[name])
    own = dict(averaged.network.named_buffers())
    assert own
    for name, buffer in network.named_buffers():
        assert torch.equal(own[name], buffer)
    assert not torch.equal(next(averaged.network.parameters()), next(network.parameters()))


@pytest.mark.parametrize("stopped", [0, 1, 7])
def test_resumed_it_is_the_same_bit_for_bit(stopped):
    network = build("fnet", ndim=2, filters=2, depth=1)
    unbroken, state = Averaged(network, 0.99), None
    start = copy.deepcopy(network)
    if stopped == 0:
        state = {name: value.clone() for name, value in unbroken.state().items()}
    for step in walk(network, 12):
        unbroken.update(network)
        if step + 1 == stopped:
            state = {name: value.clone() for name, value in unbroken.state().items()}
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    # A fresh process: the weights come from elsewhere, the state as arrays from a file.
    again = Averaged(build("fnet", ndim=2, filters=2, depth=1), 0.99)
    again.restore({n: torch.from_numpy(np.array(v.numpy())) for n, v in state.items()})
    for step in walk(start, 12):
        if step >= stopped:
            again.update(start)
    for name, value in unbroken.state().items():
        assert torch.equal(again.state()[name], value)


def test_weights_that_are_frozen_stay_as_they_are():
    network = nn.Linear(3, 2)
    averaged = Averaged(network, 0.9)
    for _ in range(5):
        averaged.update(network)
    assert torch.equal(averaged.network.weight, network.weight)
