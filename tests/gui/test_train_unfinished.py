"""Trainings that were not finished: offered, kept, continued and discarded in the dock."""

from __future__ import annotations

import pytest

from napari_virtual_stain.gui.train.state import Stage
from napari_virtual_stain.gui.train.unfinished import unfinished_runs
from napari_virtual_stain.io import load_model

from .train_helpers import (
    LONG,
    PRESET,
    TIMEOUT,
    made_dock,
    ready_dock,
    said,
    scored,
    small,
    train,
    wait,
)

pytestmark = pytest.mark.gui


@pytest.fixture
def dock(qtbot, viewer):
    yield from made_dock(qtbot, viewer)


@pytest.fixture
def ready(dock, viewer, qtbot):
    return ready_dock(dock, viewer, qtbot)


def interrupted(qtbot, dock):
    """Leave an unfinished run, as a window that is closed does."""
    small(dock, LONG)
    dock.controls.button.click()
    scored(qtbot, dock)
    qtbot.waitUntil(lambda: dock.training.file.exists(), timeout=TIMEOUT)
    qtbot.wait(200)
    for job in dock.training.jobs:
        job.quit()
    wait(qtbot, dock)


def test_an_unfinished_run_is_offered_and_its_best_is_kept(ready, kept_often, models, qtbot):
    assert not ready.unfinished.isVisible()
    interrupted(qtbot, ready)
    assert said(ready)[1] == "Interrupted. What it had learned is kept: see above."
    assert ready.unfinished.isVisible()
    assert ready.unfinished.text.text().startswith("phase to DAPI was not finished. It was kept on")
    ready.hide()
    ready.show()
    ready.unfinished.keep.click()
    wait(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED, said(ready)
    assert "is in the model folder (phase to DAPI.safetensors)" in said(ready)[1]
    assert load_model("phase to DAPI").spec.provenance.preset == PRESET
    assert not ready.unfinished.isVisible()
    assert unfinished_runs(models) == []


def test_an_unfinished_run_is_discarded(ready, kept_often, models, qtbot):
    interrupted(qtbot, ready)
    ready.unfinished.discard.click()
    assert not ready.unfinished.isVisible()
    assert [path for path in models.rglob("*") if path.is_file()] == []


def test_an_unfinished_run_goes_on(ready, kept_often, models, qtbot):
    interrupted(qtbot, ready)
    (left,) = unfinished_runs(models)
    ready.unfinished.go_on.click()
    assert ready.controls.button.text() == "Go on training"
    assert "is continued by Train" in ready.unfinished.text.text()
    ready.controls.button.click()
    qtbot.waitUntil(lambda: ready.run.stage is Stage.TRAINING, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: ready.live.history.step > 0, timeout=TIMEOUT)
    steps, _, _ = ready.live.history.losses()
    assert steps[0] > 1
    assert ready.training.file == left.path
    ready.controls.cancel.click()
    wait(qtbot, ready)


def test_cancelling_what_goes_on_leaves_what_was_learned(ready, kept_often, models, qtbot):
    interrupted(qtbot, ready)
    (left,) = unfinished_runs(models)
    before = left.path.stat().st_size
    ready.unfinished.go_on.click()
    ready.controls.button.click()
    qtbot.waitUntil(lambda: ready.run.stage is Stage.TRAINING, timeout=TIMEOUT)
    ready.controls.cancel.click()
    wait(qtbot, ready)
    assert said(ready)[1] == "Interrupted. What it had learned is kept: see above."
    assert [run.path for run in unfinished_runs(models)] == [left.path]
    assert left.path.stat().st_size >= before // 2
    assert ready.unfinished.isVisible()


def test_what_cannot_be_deleted_holds_nothing_up(ready, kept_often, models, monkeypatch, qtbot):
    small(ready, LONG)
    ready.controls.button.click()
    scored(qtbot, ready)
    qtbot.waitUntil(lambda: ready.training.file.exists(), timeout=TIMEOUT)

    def refused(self, missing_ok=False):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(ready.training.file), "unlink", refused)
    ready.controls.cancel.click()
    wait(qtbot, ready)
    assert ready.run.stage is Stage.CANCELLED
    assert ready.controls.button.isEnabled()
    ready.unfinished.discard.click()
    assert "cannot be deleted: Permission denied" in ready.unfinished.text.text()
    monkeypatch.undo()
    ready.unfinished.discard.click()
    assert not ready.unfinished.isVisible()


def test_the_curves_of_another_run_do_not_stand_above_what_is_kept(ready, kept_often, qtbot):
    interrupted(qtbot, ready)
    ready.unfinished.keep.click()
    wait(qtbot, ready)
    assert ready.run.stage is Stage.FINISHED, said(ready)
    assert not ready.live.isVisible()


def test_an_unfinished_run_of_other_choices_says_what_differs(ready, kept_often, models, qtbot):
    interrupted(qtbot, ready)
    ready.unfinished.go_on.click()
    ready.choices.advanced.seed.setValue(7)
    train(qtbot, ready)
    qtbot.waitUntil(lambda: ready.run.stage is Stage.FAILED, timeout=TIMEOUT)
    assert "seed was 0 and is now 7" in said(ready)[1]
    assert ready.unfinished.isVisible()
    assert len(unfinished_runs(models)) == 1
