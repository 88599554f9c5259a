"""The dock **Predict fluorescence**: a model, layers, one button, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from napari_virtual_stain.events import Event, Notice, Progress
from napari_virtual_stain.gui import settings
from napari_virtual_stain.gui.jobs import Job, create_job, report
from napari_virtual_stain.gui.layer_watch import LayerWatch
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict import state
from napari_virtual_stain.gui.predict.advanced import AdvancedOptions
from napari_virtual_stain.gui.predict.controls import Controls
from napari_virtual_stain.gui.predict.form import Form, Pick, Readiness, Verdict, judge
from napari_virtual_stain.gui.predict.layer_row import LayerRow
from napari_virtual_stain.gui.predict.model_picker import ModelPicker
from napari_virtual_stain.gui.predict.offers import Offer, look_at
from napari_virtual_stain.gui.predict.output_options import OutputOptions
from napari_virtual_stain.gui.predict.show import show_outcome
from napari_virtual_stain.gui.predict.state import Run, Stage
from napari_virtual_stain.gui.predict.suggestions import suggest_input, suggest_observed
from napari_virtual_stain.gui.predict.work import Outcome, predict_request
from napari_virtual_stain.gui.sentences import Line, Tone
from napari_virtual_stain.gui.subscriptions import Subscriptions
from napari_virtual_stain.gui.widgets import FittingScrollArea, WrappedLabel, heading
from napari_virtual_stain.model import ModelSpec

if TYPE_CHECKING:
    import napari.viewer

TITLE = "Predict fluorescence"


@dataclass(frozen=True, eq=False)
class _Adding:
    """Layers that are being added, and what they are of."""

    outcome: Outcome
    steps: Generator[None, None, list[str]]


class PredictDock(QWidget):  # type: ignore[misc]
    """Predicts fluorescence from layers of a viewer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._spec: ModelSpec | None = None
        self._axes: dict[Layer, str] = {}
        self._verdict = Verdict(Readiness.EMPTY, "")
        self._run = Run()
        self._running: list[Job] = []
        self._adding: _Adding | None = None

        self.model = ModelPicker(settings.model_folder)
        self.inputs: list[LayerRow] = []
        self.observed: list[LayerRow] = []
        self.outputs = OutputOptions()
        self.advanced = AdvancedOptions()
        self.controls = Controls()
        self._arrange()

        self._soon = self._timer(self.refresh)
        self._next = self._timer(self._add)
        self.model.changed.connect(self.refresh)
        self.outputs.changed.connect(self.refresh)
        self.advanced.changed.connect(self.refresh)
        self.controls.predict_pressed.connect(self.predict)
        self.controls.cancel_pressed.connect(self.cancel)
        self._follow(napari_viewer)
        self.refresh()

    @property
    def verdict(self) -> Verdict:
        """Whether what is chosen can be predicted."""
        return self._verdict

    @property
    def run(self) -> Run:
        """What the last prediction is at."""
        return self._run

    def choose_model(self, path: str | os.PathLike[str]) -> None:
        """Choose a model file, wherever it is."""
        self.model.choose(path)

    def predict(self) -> None:
        """Start the prediction of what is chosen, if it can be predicted."""
        self.model.refresh()  # its file may have been changed or removed
        self.refresh()
        request = self._verdict.request
        if request is None or self._run.is_on:
            return
        job = create_job(partial(predict_request, request), TITLE)
        job.yielded.connect(self._on_event)
        job.returned.connect(self._on_result)
        job.errored.connect(self._on_error)
        job.aborted.connect(self._on_aborted)
        self._running.append(job)
        self._run = Run(Stage.RUNNING)
        self.controls.show_progress(Progress("Starting", 0, 0))
        self._show()
        job.start()

    def cancel(self) -> None:
        """Cancel the prediction that is running."""
        if self._run.stage is Stage.RUNNING:
            for job in self._running:
                job.quit()
            self._run = Run(Stage.CANCELLING, self._run.lines)
            self._show()

    def refresh(self) -> None:
        """Look again at what is chosen and at what there is to choose from."""
        layers = list(self._viewer.layers)
        self._axes = {layer: axes for layer, axes in self._axes.items() if layer in layers}
        entry = self.model.entry()
        self._take_model(entry.spec if entry is not None else None)
        self._offer(look_at(layers, self._axes))
        self.outputs.allow_errors(any(row.pick().layer is not None for row in self.observed))
        verdict = judge(self._form(), layers)
        if verdict != self._verdict and not self._run.is_on:
            # What was said of the last prediction is not said of what is chosen now.
            self._run = Run()
        self._verdict = verdict
        self._show()

    def showEvent(self, event: QShowEvent) -> None:
        """Look again at the model folder and the preferences when the dock is opened."""
        super().showEvent(event)
        self.advanced.take_defaults(settings.device(), settings.memory())
        self.model.refresh()
        self.refresh()

    def _arrange(self) -> None:
        self._content = QWidget()
        self._input_rows, self._observed_rows = QVBoxLayout(), QGridLayout()
        self._input_rows.setSpacing(3)
        self._observed_rows.setVerticalSpacing(4)
        self._observed_rows.setHorizontalSpacing(8)
        self._observed_rows.setColumnStretch(1, 1)
        self._observed_heading = heading("Compare with (optional)")
        self._observed_heading.setToolTip(
            "Observed fluorescence on the same grid. It gives the correlation, error maps, masks\n"
            "of both, and the contrast of the predicted layer."
        )
        form = QVBoxLayout(self._content)
        form.setContentsMargins(10, 6, 10, 4)
        form.setSpacing(6)
        form.addWidget(
            WrappedLabel("Predict fluorescent stains from transmitted light or from other stains.")
        )
        form.addWidget(heading("Model"))
        form.addWidget(self.model)
        form.addWidget(heading("Input"))
        form.addLayout(self._input_rows)
        form.addWidget(self._observed_heading)
        form.addLayout(self._observed_rows)
        form.addWidget(heading("Results"))
        form.addWidget(self.outputs)
        form.addWidget(self.advanced)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(FittingScrollArea(self._content))
        controls = QVBoxLayout()
        controls.setContentsMargins(10, 2, 10, 10)
        controls.addWidget(self.controls)
        layout.addLayout(controls)
        layout.addStretch(1)
        self.setMinimumWidth(300)

    def _timer(self, action: Callable[[], None]) -> QTimer:
        """Return a timer that acts once, when the window has dealt with what is waiting."""
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(0)
        timer.timeout.connect(action)
        return timer

    def _follow(self, viewer: Any) -> None:
        watch, subscriptions = LayerWatch(viewer, self._soon.start), Subscriptions()
        running = self._running
        from napari.settings import get_settings

        theme = get_settings().appearance.events.theme
        subscriptions.connect(theme, self.controls.button.follow_theme)

        def end() -> None:
            watch.close()
            subscriptions.close()
            for job in running:
                job.quit()

        self._watch = watch
        # A window that closes tells its docks nothing, but it does destroy them.
        self.destroyed.connect(lambda *_: end())

    def _take_model(self, spec: ModelSpec | None) -> None:
        if spec == self._spec:
            return
        self._spec = spec
        for row in (*self.inputs, *self.observed):
            for widget in (row.label, row):
                widget.setParent(None)
                widget.deleteLater()
        self.inputs = [
            LayerRow(
                (channel.modality or channel.name)
                + (f", {channel.planes} z planes" if channel.planes > 1 else ""),
                f"The layer that the model takes as {channel.name}.",
            )
            for channel in (spec.inputs if spec is not None else ())
        ]
        self.observed = [
            LayerRow(
                output.name,
                f"An observed image of {output.name} to compare the prediction with.",
                optional=True,
            )
            for output in (spec.outputs if spec is not None else ())
        ]
        for row in self.inputs:
            self._input_rows.addWidget(row.label)
            self._input_rows.addWidget(row)
        for position, row in enumerate(self.observed):
            self._observed_rows.addWidget(row.label, position, 0, Qt.AlignmentFlag.AlignVCenter)
            self._observed_rows.addWidget(row, position, 1)
        for row in (*self.inputs, *self.observed):
            row.changed.connect(self.refresh)
            row.axes_chosen.connect(self._on_axes)
        self._observed_heading.setVisible(bool(self.observed))

    def _offer(self, offers: list[Offer]) -> None:
        if self._spec is None:
            return
        active = self._viewer.layers.selection.active
        taken: list[Pick] = []
        for position, row in enumerate(self.inputs):
            preferred = [row.pick().layer, active]
            row.offer(offers, suggest_input(self._spec, position, offers, preferred, taken))
            taken.append(row.pick())
        inputs = [row.pick().layer for row in self.inputs]
        for output, row in zip(self._spec.outputs, self.observed, strict=True):
            row.offer(offers, suggest_observed(output.name, inputs, offers))

    def _form(self) -> Form:
        return Form(
            model=self.model.entry(),
            inputs=[row.pick() for row in self.inputs],
            observed=[row.pick() for row in self.observed],
            axes=self._axes,
            errors=self.outputs.wants_errors(),
            masks=self.outputs.wants_masks(),
            match=self.outputs.chosen_match(),
            device=self.advanced.chosen_device(),
            memory=self.advanced.chosen_memory(),
            tile=self.advanced.chosen_tile(),
            units=self.advanced.chosen_units(),
        )

    def _show(self) -> None:
        shown = state.panel(self._verdict, self._run)
        self._content.setEnabled(shown.can_choose)
        self.controls.show_panel(shown)

    def _on_axes(self, layer: Layer, axes: str) -> None:
        self._axes[layer] = axes
        self.refresh()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.controls.show_progress(event)
        elif isinstance(event, Notice):
            self._run = self._run.with_notice(event)
            self._show()

    def _on_result(self, outcome: Outcome) -> None:
        self._running.clear()
        self._run = Run(Stage.ADDING, self._run.lines)
        self.controls.show_progress(Progress("Adding layers", 0, 0))
        self._show()
        self._adding = _Adding(outcome, show_outcome(self._viewer, outcome))
        self._next.start()

    def _add(self) -> None:
        """Add some of the layers; the window draws itself before the next."""
        assert self._adding is not None
        outcome = self._adding.outcome
        try:
            next(self._adding.steps)
        except StopIteration as end:
            said = (*self._run.lines, *self._removed(outcome), *_left(end.value))
            self._stop(state.finished(outcome, said))
        except Exception as error:  # a bug, which must not leave the dock running for ever
            self._stop(state.failed(report(error)))
        else:
            self._next.start()

    def _removed(self, outcome: Outcome) -> list[Line]:
        there = list(self._viewer.layers)
        return [
            Line(Tone.WARNING, f"{layer.name} was removed meanwhile; the prediction was added.")
            for layer in outcome.request.input_layers
            if layer not in there
        ]

    def _on_error(self, error: Exception) -> None:
        self._stop(state.failed(report(error)))

    def _on_aborted(self) -> None:
        self._stop(state.cancelled())

    def _stop(self, run: Run) -> None:
        self._running.clear()
        self._adding, self._run = None, Run()
        self.refresh()
        self._run = run
        self._show()


def _left(names: list[str]) -> list[Line]:
    if not names:
        return []
    text = f"{len(names)} error maps or masks of an earlier prediction were left as they were."
    return [Line(Tone.WARNING, f"{text} Tick them to renew them.")]
