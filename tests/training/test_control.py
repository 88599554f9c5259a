"""A training can be paused, ended early with what is best, and cancelled anywhere."""

from __future__ import annotations

import threading

import pytest
import torch
from small import QUICK, InMemory, blobs

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Losses, Notice, Preview, Stopped, run, stop_when
from napari_virtual_stain.training import Control, TrainOptions, train_events

LONG = {**QUICK, "steps": 100_000}


def test_stopping_keeps_the_best():
    control, losses = Control(), []

    def watch(event):
        if isinstance(event, Losses):
            losses.append(event)
            if event.step == 4:
                control.stop()

    model = run(train_events([blobs()], TrainOptions(**LONG), control=control), watch)
    # It is scored once more where it ends: what was learned last may be the best.
    assert [event.step for event in losses if event.validation] == [3, 4]
    best = max(losses, key=lambda event: sum(event.validation) if event.validation else -9)
    assert model.spec.provenance.steps == best.step
    assert control.stopping


def test_leaving_keeps_the_last_step_and_has_no_result():
    control, keeper = Control(), InMemory()

    def watch(event):
        if isinstance(event, Losses) and event.step == 4:
            control.leave()

    work = train_events([blobs()], TrainOptions(**LONG), control=control, keeper=keeper)
    with pytest.raises(Stopped):
        run(work, watch)
    assert keeper.snapshots[-1].values["step"] == 4


def test_a_pause_holds_and_ends():
    control, steps = Control(), []
    going_on = threading.Timer(0.3, control.resume)

    def watch(event):
        if isinstance(event, Losses):
            steps.append(event.step)
            if event.step == 2:
                control.pause()
                assert control.paused
                going_on.start()

    run(train_events([blobs()], TrainOptions(**QUICK), control=control), watch)
    assert steps == [1, 2, 3, 4, 5, 6]
    assert not control.paused


def test_a_paused_training_can_be_stopped_or_cancelled():
    control = Control()
    control.pause()
    threading.Timer(0.1, control.stop).start()
    control.wait_while_paused()
    control.pause()
    assert not control.paused
    other = Control()
    other.pause()
    with stop_when(lambda: True), pytest.raises(Stopped):
        other.wait_while_paused()


def test_a_training_is_cancelled_within_a_step():
    asked = []

    def requested():
        asked.append(True)
        return len(asked) > 200

    with stop_when(requested), pytest.raises(Stopped):
        run(train_events([blobs()], TrainOptions(**LONG)))
    assert len(asked) == 201


def test_patience_ends_a_training_that_stops_to_become_better():
    notices, losses = [], []

    def watch(event):
        if isinstance(event, Notice):
            notices.append(event.text)
        if isinstance(event, Losses):
            losses.append(event)

    # At a rate of next to nothing, no later score is better but by chance.
    options = {**LONG, "learning_rate": 1e-12, "validate_every": 1, "patience": 3, "averaging": 0.5}
    run(train_events([blobs()], TrainOptions(**options)), watch)
    assert len(losses) < 100
    assert any("the last 3 scores were no better" in text for text in notices)


def test_a_preview_lies_on_the_grid_of_the_pair():
    source, target = blobs()
    previews = []

    def watch(event):
        if isinstance(event, Preview):
            previews.append(event)

    options = {**QUICK, "voxel_size": {"Y": 1.0, "X": 1.0}}
    model = run(train_events([(source, target)], TrainOptions(**options)), watch)
    assert [preview.step for preview in previews] == [3, 6]
    preview = previews[-1]
    assert preview.names == ("DNA", "actin")
    held_out = 96 - preview.origin["X"]
    assert preview.values.shape == (2, 48, held_out)
    assert preview.pair == 0
    assert model.spec.voxel_size == {"Y": 1.0, "X": 1.0}
    assert torch.isfinite(torch.from_numpy(preview.values)).all()


def test_stopping_before_anything_was_learned_is_said():
    control = Control()
    control.stop()
    with pytest.raises(VirtualStainError, match="stopped before there was anything to keep"):
        run(train_events([blobs()], TrainOptions(**LONG), control=control))
