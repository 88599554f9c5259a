"""Learning rates over the steps of a training."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math

import pytest
import torch
from torch import nn

from napari_virtual_stain.training.presets import preset
from napari_virtual_stain.training.recipe import StepDecay
from napari_virtual_stain.training.schedules import MAX_WARM_UP, schedule

RATE = 2e-3
SCHEDULES = ["constant", "one-cycle", "cosine", StepDecay(0.5, 7)]


def started(kind, steps, groups=1):
    recipe = dataclasses.replace(preset("fnet-2d"), schedule=kind, learning_rate=RATE)
    weights = [{"params": [nn.Parameter(torch.zeros(1))]} for _ in range(groups)]
    optimizer = torch.optim.Adam(weights, RATE)
    return optimizer, schedule(optimizer, recipe, steps)


def follow(optimizer, plan, steps):
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[-1]["lr"])
        optimizer.step()
        plan.step()
    return found


def test_a_constant_rate_stays_and_a_decay_comes_in_steps():
    assert follow(*started("constant", 5), 5) == [RATE] * 5
    found = follow(*started(StepDecay(0.5, 3), 7), 7)
    assert found == pytest.approx([RATE] * 3 + [RATE / 2] * 3 + [RATE / 4])


def test_one_cycle_rises_over_a_fifth_of_the_steps_and_falls_to_nothing():
    found = follow(*started("one-cycle", 100), 100)
    assert max(found) == pytest.approx(RATE, rel=1e-3)
    assert found.index(max(found)) in (19, 20)
    assert found[-1] < RATE / 100


def test_cosine_rises_for_a_short_time_and_falls_by_half_a_cosine():
    found = follow(*started("cosine", 400), 400)
    assert found[:20] == pytest.approx([RATE * (step + 1) / 21 for step in range(20)])
    assert found[20] == pytest.approx(RATE)
    assert found[20 + 190] == pytest.approx(RATE / 2)
    assert found[20 + 95] == pytest.approx(RATE * (1 + math.cos(math.pi / 4)) / 2)
    assert all(a > b for a, b in itertools.pairwise(found[20:]))
    assert 0 < found[-1] < RATE / 1000


def test_the_rise_of_a_long_training_is_short():
    found = follow(*started("cosine", 50_000), MAX_WARM_UP + 1)
    assert found.index(max(found)) == MAX_WARM_UP


@pytest.mark.parametrize("steps", [1, 2, 3, 19, 20])
@pytest.mark.parametrize("kind", SCHEDULES, ids=str)
def test_a_training_may_be_short(kind, steps):
    found = follow(*started(kind, steps), steps)
    assert all(0 < rate <= RATE * 1.0001 for rate in found)


@pytest.mark.parametrize("kind", SCHEDULES, ids=str)
def test_all_groups_of_parameters_follow(kind):
    optimizer, plan = started(kind, 30, groups=2)
    for _ in range(10):
        optimizer.step()
        plan.step()
        first, second = (group["lr"] for group in optimizer.param_groups)
        assert first == second


@pytest.mark.parametrize("stopped", [0, 3, 20])
@pytest.mark.parametrize("kind", SCHEDULES, ids=str)
def test_resumed_the_rates_are_those_of_an_unbroken_run(kind, stopped):
    unbroken = follow(*started(kind, 30), 30)
    optimizer, plan = started(kind, 30)
    follow(optimizer, plan, stopped)
    kept = json.loads(json.dumps(plan.state_dict(), allow_nan=False))
    again, second = started(kind, 30)
    again.load_state_dict(optimizer.state_dict())
    second.load_state_dict(kept)
    assert follow(again, second, 30 - stopped) == unbroken[stopped:]
