"""What the dock shows in each state."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_virtual_stain.events import Notice
from napari_virtual_stain.gui.predict.form import Readiness, Verdict
from napari_virtual_stain.gui.predict.state import (
    Run,
    Stage,
    cancelled,
    duration,
    failed,
    finished,
    panel,
    result_sentence,
)
from napari_virtual_stain.gui.predict.work import Outcome
from napari_virtual_stain.gui.sentences import Line, Tone, joined, sentence, shortened
from napari_virtual_stain.image import Image

READY = Verdict(Readiness.READY, "It fits.", (Notice("Voxel size unknown.", True),))
EMPTY = Verdict(Readiness.EMPTY, "Open an image.")
REFUSED = Verdict(Readiness.REFUSED, "photo is an RGB image.")


def outcome(channels=("DAPI",), seconds=2.1, scores=None, problems=(), **origin):
    comparisons = {
        name: SimpleNamespace(metrics={name: {"pearson_r": r}})
        for name, r in (scores or {}).items()
    }
    predicted = Image(
        np.zeros((len(channels), 4, 4)),
        "CYX",
        channels=channels,
        provenance={"device": "CPU (2 threads)", **origin},
    )
    return Outcome(None, None, predicted, None, seconds, {}, comparisons, problems=problems)


@pytest.mark.parametrize(
    ("verdict", "tone"), [(EMPTY, Tone.HINT), (REFUSED, Tone.ERROR), (READY, Tone.GOOD)]
)
def test_before_a_run_it_is_said_whether_it_can_be_pressed(verdict, tone):
    shown = panel(verdict, Run())
    assert shown.can_predict == (verdict is READY)
    assert shown.can_choose
    assert shown.before[0] == Line(tone, verdict.text)
    assert shown.after == ()


def test_it_is_asked_whether_what_is_there_may_be_replaced():
    there = (Path("cells.predicted.ome.zarr"),)
    asked = panel(Verdict(Readiness.EXISTS, "It exists.", existing=there), Run())
    assert asked.before == (Line(Tone.HINT, "It exists."),)
    assert (asked.can_predict, asked.can_replace, asked.replaces) == (False, True, False)
    agreed = Verdict(Readiness.READY, "It fits.", existing=there)
    shown = panel(agreed, Run())
    assert (shown.can_predict, shown.can_replace, shown.replaces) == (True, True, True)
    assert not panel(agreed, Run(Stage.RUNNING)).can_replace
    assert not panel(READY, Run()).can_replace


def test_a_cancelled_run_says_whether_it_goes_on():
    texts = [cancelled(goes_on).lines[0].text for goes_on in (False, True)]
    assert texts == [
        "Cancelled. Nothing was added or changed.",
        "Cancelled. Predict goes on where it stopped.",
    ]


def test_a_reduced_precision_is_no_warning():
    run = Run(Stage.RUNNING).with_notice(Notice("bf16: 2 times as fast as fp32."))
    assert run.lines[0].tone is Tone.INFO


def test_notices_stand_under_the_verdict():
    assert panel(READY, Run()).before[1] == Line(Tone.WARNING, "Voxel size unknown.")


@pytest.mark.parametrize(
    ("stage", "can_cancel", "text"),
    [
        (Stage.RUNNING, True, "Cancel"),
        (Stage.CANCELLING, False, "Cancelling…"),
        (Stage.ADDING, False, "Cancel"),
    ],
)
def test_while_it_runs_only_cancel_can_be_pressed(stage, can_cancel, text):
    shown = panel(READY, Run(stage, (Line(Tone.INFO, "On the CPU."),)))
    assert not shown.can_predict
    assert not shown.can_choose
    assert (shown.can_cancel, shown.cancel) == (can_cancel, text)
    assert shown.before == ()
    assert shown.after == (Line(Tone.INFO, "On the CPU."),)


def test_notices_are_kept_once_and_as_sentences():
    run = Run(Stage.RUNNING).with_notice(Notice("the memory did not suffice.", True))
    run = run.with_notice(Notice("the memory did not suffice.", True))
    assert run.lines == (Line(Tone.WARNING, "The memory did not suffice."),)
    assert run.stage is Stage.RUNNING


@pytest.mark.parametrize(
    ("run", "stage", "tone"),
    [
        (finished(outcome()), Stage.FINISHED, Tone.GOOD),
        (failed("The disk is full."), Stage.FAILED, Tone.ERROR),
        (cancelled(), Stage.CANCELLED, Tone.INFO),
    ],
)
def test_after_a_run_it_can_be_pressed_again(run, stage, tone):
    shown = panel(READY, run)
    assert run.stage is stage
    assert shown.can_predict
    assert shown.can_choose
    assert shown.after[0].tone is tone


def test_in_the_end_warnings_are_kept_and_what_stands_above_is_not_repeated():
    notes = (
        Line(Tone.WARNING, "Voxel size unknown."),
        Line(Tone.WARNING, "Smaller tiles were used."),
        Line(Tone.INFO, "Predicting on the CPU."),
    )
    run = finished(outcome(problems=("stain has NaN pixels.",)), notes)
    assert [line.text for line in panel(READY, run).after[1:]] == [
        "stain has NaN pixels.",
        "Smaller tiles were used.",
    ]


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (outcome(), "Predicted DAPI in 2.1 s on the CPU (2 threads)."),
        (outcome(precision="bf16"), "Predicted DAPI in 2.1 s on the CPU (2 threads) in bf16."),
        (
            outcome(("a", "b", "c"), 75, {"a": 0.751, "b": 0.5, "c": -0.1}),
            "Predicted 3 channels in 1 min 15 s on the CPU (2 threads). "
            "a r = 0.75, b r = 0.50 and c r = -0.10.",
        ),
    ],
)
def test_the_result_is_said(of, text):
    assert result_sentence(of) == text


def test_words():
    assert [duration(s) for s in (0.04, 59.94, 60, 3601)] == [
        "0.0 s",
        "59.9 s",
        "1 min 0 s",
        "60 min 1 s",
    ]
    assert sentence("the image fits.") == "The image fits."
    assert sentence("phase fits.") == "phase fits."
    assert [joined(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert shortened("cells.tif") == "cells.tif"
    assert shortened("0123456789.tif", 9) == "0123….tif"
