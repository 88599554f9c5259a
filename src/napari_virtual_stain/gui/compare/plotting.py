"""Which plot is drawn of a comparison, and from what."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal

from napari_virtual_stain.gui.compare.board import Board
from napari_virtual_stain.gui.compare.live import ShownScores
from napari_virtual_stain.gui.compare.session import Session


class Plotting(QObject):  # type: ignore[misc]
    """Draws the plot that is chosen whenever what it shows has changed.

    Parameters
    ----------
    board : Board
    session : Session
    """

    place_picked = Signal(str, int)
    line_wanted = Signal()

    def __init__(self, board: Board, session: Session) -> None:
        super().__init__()
        self._session = session
        self._plots = board.prepare()
        self._index: dict[str, int] = {}
        self._found: ShownScores | None = None
        self._plots.changed.connect(self.draw)
        self._plots.place_picked.connect(self.place_picked)
        self._plots.line_wanted.connect(self.line_wanted)
        self._plots.clear()

    def close(self) -> None:
        """Draw no more."""
        self._plots.changed.disconnect(self.draw)
        self._plots.place_picked.disconnect(self.place_picked)
        self._plots.line_wanted.disconnect(self.line_wanted)
        self._plots.clear()

    def take(self, found: ShownScores | None) -> None:
        """Take the scores of what is shown, or that there are none."""
        self._found = found
        kind = self._plots.kind.value()
        if kind == "profile" or (
            kind == "histogram" and (found is None or found.counts is not None)
        ):
            self.draw()

    def place(self, index: dict[str, int]) -> None:
        """Take where the sliders stand."""
        self._index = index
        if self._plots.kind.value() == "curve":
            self.draw()

    def draw(self) -> None:
        """Draw what is chosen, from what is known."""
        sizes = self._session.shown.subject.observed.sizes
        self._plots.offer_axes([axis for axis in "ZT" if sizes.get(axis, 1) > 1])
        survey, kind = self._session.survey, self._plots.kind.value()
        if survey is None:
            self._plots.clear()
        elif kind == "curve":
            self._draw_curve()
        elif kind == "profile":
            self._plots.show_profile(None if self._found is None else self._found.profile)
        elif self._found is not None and self._found.counts is not None:
            limits = survey.display_limits
            self._plots.show_histogram(self._found.counts, limits, "what is shown")
        else:
            self._plots.clear()

    def _draw_curve(self) -> None:
        survey = self._session.survey
        assert survey is not None
        axis, score = self._plots.over.value() or "Z", self._plots.score.value()
        if axis == "Z":
            time = self._index.get("T", 0)
            tallies = list(survey.planes[min(time, len(survey.planes) - 1)])
        else:
            tallies = [survey.of_time(time) for time in range(len(survey.planes))]
        values = [tally.scores(survey.scale)[score] for tally in tallies]
        self._plots.show_curve(values, self._index.get(axis))
