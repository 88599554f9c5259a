"""The time of a step is measured by training itself."""

from __future__ import annotations

import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Progress, run
from napari_virtual_stain.training import TrainOptions
from napari_virtual_stain.training import estimate as module
from napari_virtual_stain.training.estimate import seconds_per_step

SMALL = {"preset": "gvtnet-2d-small", "network_options": {"filters": 4}, "device": "cpu"}


def test_it_takes_real_steps_and_ends_before_the_first_score():
    events = []
    options = TrainOptions(**SMALL, batch=1, steps=500, validate_every=1)
    measured = run(seconds_per_step(options, 1, 1), events.append)
    assert measured > 0
    assert set(events) == {Progress(module.STAGE, 0, 0)} | {
        Progress(module.STAGE, done, 2) for done in range(3)
    }


def test_a_long_batch_is_told_from_a_few_patches(monkeypatch):
    batches = []

    def measured(options, pair, batch, steps):
        batches.append(batch)
        yield Progress(module.STAGE, steps, steps)
        return [0.5 * batch] * steps

    monkeypatch.setattr(module, "_measured", measured)
    assert run(seconds_per_step(TrainOptions(**SMALL, batch=24), 1, 1)) == 12
    assert run(seconds_per_step(TrainOptions(**SMALL, batch=3), 1, 1)) == 1.5
    assert batches == [2, 2, 3]


@pytest.mark.parametrize(
    ("spatial", "patch", "planes", "source", "target"),
    [
        ("YX", (64, 32), 1, ("CYX", (2, 64, 32)), ("CYX", (3, 64, 32))),
        ("YX", (64, 32), 5, ("CZYX", (2, 5, 64, 32)), ("CYX", (3, 64, 32))),
        ("ZYX", (16, 64, 32), 1, ("CZYX", (2, 16, 64, 32)), ("CZYX", (3, 16, 64, 32))),
        ("ZYX", (50, 64, 32), 9, ("CZYX", (2, 9, 64, 32)), ("CYX", (3, 64, 32))),
    ],
)
def test_the_random_pair_is_what_the_network_takes(spatial, patch, planes, source, target):
    one, other = module._random_pair(patch, spatial, 2, 3, planes)
    assert (one.axes, one.shape) == source
    assert (other.axes, other.shape) == target


def test_options_that_do_not_fit_are_refused_as_a_training_refuses_them():
    with pytest.raises(VirtualStainError, match="there is no preset named 'nothing'"):
        run(seconds_per_step(TrainOptions(preset="nothing"), 1, 1))
    options = TrainOptions(**{**SMALL, "network_options": {"in_channels": 3}})
    with pytest.raises(VirtualStainError, match="follows from the preset and the pairs"):
        run(seconds_per_step(options, 1, 1))
