"""What the dock shows at each stage of a training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_virtual_stain.events import Notice
from napari_virtual_stain.gui.sentences import Line, Tone
from napari_virtual_stain.gui.train import state
from napari_virtual_stain.gui.train.naming import file_stem
from napari_virtual_stain.gui.train.state import Run, Stage, panel
from napari_virtual_stain.gui.train.thumbnails import COLUMNS, SAMPLES, thumbnails
from napari_virtual_stain.gui.train.unfinished import is_on, new_run_file, unfinished_runs
from napari_virtual_stain.gui.train.verdict import Readiness, Verdict
from napari_virtual_stain.gui.train.work import Trained
from napari_virtual_stain.model import Provenance
from napari_virtual_stain.training import BatchPreview
from napari_virtual_stain.training.checks import Finding

from .conftest import small_spec

READY = Verdict(Readiness.READY, "Learns a → b.", (Notice("Learned twice.", True),))
EMPTY = Verdict(Readiness.EMPTY, "Open images.")


def finding(pair=0, warning=True, text="the input lies off.", **more):
    return Finding(pair, warning, text, **more)


def test_before_a_run():
    shown = panel(READY, Run())
    assert shown.can_train
    assert shown.shows_form
    assert (shown.shows_live, shown.shows_progress, shown.asks) == (False, False, False)
    assert shown.before == (
        Line(Tone.GOOD, "Learns a → b."),
        Line(Tone.WARNING, "Learned twice."),
    )
    assert not panel(EMPTY, Run()).can_train


@pytest.mark.parametrize("stage", [Stage.CHECKING, Stage.TRAINING, Stage.PAUSED, Stage.STOPPING])
def test_during_a_run(stage):
    shown = panel(READY, Run(stage))
    assert not shown.shows_form
    assert not shown.can_train
    assert shown.shows_progress
    assert shown.before == ()
    assert shown.shows_live == (stage is not Stage.CHECKING)
    assert shown.can_pause == (stage is Stage.PAUSED)
    assert shown.can_cancel == (stage is not Stage.STOPPING)
    assert shown.pause == ("Resume" if stage is Stage.PAUSED else "Pause")
    assert not shown.can_stop


def test_the_best_can_be_kept_once_there_is_one():
    assert panel(READY, Run(Stage.TRAINING), learned=True).can_stop
    assert panel(READY, Run(Stage.TRAINING), learned=True).can_pause
    assert panel(READY, Run(Stage.PAUSED), learned=True).can_stop
    stopping = panel(READY, Run(Stage.STOPPING), learned=True)
    assert not stopping.can_stop
    assert stopping.stop == "Stopping…"


@pytest.mark.parametrize(
    ("findings", "correct", "can_ignore"),
    [
        ([finding()], None, True),
        ([finding(shift={"X": 9.0})], "Correct the shift and train", True),
        ([finding(shift={"X": 9.0}), finding(pair=1)], "Correct the shift and train", True),
        ([finding(leave_out=True)], "Leave them out and train", True),
        (
            [finding(leave_out=True), finding(pair=1, shift={"X": 9.0})],
            "Correct both and train",
            True,
        ),
        ([finding(warning=False)], None, False),
        ([finding(warning=False), finding(shift={"X": 9.0})], None, False),
        ([finding(warning=False, shift={"X": 9.0})], "Correct the shift and train", False),
    ],
)
def test_after_findings_it_is_asked(findings, correct, can_ignore):
    run = state.asking(findings)
    shown = panel(READY, run, findings)
    assert shown.asks
    assert not shown.shows_form
    assert (shown.can_correct, shown.can_ignore) == (correct is not None, can_ignore)
    if correct is not None:
        assert shown.correct == correct
    tones = [Tone.WARNING if one.warning else Tone.ERROR for one in findings]
    assert [line.tone for line in shown.after] == tones
    assert shown.after[0].text == "The input lies off."


def trained(scores=None, steps=400):
    spec = small_spec("phase to DAPI", provenance=Provenance(steps=steps, scores=scores or {}))
    return Trained(Path("models/phase to DAPI.safetensors"), spec, 302.0)


def test_after_a_run():
    run = state.finished(
        trained({"DAPI": {"validation_pearson_r": 0.83}}),
        [Line(Tone.INFO, "On the CPU."), Line(Tone.WARNING, "Unknown voxel size.")],
    )
    shown = panel(READY, run)
    assert shown.can_train
    assert shown.shows_live
    assert shown.shows_form
    assert shown.after == (
        Line(
            Tone.GOOD,
            "Trained phase to DAPI (r = 0.83) in 5 min 2 s; the best is that of step 400. It is in "
            "the model folder (phase to DAPI.safetensors).",
        ),
        Line(Tone.WARNING, "Unknown voxel size."),
    )


def test_several_scores():
    scores = {name: {"validation_pearson_r": 0.5} for name in ("DAPI", "MAP2")}
    text = state.recovered(trained(scores)).lines[0].text
    assert "(DAPI r = 0.50 and MAP2 r = 0.50) is in the model folder" in text


def test_what_is_left_of_a_failure_is_said():
    assert len(state.failed("The disk is full.", kept=False).lines) == 1
    assert "is kept" in state.failed("The disk is full.", kept=True).lines[1].text


def test_what_is_said_twice_is_kept_once():
    run = Run(Stage.TRAINING).with_notice(Notice("on.")).with_notice(Notice("on."))
    assert len(run.lines) == 1
    assert run.at(Stage.PAUSED).lines == run.lines


def test_unfinished_runs_are_listed_by_when_they_were_kept(tmp_path):
    assert unfinished_runs(tmp_path / "none") == []
    first = new_run_file(tmp_path, "phase to DAPI")
    assert first == tmp_path / "unfinished" / "phase to DAPI.vstain-run"
    first.parent.mkdir()
    first.write_bytes(b"")
    second = new_run_file(tmp_path, "phase to DAPI")
    assert second.name == "phase to DAPI 2.vstain-run"
    second.write_bytes(b"")
    import os

    os.utime(first, (2e9, 2e9))
    assert [run.name for run in unfinished_runs(tmp_path)] == ["phase to DAPI", "phase to DAPI 2"]


ANOTHER = """
import sys
from napari_virtual_stain.io import RunFile
from napari_virtual_stain.keeping import Snapshot
RunFile(sys.argv[1]).keep(Snapshot({}, {"step": 1}))
print("kept", flush=True)
input()
"""


def test_a_run_that_is_on_elsewhere_is_not_offered(tmp_path):
    path = new_run_file(tmp_path, "phase to DAPI")
    command = [sys.executable, "-c", ANOTHER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().strip() == b"kept"
        assert unfinished_runs(tmp_path) == []
        process.communicate(b"\n")
    assert [run.path for run in unfinished_runs(tmp_path)] == [path]
    with is_on(path):  # in another viewer of this process
        assert unfinished_runs(tmp_path) == []


def test_names_of_files_fit_on_disks():
    assert file_stem("phase: to / DAPI?") == "phase to DAPI"
    assert len(file_stem("𝒳" * 100).encode()) <= 200
    assert file_stem("…") == "model"


def batch(inputs=1, targets=1, samples=5, side=(64, 64), target_side=None, depth=()):
    rng = np.random.default_rng(0)
    target_side = target_side or side
    return BatchPreview(
        rng.normal(size=(samples, inputs, *depth, *side)).astype(np.float32),
        rng.normal(size=(samples, targets, *depth, *target_side)).astype(np.float32),
        np.ones((samples, targets, *depth, *target_side), np.float32),
        tuple(f"in {i}" for i in range(inputs)),
        tuple(f"out {i}" for i in range(targets)),
    )


def test_pictures_of_a_batch():
    rows = thumbnails(batch(depth=(5,)))
    assert len(rows) == SAMPLES
    assert [one.title for one in rows[0]] == ["in 0", "out 0"]
    assert rows[0][0].pixels.shape == (64, 64, 3)
    assert rows[0][0].pixels.dtype == np.uint8


def test_of_many_planes_those_in_the_middle_are_shown():
    (first, *_) = thumbnails(batch(inputs=13, targets=2))
    assert [one.title for one in first] == ["in 5", "in 6", "out 0", "out 1"]
    (first, *_) = thumbnails(batch(inputs=2, targets=9))
    assert len(first) == COLUMNS


def test_inputs_are_cut_to_what_the_targets_have():
    (first, *_) = thumbnails(batch(side=(64, 64), target_side=(32, 32)))
    assert {one.pixels.shape for one in first} == {(32, 32, 3)}


def test_what_does_not_count_is_seen():
    made = batch()
    made.weights[:, :, :32] = 0
    made.targets[:, :, :32] = np.nan
    target = thumbnails(made)[0][1].pixels
    assert (target[:32, :, 0] >= target[:32, :, 1]).all()
    assert (target[32:, :, 0] == target[32:, :, 1]).all()
