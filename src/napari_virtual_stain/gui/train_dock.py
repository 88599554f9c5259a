"""The dock **Train a model**: pairs of layers, a preset, one button, and what it learns, live."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QThreadPool
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_virtual_stain.events import Event, Losses, Preview, Progress, Work
from napari_virtual_stain.gui import settings
from napari_virtual_stain.gui.commands import open_predict_dock, predict_docks
from napari_virtual_stain.gui.jobs import Job, create_job, report
from napari_virtual_stain.gui.layer_watch import LayerWatch
from napari_virtual_stain.gui.sentences import Line, Tone
from napari_virtual_stain.gui.subscriptions import Subscriptions
from napari_virtual_stain.gui.timers import once
from napari_virtual_stain.gui.train import state, work
from napari_virtual_stain.gui.train.choices import Choices
from napari_virtual_stain.gui.train.controls import Controls
from napari_virtual_stain.gui.train.history import Clock, rough_time
from napari_virtual_stain.gui.train.live import DRAW_EVERY, Live
from napari_virtual_stain.gui.train.naming import file_stem
from napari_virtual_stain.gui.train.own_layers import HeldOut, Previews
from napari_virtual_stain.gui.train.request import Request
from napari_virtual_stain.gui.train.side_jobs import SideJobs
from napari_virtual_stain.gui.train.state import Run, Stage
from napari_virtual_stain.gui.train.unfinished import Unfinished, new_run_file, unfinished_runs
from napari_virtual_stain.gui.train.unfinished_offer import UnfinishedOffer
from napari_virtual_stain.gui.train.verdict import Readiness, Verdict, judge
from napari_virtual_stain.gui.train.work import Prepared, Trained
from napari_virtual_stain.gui.widgets import FittingScrollArea

if TYPE_CHECKING:
    import napari.viewer

    from napari_virtual_stain.training.checks import Finding
    from napari_virtual_stain.training.control import Control

TITLE = "Train a model"
PATIENCE = 5000
"""Milliseconds that a window which closes waits for a thread to end."""

STEPS = "training"
"""Stage of the progress that counts steps, in lower case."""


class TrainDock(QWidget):  # type: ignore[misc]
    """Trains a model from layers of a viewer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._verdict = Verdict(Readiness.EMPTY, "")
        self._run = Run()
        self._prepared: Prepared | None = None
        self._control: Control | None = None
        self._run_file: Path | None = None
        self._going_on: Unfinished | None = None
        self._trained: Trained | None = None
        self._running: list[Job] = []
        self._previews: Previews | None = None
        self._held_out = HeldOut(napari_viewer)
        self._marked: Any = None
        self._clock = Clock()
        self._progress = Progress("Starting", 0, 0)

        self.unfinished = UnfinishedOffer()
        self.choices = Choices(settings.model_folder)
        self.live = Live()
        self._shown_at = 0.0
        self.controls = Controls()
        self._arrange()

        self.side = SideJobs(self.choices, self.controls)
        self._soon = once(self, self.refresh)
        self.choices.changed.connect(self.refresh)
        self.choices.batch_wanted.connect(self._preview_batch)
        self.live.began.connect(self._show)
        self.unfinished.keep_pressed.connect(self._keep_unfinished)
        self.unfinished.go_on_pressed.connect(self._go_on)
        self.unfinished.discard_pressed.connect(self._discard_unfinished)
        self.controls.train_pressed.connect(self.train)
        self.controls.correct_pressed.connect(self._correct_and_train)
        self.controls.ignore_pressed.connect(self._train_all_the_same)
        self.controls.back_pressed.connect(self._back)
        self.controls.pause_pressed.connect(self.pause)
        self.controls.stop_pressed.connect(self.stop)
        self.controls.cancel_pressed.connect(self.cancel)
        self.controls.predict_pressed.connect(self._predict)
        self._follow(napari_viewer)
        self.refresh()

    @property
    def verdict(self) -> Verdict:
        """Whether what is chosen can be trained."""
        return self._verdict

    @property
    def run(self) -> Run:
        """What the last training is at."""
        return self._run

    @property
    def trained(self) -> Trained | None:
        """What the last training came to."""
        return self._trained

    def train(self) -> None:
        """Check the pairs that are chosen, and train if nothing is found."""
        self.refresh()
        request = self._verdict.request
        if request is None or self._run.is_on:
            return
        self.side.cancel()
        self._begin(Run(Stage.CHECKING))
        self._start(partial(work.prepare, request), "Checking pairs", self._on_prepared)

    def pause(self) -> None:
        """Pause the training, or go on after a pause."""
        if self._control is None or self._run.stage not in (Stage.TRAINING, Stage.PAUSED):
            return
        if self._run.stage is Stage.PAUSED:
            self._control.resume()
        else:
            self._control.pause()
        self._clock.restart()
        paused = self._run.stage is Stage.PAUSED
        self._run = self._run.at(Stage.TRAINING if paused else Stage.PAUSED)
        self._on_progress(self._progress)
        self._show()

    def stop(self) -> None:
        """End the training, and keep the best."""
        if self._control is not None and self._run.stage in (Stage.TRAINING, Stage.PAUSED):
            self._control.stop()
            self._run = self._run.at(Stage.STOPPING)
            self._show()

    def cancel(self) -> None:
        """Cancel what is running, and keep no model."""
        if self._run.is_on and self._run.stage is not Stage.CANCELLING:
            self._run = self._run.at(Stage.CANCELLING)
            for job in self._running:
                job.quit()
            self._show()

    def refresh(self) -> None:
        """Look again at what is chosen and at what there is to choose from."""
        if self._run.is_on or self._run.stage is Stage.ASKING:
            return
        self.choices.offer(list(self._viewer.layers))
        self.choices.suggest_preset()
        verdict = judge(self.choices.form())
        self.choices.show_names(verdict.inputs, verdict.targets)
        if verdict != self._verdict:
            # What was said of the last training is not said of what is chosen now.
            self._run, self._trained = Run(), None
        self._verdict = verdict
        self.choices.show_batch([])
        self._show()
        if self.isVisible():
            self.side.estimate(verdict.request)

    def showEvent(self, event: QShowEvent) -> None:
        """Look again at folders and preferences when the dock is opened."""
        super().showEvent(event)
        self.choices.advanced.take_defaults(settings.device())
        self.choices.recipe.refresh()
        self._list_unfinished()
        self.refresh()
        self.live.prepare()

    def hideEvent(self, event: QHideEvent) -> None:
        """Take away what only makes sense beside the dock."""
        super().hideEvent(event)
        self.side.cancel()
        if not self._run.is_on:
            self._mark_held_out(None)

    def _arrange(self) -> None:
        self._form = QWidget()
        form = QVBoxLayout(self._form)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(6)
        form.addWidget(self.unfinished)
        form.addWidget(self.choices)
        content = QWidget()
        both = QVBoxLayout(content)
        both.setContentsMargins(10, 6, 10, 4)
        both.setSpacing(8)
        both.addWidget(self.live)
        both.addWidget(self._form)
        self._scroll = FittingScrollArea(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._scroll)
        controls = QVBoxLayout()
        controls.setContentsMargins(10, 2, 10, 10)
        controls.addWidget(self.controls)
        layout.addLayout(controls)
        layout.addStretch(1)
        self.setMinimumWidth(300)

    def _follow(self, viewer: Any) -> None:
        from napari.settings import get_settings

        watch, subscriptions = LayerWatch(viewer, self._soon.start), Subscriptions()
        running, beside = self._running, self.side.jobs
        theme = get_settings().appearance.events.theme
        subscriptions.connect(theme, self.controls.follow_theme)
        subscriptions.connect(theme, self.live.follow_theme)
        subscriptions.connect(theme, self.choices.about.follow_theme)

        def end_jobs() -> None:
            jobs = [*running, *beside]
            for job in jobs:
                job.quit()
            if jobs:  # threads that outlive the window would speak to what is gone
                QThreadPool.globalInstance().waitForDone(PATIENCE)

        def end() -> None:
            watch.close()
            subscriptions.close()
            end_jobs()

        self._watch = watch
        # A window that closes tells its docks nothing, but it does destroy them.
        self.destroyed.connect(lambda *_: end())
        QApplication.instance().aboutToQuit.connect(end_jobs)

    def _begin(self, run: Run) -> None:
        self._run, self._trained = run, None
        self._progress = Progress("Starting", 0, 0)
        self.controls.show_progress(self._progress)
        self._scroll.verticalScrollBar().setValue(0)
        self._show()

    def _start(
        self, make_work: Callable[[], Work[Any]], title: str, on_result: Callable[[Any], None]
    ) -> None:
        job = create_job(make_work, title)
        job.yielded.connect(self._on_event)
        job.returned.connect(on_result)
        job.errored.connect(self._on_error)
        job.aborted.connect(self._on_aborted)
        self._running.append(job)
        job.start()

    def _train(self, correct: Sequence[Finding]) -> None:
        """Train on pairs that have been checked."""
        from napari_virtual_stain.training.control import Control

        assert self._prepared is not None
        request, folder = self._prepared.request, settings.model_folder()
        self._control = Control()
        self._run_file = (
            self._going_on.path
            if self._going_on is not None
            else new_run_file(folder, file_stem(request.options.name))
        )
        self._previews = Previews(self._viewer, request.scored, work.offsets(request, correct))
        self._clock = Clock()
        self.live.begin(request.options.name, self._verdict.text, request.targets)
        self._begin(Run(Stage.TRAINING))
        self._start(
            partial(work.train, self._prepared, correct, self._control, self._run_file, folder),
            f"{TITLE}: {request.options.name}",
            self._on_trained,
        )

    def _correct_and_train(self) -> None:
        if self._prepared is not None:
            self._train(self._prepared.findings)

    def _train_all_the_same(self) -> None:
        if self._prepared is not None:
            self._train(())

    def _back(self) -> None:
        self._prepared, self._run = None, Run()
        self.refresh()

    def _preview_batch(self) -> None:
        if self._verdict.request is not None and not self._run.is_on:
            self.side.preview(self._verdict.request, self._on_problem)

    def _keep_unfinished(self, run: Unfinished) -> None:
        if not self._run.is_on:
            self._begin(Run(Stage.SAVING))
            work_ = work.recover(run.path, settings.model_folder())
            self._start(work_, f"Keeping {run.name}", self._on_recovered)

    def _go_on(self, run: Unfinished) -> None:
        self._going_on = run
        self._list_unfinished()
        self._show()

    def _discard_unfinished(self, run: Unfinished) -> None:
        run.path.unlink(missing_ok=True)
        self._list_unfinished()
        self._show()

    def _list_unfinished(self) -> None:
        busy = self._run_file if self._run.is_on else None
        runs = [run for run in unfinished_runs(settings.model_folder()) if run.path != busy]
        if self._going_on is not None and self._going_on.path not in [run.path for run in runs]:
            self._going_on = None
        self.unfinished.show_runs(runs, self._going_on)

    def _predict(self) -> None:
        if self._trained is not None:
            open_predict_dock(self._viewer).choose_model(self._trained.path)

    def _show(self) -> None:
        learned = self.live.history.step > 0
        findings = self._prepared.findings if self._prepared is not None else ()
        shown = state.panel(self._verdict, self._run, findings, learned=learned)
        shows_live = shown.shows_live and self.live.curves is not None
        self._form.setVisible(shown.shows_form)
        self.live.setVisible(shows_live)
        self._scroll.setVisible(shown.shows_form or shows_live)
        if not shown.shows_form:
            self.controls.show_estimate("")
        self.controls.show_panel(shown, "Go on training" if self._going_on else "Train")
        can_predict = self._trained is not None and hasattr(self._viewer, "window")
        self.controls.predict.setVisible(shown.shows_form and can_predict)
        running = self._run.stage in state.LIVE and self._prepared is not None
        request = self._prepared.request if running and self._prepared else self._verdict.request
        wanted = running or (self.choices.wants_held_out() and self.isVisible())
        self._mark_held_out(request if wanted else None)

    def _mark_held_out(self, request: Request | None) -> None:
        """Mark what is held out of the pairs of a request, or nothing."""
        plans = request.pairs if request is not None and request.splits else ()
        marked = [(plan.sources[0].shape, plan.place.attributes()) for plan in plans]
        if repr(marked) == repr(self._marked):
            return
        self._marked = marked
        if plans:
            self._held_out.show(plans)
        else:
            self._held_out.close()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Losses):
            self.live.add(event)
        elif isinstance(event, Preview):
            if self._previews is not None and self._run.is_on:
                self._previews.show(event)
        elif isinstance(event, Progress):
            self._on_progress(event)
        else:
            self._run = self._run.with_notice(event)
            self._show()

    def _on_progress(self, progress: Progress) -> None:
        left = ""
        now = time.monotonic()
        counts = progress.stage.casefold() == STEPS and 0 < progress.done < progress.total
        if counts and self._run.stage is Stage.TRAINING:
            self._clock.tick(now, progress.done)
            if now - self._shown_at < DRAW_EVERY / 1e3:
                return
        self._shown_at = now
        self._progress = progress
        if progress.stage.casefold() == STEPS:
            if self._run.stage is Stage.PAUSED:
                progress = replace(progress, stage="Paused")
            seconds = self._clock.left(progress.total)
            left = f" · {rough_time(seconds)} left" if seconds is not None else ""
        elif progress.stage == work.SAVING and self._run.stage in state.LIVE:
            self._run = self._run.at(Stage.SAVING)
            self._show()
        self.controls.show_progress(progress, left)

    def _on_prepared(self, prepared: Prepared) -> None:
        self._running.clear()
        self._prepared = prepared
        if prepared.findings:
            self._run = state.asking(prepared.findings)
            self._show()
        else:
            self._train(())

    def _on_trained(self, trained: Trained) -> None:
        self.live.draw()
        notes = self._run.lines
        self._stop(state.finished(trained, notes), trained)

    def _on_recovered(self, trained: Trained) -> None:
        self._stop(state.recovered(trained), trained)

    def _on_problem(self, error: Exception) -> None:
        """Say why something beside the training could not be done."""
        self._run = Run(self._run.stage, (Line(Tone.ERROR, report(error)),))
        self._show()

    def _on_error(self, error: Exception) -> None:
        self._stop(state.failed(report(error), self._is_kept()))

    def _on_aborted(self) -> None:
        # A window that closes aborts too, and what was learned is then offered the next time.
        if self._run.stage is Stage.CANCELLING and self._run_file is not None:
            self._run_file.unlink(missing_ok=True)
        self._stop(state.cancelled(kept=self._is_kept()))

    def _is_kept(self) -> bool:
        return self._run_file is not None and self._run_file.exists()

    def _stop(self, run: Run, trained: Trained | None = None) -> None:
        self._running.clear()
        if self._previews is not None:
            self._previews.close()
        self._previews = self._control = self._prepared = self._run_file = None
        self._going_on = None
        if trained is not None:
            for dock in predict_docks(self._viewer):
                dock.model.refresh()
            self.choices.recipe.refresh()
        self._run = Run()
        self._list_unfinished()
        self.refresh()
        self._run, self._trained = run, trained
        self._scroll.verticalScrollBar().setValue(0)
        self._show()
