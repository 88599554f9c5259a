"""What is saved of a comparison, as work for a thread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_virtual_stain.evaluation.matching import Match
from napari_virtual_stain.events import Progress, Work
from napari_virtual_stain.gui.compare import work
from napari_virtual_stain.gui.compare.cells import CellsBox
from napari_virtual_stain.gui.compare.export_box import ExportBox
from napari_virtual_stain.gui.compare.modes import Mode, Shown
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
        super().__init__(box)
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
        """Ask for the work that writes a kind of file."""
        session = self._session
        subjects = [shown.subject for shown in self._every()]
        make: Callable[[], Generator[Any, None, Any]]
        if kind == "report":
            make = partial(work.report, session.subjects, self._match, path)
        elif kind == "features":
            chosen = self._cells.chosen()
            make = partial(work.features, session.subjects, path, *chosen)
        elif kind == "picture":
            index = {axis: at for axis, at in session.index().items() if axis in "TZ"}
            make = partial(work.picture, subjects, self._match, index, path)
        elif kind == "flip":
            make = partial(self._flip, path)
        else:
            make = partial(self._scores, path)
        self.wanted.emit(make, DONE[kind])

    def _every(self) -> list[Shown]:
        """Return every pair as it is shown now."""
        return self._session.every()

    def _flip(self, path: Path) -> Work[Path]:
        from napari_virtual_stain.gui.compare.rendered import flip_pictures
        from napari_virtual_stain.io import write_flip

        session = self._session
        merged = session.view.mode is Mode.MERGED
        every = self._every() if merged else [session.shown]
        colours = [shown.subject.colormap if merged else "gray" for shown in every]
        yield Progress("drawing", 0, 0)
        pictures = flip_pictures(every, [one.limits for one in every], session.index(), colours)
        return write_flip(pictures, path, seconds=0.7, overwrite=True)

    def _scores(self, path: Path) -> Work[Path]:
        from napari_virtual_stain.gui.compare.table import score_rows
        from napari_virtual_stain.io import write_table

        yield Progress("writing", 0, 0)
        rows: list[dict[str, Any]] = []
        for channel, shown in enumerate(self._every()):
            if shown.survey is not None:
                similar = self._similar.get((channel, self._session.is_flat))
                rows += score_rows(shown.subject, shown.survey, similar)
        return write_table(rows, path, overwrite=True)
