"""A training in a dock: checks, steps, pause and end, in threads; and what it has come to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_virtual_stain.events import Event, Losses, Preview, Progress, Work
from napari_virtual_stain.gui import settings
from napari_virtual_stain.gui.jobs import Job, create_job, report
from napari_virtual_stain.gui.sentences import Line, Tone
from napari_virtual_stain.gui.train import state, work
from napari_virtual_stain.gui.train.history import Clock, rough_time
from napari_virtual_stain.gui.train.live import DRAW_EVERY
from napari_virtual_stain.gui.train.naming import file_stem
from napari_virtual_stain.gui.train.own_layers import Previews
from napari_virtual_stain.gui.train.request import Request
from napari_virtual_stain.gui.train.state import Run, Stage
from napari_virtual_stain.gui.train.unfinished import Unfinished, new_run_file
from napari_virtual_stain.gui.train.work import Prepared, Trained

if TYPE_CHECKING:
    from napari_virtual_stain.training.checks import Finding
    from napari_virtual_stain.training.control import Control

TITLE = "Train a model"

STEPS = "training"
"""Stage of the progress that counts steps, in lower case."""

START = Progress("Starting", 0, 0)


class Training(QObject):  # type: ignore[misc]
    """The last training of a dock, and the one that is on.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Shows what is predicted meanwhile.
    parent : QObject

    Attributes
    ----------
    run : Run
        What it is at.
    prepared : Prepared or None
        The pairs that are learned or asked about.
    trained : Trained or None
        What the last one came to.
    file : Path or None
        Where the one that is on is kept.
    is_live : bool
        Whether the curves are those of the last one.
    jobs : list of Job
        Those that are running.
    """

    begins = Signal()
    """Something begins to be computed."""

    learns = Signal(object)
    """The first step of this request is next."""

    changed = Signal()
    """What it is at, or what is said of it, is another."""

    progressed = Signal(object, str)
    """How far it is, and how long it still takes."""

    learned = Signal(object)
    """Losses of a step."""

    ended = Signal()
    """It is over: finished, failed or cancelled."""

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.run = Run()
        self.prepared: Prepared | None = None
        self.trained: Trained | None = None
        self.file: Path | None = None
        self.is_live = False
        self.jobs: list[Job] = []
        self._going_on: Unfinished | None = None
        self._control: Control | None = None
        self._previews: Previews | None = None
        self._clock = Clock()
        self._progress = START
        self._shown_at = 0.0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the checks have found."""
        return self.prepared.findings if self.prepared is not None else ()

    @property
    def is_busy(self) -> bool:
        """Whether something is computed, or a question waits for its answer."""
        return self.run.is_on or self.run.stage is Stage.ASKING

    def check(self, request: Request, going_on: Unfinished | None) -> None:
        """Check pairs, and train if nothing is found; otherwise ask.

        Parameters
        ----------
        request : Request
        going_on : Unfinished or None
            The training that is continued.
        """
        self._going_on = going_on
        self._begin(Stage.CHECKING)
        folder = settings.model_folder()
        self._start(partial(work.prepare, request, folder), "Checking pairs", self._on_prepared)

    def learn(self, correct: Sequence[Finding] = ()) -> None:
        """Train on pairs that have been checked, with these findings corrected."""
        from napari_virtual_stain.training.control import Control

        if self.prepared is None:
            return
        request, folder = self.prepared.request, settings.model_folder()
        going_on = self._going_on
        self.file = (
            going_on.path if going_on else new_run_file(folder, file_stem(request.options.name))
        )
        self._control = Control()
        self._previews = Previews(self._viewer, request.scored, work.offsets(request, correct))
        self._clock = Clock()
        self.learns.emit(request)
        self._begin(Stage.TRAINING)
        self._start(
            partial(work.train, self.prepared, correct, self._control, self.file, folder),
            f"{TITLE}: {request.options.name}",
            self._on_trained,
        )

    def keep(self, unfinished: Unfinished) -> None:
        """Put the best model of an unfinished training into the model folder."""
        self._begin(Stage.SAVING)
        self._start(
            work.recover(unfinished.path, settings.model_folder()),
            f"Keeping {unfinished.name}",
            self._on_recovered,
        )

    def pause(self) -> None:
        """Pause, or go on after a pause."""
        if self._control is None or self.run.stage not in (Stage.TRAINING, Stage.PAUSED):
            return
        paused = self.run.stage is Stage.PAUSED
        if paused:
            self._control.resume()
        else:
            self._control.pause()
        self._clock.restart()
        self.run = self.run.at(Stage.TRAINING if paused else Stage.PAUSED)
        self._on_progress(self._progress)
        self.changed.emit()

    def stop(self) -> None:
        """End, and keep the best."""
        if self._control is not None and self.run.stage in (Stage.TRAINING, Stage.PAUSED):
            self._control.stop()
            self._at(Stage.STOPPING)

    def cancel(self) -> None:
        """End, and keep no model."""
        if self.run.is_on and self.run.stage is not Stage.CANCELLING:
            self._at(Stage.CANCELLING)
            for job in self.jobs:
                job.quit()

    def back(self) -> None:
        """Leave the question unanswered."""
        if self.run.stage is Stage.ASKING:
            self.forget()

    def forget(self) -> None:
        """Say no more of a training that is over."""
        self.run, self.trained, self.prepared = Run(), None, None

    def say(self, error: Exception) -> None:
        """Say why something beside the training could not be done."""
        text = report(error)
        if not self.is_busy:  # of which other things are said
            self.run = Run(self.run.stage, (Line(Tone.ERROR, text),))
            self.changed.emit()

    def _begin(self, stage: Stage) -> None:
        self.run, self.trained = Run(stage), None
        self.is_live = stage is Stage.TRAINING
        self._progress = START
        self.progressed.emit(START, "")
        self.begins.emit()
        self.changed.emit()

    def _at(self, stage: Stage) -> None:
        self.run = self.run.at(stage)
        self.changed.emit()

    def _start(
        self, make_work: Callable[[], Work[Any]], title: str, on_result: Callable[[Any], None]
    ) -> None:
        job = create_job(make_work, title)
        job.yielded.connect(self._on_event)
        job.returned.connect(on_result)
        job.errored.connect(self._on_error)
        job.aborted.connect(self._on_aborted)
        self.jobs.append(job)
        job.start()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Losses):
            self.learned.emit(event)
        elif isinstance(event, Preview):
            if self._previews is not None and self.run.is_on:
                self._previews.show(event)
        elif isinstance(event, Progress):
            self._on_progress(event)
        else:
            self.run = self.run.with_notice(event)
            self.changed.emit()

    def _on_progress(self, progress: Progress) -> None:
        left = ""
        now = time.monotonic()
        counts = progress.stage.casefold() == STEPS and 0 < progress.done < progress.total
        if counts and self.run.stage is Stage.TRAINING:
            self._clock.tick(now, progress.done)
            if now - self._shown_at < DRAW_EVERY / 1e3:
                return
        self._shown_at = now
        self._progress = progress
        if progress.stage.casefold() == STEPS:
            if self.run.stage is Stage.PAUSED:
                progress = replace(progress, stage="Paused")
            seconds = self._clock.left(progress.total)
            left = f" · {rough_time(seconds)} left" if seconds is not None else ""
        elif progress.stage == work.SAVING and self.run.stage in state.LIVE:
            self._at(Stage.SAVING)
        self.progressed.emit(progress, left)

    def _on_prepared(self, prepared: Prepared) -> None:
        self.jobs.clear()
        if self.run.stage is Stage.CANCELLING:  # after the last thing that could be cancelled
            self._end(state.cancelled())
            return
        self.prepared = prepared
        if prepared.findings:
            self.run = state.asking(prepared.findings)
            self.changed.emit()
        else:
            self.learn()

    def _on_trained(self, trained: Trained) -> None:
        self._end(state.finished(trained, self.run.lines), trained)

    def _on_recovered(self, trained: Trained) -> None:
        self._end(state.recovered(trained), trained)

    def _on_error(self, error: Exception) -> None:
        self._end(state.failed(report(error), self._is_kept()))

    def _on_aborted(self) -> None:
        # A window that closes aborts too, and what was learned is then offered the next time.
        # What an earlier one has learned is not this one's to throw away.
        if self.run.stage is Stage.CANCELLING and self._going_on is None and self.file is not None:
            with suppress(OSError):  # it is offered then
                self.file.unlink(missing_ok=True)
        self._end(state.cancelled(kept=self._is_kept()))

    def _is_kept(self) -> bool:
        return self.file is not None and os.path.exists(self.file)

    def _end(self, run: Run, trained: Trained | None = None) -> None:
        self.jobs.clear()
        if self._previews is not None:
            self._previews.close()
        self._previews = self._control = self.prepared = self.file = self._going_on = None
        self.run, self.trained = run, trained
        self.ended.emit()
