"""How a training has gone so far, and when it will have gone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_virtual_stain.events import Losses
from napari_virtual_stain.gui.train.history import MOST_POINTS, Clock, History, rough_time


def test_losses_are_kept_and_smoothed():
    history = History(["a"])
    for step in range(1, 101):
        history.add(Losses(step, float(step % 2)))
    steps, values, smooth = history.losses()
    assert (steps[0], steps[-1], history.step) == (1, 100, 100)
    assert set(values) == {0.0, 1.0}
    assert smooth[-1] == 0.5
    assert smooth[0] == values[0]


def test_many_losses_become_means_of_neighbours():
    history = History(["a"])
    count = 3 * MOST_POINTS
    for step in range(1, count + 1):
        history.add(Losses(step, float(step)))
    steps, values, _ = history.losses()
    assert len(steps) <= MOST_POINTS
    assert steps[-1] == count
    assert np.all(np.diff(values) > 0)
    assert abs(values.mean() - (count + 1) / 2) < 4


def test_a_loss_that_is_not_finite_is_not_drawn():
    history = History(["a"])
    history.add(Losses(1, math.nan))
    history.add(Losses(2, 1.0))
    steps, _, smooth = history.losses()
    assert steps.tolist() == [2]
    assert smooth.tolist() == [1]


def test_scores_and_the_best_of_them():
    history = History(["a", "b"])
    assert history.best() is None
    history.add(Losses(10, 1.0, (0.5, math.nan)))
    history.add(Losses(20, 1.0, (0.7, 0.1)))
    history.add(Losses(30, 1.0, (math.nan, math.nan)))
    steps, values = history.scores()
    assert steps.tolist() == [10, 20, 30]
    assert values.shape == (3, 2)
    assert history.best() == (10, 0.5)
    assert math.isnan(history.last()[0])


def test_the_time_left_follows_from_the_last_steps():
    clock = Clock()
    assert clock.left(100) is None
    clock.tick(0, 0)
    clock.tick(10, 20)
    assert clock.left(100) == pytest.approx(40)
    for second in range(11, 60):  # it has become twice as slow
        clock.tick(second, 20 + (second - 10))
    assert clock.left(100) == pytest.approx(100 - 69)


def test_a_pause_does_not_count():
    clock = Clock()
    clock.tick(0, 0)
    clock.tick(10, 20)
    clock.restart()
    clock.tick(1000, 20)
    assert clock.left(100) is None
    clock.tick(1010, 40)
    assert clock.left(100) == pytest.approx(30)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3, "less than a minute"),
        (61, "1 min"),
        (720, "12 min"),
        (5500, "1.5 h"),
        (200_000, "2.3 days"),
    ],
)
def test_a_time_as_people_plan_with_it(seconds, text):
    assert rough_time(seconds) == text
