"""The dock **Compare**: observed and predicted, looked at together, and how far they agree."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QThreadPool
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_virtual_stain.events import Notice, Progress
from napari_virtual_stain.gui.compare import state, work
from napari_virtual_stain.gui.compare.board import Board
from napari_virtual_stain.gui.compare.controls import Controls
from napari_virtual_stain.gui.compare.form import Form, Readiness, Request, Verdict, judge
from napari_virtual_stain.gui.compare.pair_rows import PairRows
from napari_virtual_stain.gui.compare.running import Kept, Running
from napari_virtual_stain.gui.compare.state import Run, Stage
from napari_virtual_stain.gui.compare.subject import Subject
from napari_virtual_stain.gui.compare.suggestions import suggest_pairs
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.jobs import Job, create_job, report
from napari_virtual_stain.gui.layer_watch import LayerWatch
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict.offers import look_at
from napari_virtual_stain.gui.sentences import Line, Tone, sentence
from napari_virtual_stain.gui.subscriptions import Subscriptions
from napari_virtual_stain.gui.timers import once
from napari_virtual_stain.gui.widgets import FittingScrollArea, WrappedLabel, heading

if TYPE_CHECKING:
    import napari.viewer

TITLE = "Compare"
CHANGED = Line(Tone.INFO, "A layer that is compared has changed; it was compared again.")
PATIENCE = 5000
"""Milliseconds that a window which closes waits for a thread to end."""


class CompareDock(QWidget):  # type: ignore[misc]
    """Compares observed and predicted layers of a viewer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._axes: dict[Layer, str] = {}
        self._agreed = False
        self._verdict = Verdict(Readiness.EMPTY, "")
        self._run = Run()
        self._request: Request | None = None
        self._looks: list[Any] = []
        self._kept: Kept | None = None
        self._edited = False
        self._of_compared = Subscriptions()
        self._starting: list[Job] = []
        self._alive: list[Running] = []
        self.running: Running | None = None

        self.rows, self.board, self.controls = PairRows(), Board(), Controls()
        self._arrange()
        self._soon = once(self, self.refresh)
        self._hidden = once(self, self._end_if_hidden)
        self.rows.changed.connect(self.refresh)
        self.rows.axes_chosen.connect(self._on_axes)
        self.controls.compare_pressed.connect(self._on_button)
        self.controls.cancel_pressed.connect(self.cancel)
        self.controls.agreed.connect(self._on_agreed)
        self._follow(napari_viewer)
        self.refresh()

    @property
    def verdict(self) -> Verdict:
        """Whether what is chosen can be compared."""
        return self._verdict

    @property
    def run(self) -> Run:
        """What the comparison is at."""
        return self._run

    def compare(self) -> None:
        """Begin the comparison of what is chosen, if it can be compared."""
        self.refresh()
        request = self._verdict.request
        if self._verdict.readiness is not Readiness.READY or request is None:
            return
        if self._run.stage is not Stage.IDLE:
            return
        self._begin(request)

    def end(self) -> None:
        """End the comparison: its layers go, and the viewer is as it was."""
        for job in self._starting:
            job.quit()
        self._starting.clear()
        if self.running is not None:
            running, self.running = self.running, None
            self._alive.clear()
            running.close()
            running.deleteLater()
        self._request = None
        self._of_compared.close()
        if self._run.stage is not Stage.IDLE:
            self._run = Run()
        self.refresh()

    def cancel(self) -> None:
        """Stop what is being computed. What is shown stays."""
        if self.running is not None:
            self.running.cancel()
        else:
            self.end()

    def refresh(self) -> None:
        """Look again at what is chosen and at what there is to choose from."""
        layers = list(self._viewer.layers)
        self._axes = {layer: axes for layer, axes in self._axes.items() if layer in layers}
        if self._run.stage is Stage.ON:
            self._look()
            return
        offers = look_at(layers, self._axes)
        self.rows.offer(offers, suggest_pairs(offers))
        verdict = judge(self._form())
        if verdict != self._verdict and self._run.stage is Stage.IDLE:
            # What was said of the last comparison is not said of what is chosen now.
            self._run = Run()
        self._verdict = verdict
        self._show()

    def showEvent(self, event: QShowEvent) -> None:
        """Look at the layers again when the dock is opened."""
        super().showEvent(event)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        """End the comparison when the dock is closed; a minimized window closes nothing."""
        super().hideEvent(event)
        if not event.spontaneous():
            # A dock that is taken out of the window, or back, is hidden for a moment.
            self._hidden.start()

    def _end_if_hidden(self) -> None:
        if not self.isVisible() and not self.window().isMinimized():
            self.end()

    def _arrange(self) -> None:
        self._form_part = QWidget()
        form = QVBoxLayout(self._form_part)
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(6)
        form.addWidget(WrappedLabel("See where a prediction can be trusted, and where it cannot."))
        form.addWidget(heading("Images"))
        form.addWidget(self.rows)
        content = QWidget()
        both = QVBoxLayout(content)
        both.setContentsMargins(10, 6, 10, 4)
        both.setSpacing(8)
        both.addWidget(self._form_part)
        both.addWidget(self.board)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(FittingScrollArea(content))
        controls = QVBoxLayout()
        controls.setContentsMargins(10, 2, 10, 10)
        controls.addWidget(self.controls)
        layout.addLayout(controls)
        layout.addStretch(1)
        self.setMinimumWidth(300)

    def _follow(self, viewer: Any) -> None:
        from napari.settings import get_settings

        watch, subscriptions = LayerWatch(viewer, self._soon.start), Subscriptions()
        theme = get_settings().appearance.events.theme
        subscriptions.connect(theme, self.controls.button.follow_theme)
        subscriptions.connect(theme, self._on_theme)
        starting, running = self._starting, self._alive

        def end() -> None:
            watch.close()
            subscriptions.close()
            for job in starting:
                job.quit()
            for one in running:
                one.abandon()
            if starting or running:  # threads that outlive the window would speak to what is gone
                QThreadPool.globalInstance().waitForDone(PATIENCE)

        self._watch = watch
        # A window that closes tells its docks nothing, but it does destroy them.
        self.destroyed.connect(lambda *_: end())

    def _begin(self, request: Request) -> None:
        self._request = request
        self._looks = _snapshot(request)
        self._edited = False
        for layer in _layers(request):
            self._of_compared.connect(layer.events.data, self._on_edited)
        job = create_job(partial(work.begin, request), TITLE)
        job.yielded.connect(self._on_event)
        job.returned.connect(partial(self._on_begun, request))
        job.errored.connect(self._on_error)
        self._starting.append(job)
        self._run = Run(Stage.STARTING)
        self.controls.show_progress(Progress("Starting", 0, 0))
        self._show()
        job.start()

    def _on_begun(self, request: Request, subjects: list[Subject]) -> None:
        self._starting.clear()
        if self._request is not request:
            return  # it was ended meanwhile
        kept, self._kept = self._kept, None
        try:
            self.running = Running(self._viewer, self.board, subjects, request.match, kept)
        except Exception as error:  # a bug, which must not leave the dock on for ever
            self._on_error(error)
            return
        self._alive.append(self.running)
        self.running.said.connect(self._on_said)
        self.running.progressed.connect(self.controls.show_progress)
        self.running.worked.connect(self._on_worked)
        lines = (CHANGED,) if kept is not None else ()
        self._run = Run(Stage.ON, lines, bool(self.running.jobs))
        self._show()
        self.running.look()

    def _look(self) -> None:
        """Follow what happens to the layers that are compared."""
        assert self._request is not None
        assert self.running is not None
        if self.running.session.scene.is_changing:
            return
        layers = list(self._viewer.layers)
        for layer in _layers(self._request):
            if layer not in layers:
                text = f"{layer.name} was removed; what is shown is as it was."
                self._on_said(Line(Tone.INFO, text))
        changed = self._edited or _snapshot(self._request) != self._looks
        if changed and all(layer in layers for layer in _layers(self._request)):
            self._again()
            return
        self.running.look()

    def _on_edited(self, event: Any = None) -> None:
        self._edited = True

    def _again(self) -> None:
        """Begin anew with the layers as they have become, and show what was shown."""
        assert self.running is not None
        kept = self.running.kept
        self.end()
        self._kept = kept
        self.compare()
        if self._run.stage is Stage.IDLE:
            self._kept = None

    def _form(self) -> Form:
        return Form(
            pairs=self.rows.picks(),
            axes=self._axes,
            match=self.board.view.match.value() or "none",
            agreed=self._agreed,
        )

    def _show(self) -> None:
        shown = state.panel(self._verdict, self._run, self._agreed)
        self._form_part.setVisible(not shown.is_on)
        self._form_part.setEnabled(shown.can_choose)
        self.board.setVisible(shown.is_on)
        self.controls.show_panel(shown)

    def _on_button(self) -> None:
        if self._run.stage is Stage.ON:
            self.end()
        else:
            self.compare()

    def _on_axes(self, layer: Layer, axes: str) -> None:
        self._axes[layer] = axes
        self.refresh()

    def _on_agreed(self, ticked: bool) -> None:
        self._agreed = bool(ticked)
        self.refresh()

    def _on_event(self, event: Any) -> None:
        if isinstance(event, Progress):
            self.controls.show_progress(event)
        elif isinstance(event, Notice):
            self._on_said(Line(Tone.INFO, sentence(event.text)))

    def _on_said(self, line: Line) -> None:
        self._run = self._run.said(line)
        self._show()

    def _on_worked(self, works: bool) -> None:
        jobs = bool(self.running.jobs) if self.running is not None else works
        if self._run.stage is Stage.ON and self._run.works != jobs:
            self._run = Run(Stage.ON, self._run.lines, jobs)
            self._show()

    def _on_error(self, error: Exception) -> None:
        self._starting.clear()
        self._request = None
        self._run = Run()
        self.refresh()
        self._run = state.failed(report(error))
        self._show()

    def _on_theme(self, event: Any = None) -> None:
        if self.board.plots is not None:
            self.board.plots.follow_theme()


def _layers(request: Request) -> list[Layer]:
    return [source.layer for pair in request.pairs for source, _ in (pair.observed, pair.predicted)]


def _snapshot(request: Request) -> list[Any]:
    """Return what of the compared layers must not change while they are compared."""
    found = []
    for pair in request.pairs:
        for source, _ in (pair.observed, pair.predicted):
            layer = source.layer
            place = Geometry.of(layer, source.axes)
            data = layer.data[0] if layer.multiscale else layer.data
            found.append(
                (id(data), place.linear.tolist(), place.translate.tolist(), place.affine.tolist())
            )
    return found
