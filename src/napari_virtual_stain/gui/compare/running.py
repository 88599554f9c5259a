"""A comparison that is on: what the board asks for and the viewer does becomes what is shown."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.matching import Match
from napari_virtual_stain.events import Notice, Progress, run
from napari_virtual_stain.gui.compare import work
from napari_virtual_stain.gui.compare.board import Board
from napari_virtual_stain.gui.compare.curtain_drag import CurtainDrag
from napari_virtual_stain.gui.compare.drawing import Drawing
from napari_virtual_stain.gui.compare.grids import Common, Relation
from napari_virtual_stain.gui.compare.keeping import Keys
from napari_virtual_stain.gui.compare.latest import Latest
from napari_virtual_stain.gui.compare.live import ShownScores, score_shown
from napari_virtual_stain.gui.compare.modes import Mode, View
from napari_virtual_stain.gui.compare.plotting import Plotting
from napari_virtual_stain.gui.compare.saving import Saving
from napari_virtual_stain.gui.compare.session import Session
from napari_virtual_stain.gui.compare.state import features_sentence, shift_line
from napari_virtual_stain.gui.compare.subject import Subject, subject
from napari_virtual_stain.gui.compare.surveying import Surveying
from napari_virtual_stain.gui.compare.view_box import CHANNEL_KEY, FLIP_KEY
from napari_virtual_stain.gui.compare.viewpoint import move_to, step_along, words
from napari_virtual_stain.gui.jobs import Job, create_job, report
from napari_virtual_stain.gui.layers import Layer, read_layer
from napari_virtual_stain.gui.sentences import Line, Tone, sentence
from napari_virtual_stain.gui.subscriptions import Subscriptions


@dataclass(frozen=True)
class Kept:
    """What is kept of a comparison that begins anew, as a layer of it was edited."""

    view: View
    channel: int


class Running(QObject):  # type: ignore[misc]
    """Drives a session from a board.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    board : Board
    subjects : sequence of Subject
    match : {"none", "z-score", "least-squares"}
    kept : Kept, optional
        What another comparison of the same layers showed.

    Attributes
    ----------
    session : Session
    jobs : list of Job
        Those that are running, but for the scores of what is shown.
    """

    said = Signal(object)
    progressed = Signal(object)
    worked = Signal(bool)

    def __init__(
        self,
        viewer: Any,
        board: Board,
        subjects: Sequence[Subject],
        match: Match,
        kept: Kept | None = None,
    ) -> None:
        super().__init__(board)
        self._viewer, self._board = viewer, board
        self.session = Session(viewer, subjects)
        if kept is not None:
            self.session.view = kept.view
            self.session.channel = min(kept.channel, len(subjects) - 1)
        try:
            self.session.show()
        except BaseException:
            self.session.close()
            raise
        self.jobs: list[Job] = []
        self._is_closed = False
        self._surveying = Surveying(self.session, match, self._start)
        self._latest = Latest(self)
        self._plotting = Plotting(board, self.session)
        self._drawing = Drawing(viewer, board)
        self._saving = Saving(board.exports, board.cells, self.session)
        self._keys = Keys(viewer)
        self._of_viewer, self._of_board = Subscriptions(), Subscriptions()
        self._drag = CurtainDrag(
            viewer, self.session.split_at, lambda: self.session.view.split, self._width, self._split
        )
        self._connect()
        board.view.offer_channels([one.name for one in subjects])
        board.view.begin(self.session.channel, self.session.view.tolerance)
        board.view.match.choose(match)
        board.view.allow_projection(any(one.can_be_projected for one in subjects))
        board.exports.allow(False)
        board.table.name_columns("shown", "")
        for column in ("shown", "region", "whole"):
            board.table.show_scores(column, {})
        self._show_view()
        self._surveying.ensure()

    @property
    def kept(self) -> Kept:
        """What it shows, for another comparison of the same layers."""
        return Kept(self.session.view, self.session.channel)

    @property
    def is_busy(self) -> bool:
        """Whether anything is being computed."""
        return bool(self.jobs) or self._latest.is_busy

    def look(self) -> None:
        """Look at the viewer again: its layers or sliders have changed."""
        self._drawing.offer()
        if self._board.view.under.value() is None:
            self.session.put_under()
        self.session.arrange()
        self._rescore()

    def cancel(self) -> None:
        """Stop what runs; what is shown stays."""
        if self._surveying.give_up():
            text = "Stopped. Choose a match, or end and compare again, for what is missing."
            self.said.emit(Line(Tone.INFO, text))
        self._quit()

    def _quit(self) -> None:
        for job in self.jobs:
            job.quit()

    def close(self) -> None:
        """End the comparison, and leave the viewer as it was."""
        self.abandon()
        self._board.view.stop()
        self._of_board.close()
        self._plotting.close()
        self._saving.close()
        self._drag.close()
        self._keys.restore()
        self._drawing.close()
        self.session.close()

    def abandon(self) -> None:
        """Follow the viewer no more, and stop what runs: the window is being closed."""
        self._latest.close()
        self._is_closed = True
        self._quit()
        self._of_viewer.close()

    def _connect(self) -> None:
        view, session = self._board.view, self.session
        for signal, action in (
            (view.mode_chosen, self._on_mode),
            (view.map_chosen, self._on_map),
            (view.flipped, self._flip),
            (view.split_moved, lambda split: session.show(split=split)),
            (view.tolerance_moved, self._on_tolerance),
            (view.channel_chosen, self._on_channel),
            (view.projection_chosen, self._on_projection),
            (view.under_chosen, self._on_under),
            (view.match_chosen, self._on_match),
            (self._board.region_chosen, lambda _: self._rescore()),
            (self._board.region_wanted, self._drawing.start_region),
            (self._saving.wanted, self._save),
            (self._board.exports.refused, self._refuse),
            (self._plotting.place_picked, self._go_to),
            (self._plotting.line_wanted, self._drawing.start_line),
            (self._latest.found, self._on_scores),
            (self._latest.failed, self._on_error),
            (self._latest.finished, lambda: self.worked.emit(self.is_busy)),
        ):
            self._of_board.connect(signal, action)
        dims = self._viewer.dims.events
        for event in (dims.current_step, dims.ndisplay, dims.order):
            self._of_viewer.connect(event, self._on_dims)
        self._keys.bind({FLIP_KEY.lower(): self._flip, CHANNEL_KEY: self._next_channel})

    # What the board asks for.

    def _on_mode(self, mode: Mode) -> None:
        self.session.show(mode=mode)
        self._show_view()

    def _on_map(self, name: str) -> None:
        self.session.show(map_name=name)
        self._show_view()

    def _flip(self) -> None:
        if self.session.view.mode not in (Mode.FLIP, Mode.MERGED):
            self.session.show(mode=Mode.FLIP)
        else:
            self.session.flip()
        self._show_view()

    def _split(self, split: float) -> None:
        self.session.show(split=split)
        self._board.view.show_split(split)

    def _on_tolerance(self, tolerance: float) -> None:
        self.session.show(tolerance=tolerance)
        self._show_view()

    def _on_channel(self, channel: int) -> None:
        self.session.choose(channel)
        self._after_change()

    def _next_channel(self) -> None:
        channel = (self.session.channel + 1) % len(self.session.subjects)
        self._board.view.channel.choose(channel)
        self._on_channel(channel)

    def _on_projection(self, flat: bool) -> None:
        self.session.project(flat)
        self._after_change()

    def _on_under(self, layer: Layer | None) -> None:
        if layer is None:
            self.session.put_under()
            return
        try:
            source = read_layer(layer)
        except VirtualStainError as error:
            self.said.emit(Line(Tone.ERROR, sentence(str(error))))
            self._board.view.under.choose(None)
            self.session.put_under()
            return
        everything = Common(Relation.SAME, {}, {})
        made = run(subject(str(layer.name), (source, 0), (source, 0), everything))
        attributes = {
            "name": f"Compare: {layer.name}",
            "colormap": layer.colormap,
            "contrast_limits": layer.contrast_limits,
        }
        self.session.put_under(attributes, made)

    def _on_match(self, match: Match) -> None:
        if self._surveying.choose(match):
            self._after_change()

    def _go_to(self, axis: str, position: int) -> None:
        place = self.session.shown.subject.place
        if axis in place.axes:
            move_to(self._viewer, place, {axis: position})

    def _save(self, make_work: Callable[[], Generator[Any, None, Any]], done: str) -> None:
        def tell(result: Any) -> None:
            path, found = result if isinstance(result, tuple) else (result, None)
            text = done.format(path)
            if found is not None:
                text += f" {features_sentence(found)}"
            self.said.emit(Line(Tone.GOOD, text))

        self._start(make_work, "Saving", tell)

    def _refuse(self, text: str) -> None:
        self.said.emit(Line(Tone.ERROR, text))

    # What the viewer does.

    def _on_dims(self, event: Any = None) -> None:
        if self.session.view.mode is Mode.CURTAIN:
            self.session.show()
        self._rescore()

    def _width(self) -> float:
        """Return how many pixels of the screen lie between the two ends of the curtain."""
        place = self.session.shown.subject.place
        axis = self.session.view.split_axis
        camera = getattr(self._viewer, "scene", self._viewer).camera
        return float(step_along(place, axis) * place.shape[axis] * camera.zoom)

    # What is computed.

    def _start(
        self,
        make_work: Callable[[], Generator[Any, None, Any]],
        title: str,
        on_result: Callable[[Any], None] | None = None,
    ) -> Job:
        job = create_job(make_work, title)
        job.yielded.connect(partial(self._on_event, job))
        if on_result is not None:
            job.returned.connect(on_result)
        job.errored.connect(self._on_error)
        job.finished.connect(partial(self._over, job))
        self.jobs.append(job)
        self.worked.emit(True)
        job.start()
        return job

    def _over(self, job: Job) -> None:
        if job in self.jobs:
            self.jobs.remove(job)
        self._surveying.over(job)
        if self._is_closed:
            return
        self.worked.emit(bool(self.jobs))

    def _on_event(self, job: Job, event: Any) -> None:
        if job.abort_requested or self._is_closed:
            return
        if isinstance(event, Progress):
            self.progressed.emit(event)
        elif isinstance(event, Notice):
            tone = Tone.WARNING if event.warning else Tone.INFO
            self.said.emit(Line(tone, sentence(event.text)))
        elif isinstance(event, work.Projected | work.Surveyed | work.Failed | work.Similar):
            self._surveying.take(event)
            if isinstance(event, work.Surveyed):
                self._board.exports.allow(True)
                self._after_change()
            elif isinstance(event, work.Similar):
                self._show_whole()
            elif isinstance(event, work.Failed):
                self.said.emit(Line(Tone.WARNING, sentence(event.text)))
        elif isinstance(event, work.Shifted):
            self.said.emit(shift_line(self.session.subjects[event.channel].name, event))

    def _on_scores(self, found: Any) -> None:
        if isinstance(found, ShownScores):
            self._board.table.show_scores("shown", found.scores)
            self._board.table.show_scores("region", found.region)
            self._plotting.take(found)

    def _on_error(self, error: Exception) -> None:
        if self._is_closed:
            return
        self.said.emit(Line(Tone.ERROR, report(error)))

    def _rescore(self) -> None:
        """Score what is shown, as soon as nothing newer is to be scored."""
        session, board = self.session, self._board
        survey, index = session.survey, session.index()
        place = session.shown.subject.place
        board.where.setText(f"Of {words(index, place)}.")
        region, name = self._drawing.region(session)
        board.table.name_columns("shown", name)
        self._plotting.place(index)
        if survey is None:
            self._latest.drop()
            self._plotting.take(None)
            board.table.show_scores("shown", {})
            board.table.show_scores("region", {})
        else:
            line = self._drawing.line(session)
            subject = session.shown.subject
            self._latest.ask(partial(score_shown, subject, survey, index, region, line))
            self.worked.emit(self.is_busy)

    def _after_change(self) -> None:
        self._surveying.ensure()
        self._show_view()
        self._show_whole()
        self._rescore()

    def _show_view(self) -> None:
        view, box = self.session.view, self._board.view
        box.show_mode(view.mode)
        box.show_map(view.map_name)
        box.show_split(view.split)
        low, high = self.session.shown.limits
        box.show_tolerance(f"{100 * view.tolerance:.0f} % = {view.tolerance * (high - low):.4g}")

    def _show_whole(self) -> None:
        survey, session = self.session.survey, self.session
        if survey is None:
            self._board.table.show_scores("whole", {})
            return
        scores = survey.whole.scores(survey.scale)
        value = self._surveying.similar.get((session.channel, session.is_flat))
        if value is not None:
            scores["structural_similarity"] = value
        self._board.table.show_scores("whole", scores)
        self._plotting.draw()
        self._saving.take(self._surveying.match, self._surveying.similar)
