"""What is saved of a comparison, as work for a thread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_virtual_stain.evaluation.matching import Match
from napari_virtual_stain.gui.compare import work
from napari_virtual_stain.gui.compare.cells import CellsBox
from napari_virtual_stain.gui.compare.export_box import ExportBox
from napari_virtual_stain.gui.compare.modes import Mode
from napari_virtual_stain.gui.compare.session import Session

DONE = {
    "report": "Wrote the report {}.",
    "flip": "Saved {}.",
    "picture": "Saved {}.",
    "features": "Wrote the features {}.",
    "scores": "Saved {}.",
}


class Saving(QObject):  # type: ignore[misc]
    """Turns what the buttons ask for into work.

    Parameters
    ----------
    box : ExportBox
    cells : CellsBox
    session : Session
    """

    wanted = Signal(object, str)
    """Work that returns the path of what it wrote, and what is to be said of it then."""

    def __init__(self, box: ExportBox, cells: CellsBox, session: Session) -> None:
        super().__init__()
        self._box, self._cells, self._session = box, cells, session
        self._match: Match = "none"
        self._similar: Mapping[tuple[int, bool], float] = {}
        box.wanted.connect(self.save)

    def close(self) -> None:
        """Save no more."""
        self._box.wanted.disconnect(self.save)
        self._box.allow(False)

    def take(self, match: Match, similar: Mapping[tuple[int, bool], float]) -> None:
        """Take how the prediction is matched, and what is known of structural similarity."""
        self._match, self._similar = match, dict(similar)

    def save(self, kind: str, path: Path) -> None:
        """Ask for the work that writes a kind of file, of what is shown now."""
        session = self._session
        every, subjects = session.every(), [shown.subject for shown in session.every()]
        make: Callable[[], Generator[Any, None, Any]]
        if kind == "report":
            make = partial(work.report, session.subjects, self._match, path)
        elif kind == "features":
            chosen = self._cells.chosen()
            make = partial(work.features, session.subjects, path, *chosen)
        elif kind == "picture":
            index = {axis: at for axis, at in session.index().items() if axis in "TZ"}
            surveys = [shown.survey for shown in every]
            make = partial(work.picture, subjects, surveys, index, path)
        elif kind == "flip":
            merged = session.view.mode is Mode.MERGED
            shown = every if merged else [session.shown]
            colours = [one.subject.colormap if merged else "gray" for one in shown]
            limits = [session.limits_of(one) for one in shown]
            make = partial(work.flip, shown, limits, session.index(), colours, path)
        else:
            similar = [
                self._similar.get((channel, session.is_flat)) for channel in range(len(every))
            ]
            make = partial(work.scores, every, similar, path)
        self.wanted.emit(make, DONE[kind])
