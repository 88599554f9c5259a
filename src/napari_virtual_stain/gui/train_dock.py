"""The dock **Train a model**: pairs of layers, a preset, one button, and what it learns, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QThreadPool
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_virtual_stain.gui import settings
from napari_virtual_stain.gui.commands import open_predict_dock, predict_docks
from napari_virtual_stain.gui.layer_watch import LayerWatch
from napari_virtual_stain.gui.subscriptions import Subscriptions
from napari_virtual_stain.gui.timers import once
from napari_virtual_stain.gui.train import state
from napari_virtual_stain.gui.train.choices import Choices
from napari_virtual_stain.gui.train.controls import Controls
from napari_virtual_stain.gui.train.live import Live
from napari_virtual_stain.gui.train.own_layers import HeldOut
from napari_virtual_stain.gui.train.request import Request
from napari_virtual_stain.gui.train.side_jobs import SideJobs
from napari_virtual_stain.gui.train.state import Run
from napari_virtual_stain.gui.train.training import Training
from napari_virtual_stain.gui.train.unfinished import Unfinished
from napari_virtual_stain.gui.train.unfinished_offer import UnfinishedOffer
from napari_virtual_stain.gui.train.verdict import Readiness, Verdict, judge
from napari_virtual_stain.gui.train.work import Trained
from napari_virtual_stain.gui.widgets import FittingScrollArea

if TYPE_CHECKING:
    import napari.viewer

PATIENCE = 5000
"""Milliseconds that a window which closes waits for a thread to end."""

MARK_AFTER = 150
"""Milliseconds after which a training that begins marks what is held out: the first shapes of a
window and the first curves take a fifth of a second each, and are not to come at once."""


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
        self._held_out = HeldOut(napari_viewer)

        self.unfinished = UnfinishedOffer()
        self.choices = Choices(settings.model_folder)
        self.live = Live()
        self.controls = Controls()
        self._arrange()

        self.training = Training(napari_viewer, self)
        self.side = SideJobs(self.choices, self.controls)
        self._soon = once(self, self.refresh)
        self._mark_soon = once(self, self._mark_held_out, MARK_AFTER)
        self._connect()
        self._follow(napari_viewer)
        self.refresh()

    @property
    def verdict(self) -> Verdict:
        """Whether what is chosen can be trained."""
        return self._verdict

    @property
    def run(self) -> Run:
        """What the last training is at."""
        return self.training.run

    @property
    def trained(self) -> Trained | None:
        """What the last training came to."""
        return self.training.trained

    def train(self) -> None:
        """Check the pairs that are chosen, and train if nothing is found."""
        self.refresh()
        request = self._verdict.request
        if request is not None and not self.training.is_busy:
            self.side.cancel()
            self.training.check(request, self.unfinished.chosen)

    def refresh(self) -> None:
        """Look again at what is chosen and at what there is to choose from."""
        if self.training.is_busy:
            return
        before = self._verdict
        self._judge()
        if self._verdict != before:
            # What was said of the last training is not said of what is chosen now.
            self.training.forget()
        self._show()

    def showEvent(self, event: QShowEvent) -> None:
        """Look again at folders and preferences when the dock is opened."""
        super().showEvent(event)
        self.choices.advanced.take_defaults(settings.device())
        self.choices.recipe.refresh()
        self._look_for_unfinished()
        self.refresh()
        self.live.prepare()

    def hideEvent(self, event: QHideEvent) -> None:
        """Take away what only makes sense beside the dock."""
        super().hideEvent(event)
        self.side.cancel()
        if not self.run.is_on:
            self._held_out.close()

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

    def _connect(self) -> None:
        training, controls = self.training, self.controls
        self.choices.changed.connect(self.refresh)
        self.choices.batch_wanted.connect(self._preview_batch)
        self.live.began.connect(self._show)
        self.unfinished.keep_pressed.connect(self._keep_unfinished)
        self.unfinished.chosen_changed.connect(self._show)
        training.begins.connect(self._to_the_top)
        training.learns.connect(self._on_learns)
        training.changed.connect(self._show)
        training.progressed.connect(controls.show_progress)
        training.learned.connect(self.live.add)
        training.ended.connect(self._on_ended)
        controls.train_pressed.connect(self.train)
        controls.correct_pressed.connect(lambda: training.learn(training.findings))
        controls.ignore_pressed.connect(training.learn)
        controls.back_pressed.connect(self._back)
        controls.pause_pressed.connect(training.pause)
        controls.stop_pressed.connect(training.stop)
        controls.cancel_pressed.connect(training.cancel)
        controls.predict_pressed.connect(self._predict)

    def _follow(self, viewer: Any) -> None:
        from napari.settings import get_settings

        watch, subscriptions = LayerWatch(viewer, self._soon.start), Subscriptions()
        running, beside = self.training.jobs, self.side.jobs
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

    def _judge(self) -> None:
        self.choices.offer(list(self._viewer.layers))
        self.choices.suggest_preset()
        self._verdict = judge(self.choices.form())
        self.choices.show_names(self._verdict.inputs, self._verdict.targets)
        self.choices.show_batch([])
        if self.isVisible():
            self.side.estimate(self._verdict.request)

    def _back(self) -> None:
        self.training.back()
        self.refresh()

    def _preview_batch(self) -> None:
        if self._verdict.request is not None and not self.run.is_on:
            self.side.preview(self._verdict.request, self.training.say)

    def _keep_unfinished(self, run: Unfinished) -> None:
        if not self.training.is_busy:
            self.training.keep(run)

    def _look_for_unfinished(self) -> None:
        busy = self.training.file if self.run.is_on else None
        self.unfinished.look(settings.model_folder(), busy)

    def _predict(self) -> None:
        if self.trained is not None:
            open_predict_dock(self._viewer).choose_model(self.trained.path)

    def _to_the_top(self) -> None:
        self._scroll.verticalScrollBar().setValue(0)

    def _on_learns(self, request: Request) -> None:
        self.live.begin(request.options.name, self._verdict.text, request.targets)

    def _on_ended(self) -> None:
        if self.trained is not None:
            for dock in predict_docks(self._viewer):
                dock.model.refresh()
            self.choices.recipe.refresh()
        self._look_for_unfinished()
        self._judge()
        self._to_the_top()
        self._show()
        self.live.draw()

    def _show(self) -> None:
        training, run = self.training, self.run
        learned = self.live.history.step > 0
        shown = state.panel(self._verdict, run, training.findings, learned=learned)
        shows_live = shown.shows_live and training.is_live and self.live.curves is not None
        self._form.setVisible(shown.shows_form)
        self.live.setVisible(shows_live)
        self._scroll.setVisible(shown.shows_form or shows_live)
        if not shown.shows_form:
            self.controls.show_estimate("")
        self.controls.show_panel(shown, "Go on training" if self.unfinished.chosen else "Train")
        can_predict = self.trained is not None and hasattr(self._viewer, "window")
        self.controls.predict.setVisible(shown.shows_form and can_predict)
        if run.stage in state.LIVE and not self._held_out.is_shown:
            self._mark_soon.start()
        else:
            self._mark_held_out()

    def _mark_held_out(self) -> None:
        training = self.training
        learning = training.prepared if self.run.stage in state.LIVE else None
        request = learning.request if learning else self._verdict.request
        wanted = learning or (self.choices.wants_held_out() and self.isVisible())
        self._held_out.show(request.pairs if wanted and request and request.splits else ())
