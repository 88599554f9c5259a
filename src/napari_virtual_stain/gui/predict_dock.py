"""The dock **Predict fluorescence**: a model, layers, one button, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_virtual_stain.events import Event, Notice, Progress, Work
from napari_virtual_stain.gui import settings
from napari_virtual_stain.gui.docking import open_dock
from napari_virtual_stain.gui.jobs import Job, create_job, report
from napari_virtual_stain.gui.layer_watch import LayerWatch
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict import state
from napari_virtual_stain.gui.predict.advanced import AdvancedOptions
from napari_virtual_stain.gui.predict.channel_rows import ChannelRows
from napari_virtual_stain.gui.predict.controls import Controls
from napari_virtual_stain.gui.predict.conversion import (
    Converted,
    convert_request,
    needs_conversion,
)
from napari_virtual_stain.gui.predict.form import Form, Readiness, Verdict, judge
from napari_virtual_stain.gui.predict.model_picker import ModelPicker
from napari_virtual_stain.gui.predict.offers import look_at
from napari_virtual_stain.gui.predict.on_disk import Files, suggested_folder
from napari_virtual_stain.gui.predict.output_options import OutputOptions
from napari_virtual_stain.gui.predict.replacing import Replacing
from napari_virtual_stain.gui.predict.show import show_outcome
from napari_virtual_stain.gui.predict.state import Run, Stage
from napari_virtual_stain.gui.predict.work import Outcome, predict_request
from napari_virtual_stain.gui.sentences import Line, Tone
from napari_virtual_stain.gui.subscriptions import Subscriptions
from napari_virtual_stain.gui.timers import once
from napari_virtual_stain.gui.widgets import FittingScrollArea, WrappedLabel, heading
from napari_virtual_stain.model import ModelSpec

if TYPE_CHECKING:
    import napari.viewer

    from napari_virtual_stain.gui.predict.layer_row import LayerRow

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
        self._replaceable: tuple[Path, ...] = ()
        self._files: Files | None = None
        self._replacing: Replacing | None = None
        self._running: list[Job] = []
        self._adding: _Adding | None = None

        self.model = ModelPicker(settings.model_folder)
        self.rows = ChannelRows()
        self.outputs = OutputOptions()
        self.advanced = AdvancedOptions()
        self.controls = Controls()
        self._arrange()

        self._soon = once(self, self.refresh)
        self._next = once(self, self._add)
        self.model.changed.connect(self.refresh)
        self.model.browsed.connect(self.choose_model)
        self.rows.changed.connect(self.refresh)
        self.rows.axes_chosen.connect(self._on_axes)
        self.outputs.changed.connect(self.refresh)
        self.advanced.changed.connect(self.refresh)
        self.controls.predict_pressed.connect(self.predict)
        self.controls.cancel_pressed.connect(self.cancel)
        self.controls.replace_ticked.connect(self._on_replace)
        self.controls.compare_pressed.connect(self._compare)
        self._follow(napari_viewer)
        self.refresh()

    @property
    def inputs(self) -> list[LayerRow]:
        """The rows of the model's inputs."""
        return self.rows.inputs

    @property
    def observed(self) -> list[LayerRow]:
        """The rows of what each output is compared with."""
        return self.rows.observed

    @property
    def verdict(self) -> Verdict:
        """Whether what is chosen can be predicted."""
        return self._verdict

    @property
    def run(self) -> Run:
        """What the last prediction is at."""
        return self._run

    def choose_model(self, path: str | os.PathLike[str]) -> None:
        """Choose a model file, wherever it is; a checkpoint of another program is converted."""
        path = Path(path)
        if not needs_conversion(path):
            self.model.choose(path)
        elif not self._run.is_on:
            work = partial(convert_request, path, settings.model_folder())
            self._start(work, f"Converting {path.name}", self._on_converted)

    def predict(self) -> None:
        """Start the prediction of what is chosen, if it can be predicted."""
        self.model.refresh()  # its file may have been changed or removed
        self.refresh()
        request = self._verdict.request
        if request is None or self._run.is_on:
            return
        self._files = request.files
        self._start(partial(predict_request, request), TITLE, self._on_result)

    def cancel(self) -> None:
        """Cancel what is running."""
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
        self.rows.offer(look_at(layers, self._axes), self._viewer.layers.selection.active)
        self._suit_options()
        verdict = judge(self._form(), layers)
        observes = any(row.pick().layer is not None for row in self.rows.observed)
        self.outputs.allow_errors(observes, verdict.compares)
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
        form = QVBoxLayout(self._content)
        form.setContentsMargins(10, 6, 10, 4)
        form.setSpacing(6)
        form.addWidget(
            WrappedLabel("Predict fluorescent stains from transmitted light or from other stains.")
        )
        form.addWidget(heading("Model"))
        form.addWidget(self.model)
        form.addWidget(self.rows)
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

    def _start(
        self, make_work: Callable[[], Work[Any]], title: str, on_result: Callable[[Any], None]
    ) -> None:
        job = create_job(make_work, title)
        job.yielded.connect(self._on_event)
        job.returned.connect(on_result)
        job.errored.connect(self._on_error)
        job.aborted.connect(self._on_aborted)
        self._running.append(job)
        self._run = Run(Stage.RUNNING)
        self.controls.show_progress(Progress("Starting", 0, 0))
        self._show()
        job.start()

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
        if spec != self._spec:
            self._spec = spec
            self.rows.take_model(spec)

    def _suit_options(self) -> None:
        """Offer the options that the model and the image have."""
        spec = self._spec
        unsure = spec is not None and (bool(spec.uncertainties) or self.advanced.wants_tta())
        self.outputs.allow_uncertainty(unsure)
        first = self.rows.inputs[0].pick().layer if self.rows.inputs else None
        self.advanced.result.suggest(suggested_folder(first))

    def _form(self) -> Form:
        return Form(
            model=self.model.entry(),
            inputs=[row.pick() for row in self.rows.inputs],
            observed=[row.pick() for row in self.rows.observed],
            axes=self._axes,
            uncertainty=self.outputs.wants_uncertainty(),
            errors=self.outputs.wants_errors(),
            masks=self.outputs.wants_masks(),
            match=self.outputs.chosen_match(),
            device=self.advanced.chosen_device(),
            precision=self.advanced.chosen_precision(),
            memory=self.advanced.chosen_memory(),
            tile=self.advanced.chosen_tile(),
            units=self.advanced.chosen_units(),
            tta=self.advanced.wants_tta(),
            folder=self.advanced.chosen_folder(),
            replaceable=self._replaceable,
        )

    def _show(self) -> None:
        shown = state.panel(self._verdict, self._run)
        self._content.setEnabled(shown.can_choose)
        self.controls.show_panel(shown)
        observes = any(row.pick().layer is not None for row in self.rows.observed)
        can_compare = self._run.stage is Stage.FINISHED and hasattr(self._viewer, "window")
        self.controls.compare.setVisible(observes and can_compare)

    def _compare(self) -> None:
        from napari_virtual_stain.gui.compare_dock import TITLE as COMPARE
        from napari_virtual_stain.gui.compare_dock import CompareDock

        open_dock(self._viewer, CompareDock, COMPARE)

    def _on_axes(self, layer: Layer, axes: str) -> None:
        self._axes[layer] = axes
        self.refresh()

    def _on_replace(self, ticked: bool) -> None:
        # What is agreed to holds for these files, and not for those of another image.
        self._replaceable = self._verdict.existing if ticked else ()
        self.refresh()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.controls.show_progress(event)
            if event.stage == "Writing" and self._files is not None and self._files.replace:
                self._replacing = Replacing(self._viewer, self._files)
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

    def _on_converted(self, result: Converted) -> None:
        self._running.clear()
        self.model.choose(result.path)
        self._stop(state.converted(result))

    def _add(self) -> None:
        """Add some of the layers; the window draws itself before the next."""
        assert self._adding is not None
        outcome = self._adding.outcome
        try:
            next(self._adding.steps)
        except StopIteration as end:
            said = [Line(Tone.WARNING, text) for text in end.value]
            self._stop(state.finished(outcome, (*self._run.lines, *said)))
        except Exception as error:  # a bug, which must not leave the dock running for ever
            self._stop(state.failed(report(error)))
        else:
            self._next.start()

    def _on_error(self, error: Exception) -> None:
        self._stop(state.failed(report(error)))

    def _on_aborted(self) -> None:
        files = self._files
        self._stop(state.cancelled(goes_on=files is not None and files.is_unfinished))

    def _stop(self, run: Run) -> None:
        self._running.clear()
        gone = self._replacing.end() if self._replacing is not None else []
        text = "{} was removed, because its file was replaced."
        lines = (Line(Tone.WARNING, text.format(name)) for name in gone)
        self._adding, self._files, self._replacing, self._replaceable = None, None, None, ()
        self._run = Run()
        self.refresh()
        self._run = Run(run.stage, (*run.lines, *lines))
        self._show()
