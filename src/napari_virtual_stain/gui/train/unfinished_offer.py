"""Offers what trainings that were not finished have left."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout

from napari_virtual_stain.gui.sentences import shortened
from napari_virtual_stain.gui.train.unfinished import Unfinished, unfinished_runs
from napari_virtual_stain.gui.widgets import WrappedLabel


class UnfinishedOffer(QFrame):  # type: ignore[misc]
    """The latest unfinished training, and what can be done with it.

    Attributes
    ----------
    chosen : Unfinished or None
        The one that is to be continued.
    """

    keep_pressed = Signal(object)
    chosen_changed = Signal()
    """Another one is to be continued, or none."""

    def __init__(self) -> None:
        super().__init__()
        self._runs: list[Unfinished] = []
        self.chosen: Unfinished | None = None
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.text = WrappedLabel()
        self.keep = QPushButton("Keep its best")
        self.keep.setToolTip("The best weights that it had become a model in the model folder.")
        self.go_on = QPushButton("Go on")
        self.go_on.setToolTip(
            "Train continues it where it was. It needs the same layers and the same choices: if\n"
            "they differ, it is said in what."
        )
        self.discard = QPushButton("Discard")
        self.discard.setToolTip("Delete what it has left.")
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        for button in (self.keep, self.go_on, self.discard):
            buttons.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self.keep.clicked.connect(lambda: self.keep_pressed.emit(self._runs[0]))
        self.go_on.clicked.connect(self._choose)
        self.discard.clicked.connect(self._discard)
        self.hide()

    def look(self, folder: Path, busy: Path | None = None) -> None:
        """Offer the latest unfinished training of a model folder; without any, take no room.

        Parameters
        ----------
        folder : Path
        busy : Path, optional
            One that is on, and not to be offered.
        """
        self._runs = [run for run in unfinished_runs(folder) if run.path != busy]
        if self.chosen is not None and self.chosen.path not in [run.path for run in self._runs]:
            self.chosen = None
        self._show()

    def _choose(self) -> None:
        self.chosen = self._runs[0]
        self._show()
        self.chosen_changed.emit()

    def _discard(self) -> None:
        discarded = self._runs[0]
        try:
            discarded.path.unlink(missing_ok=True)
        except OSError as error:
            why = error.strerror or str(error)
            self.text.setText(f"{discarded.path} cannot be deleted: {why}.")
            return
        self._runs.pop(0)
        if self.chosen is not None and self.chosen.path == discarded.path:
            self.chosen = None
        self._show()
        self.chosen_changed.emit()

    def _show(self) -> None:
        runs = self._runs
        self.setVisible(bool(runs))
        if not runs:
            return
        name = shortened(runs[0].name)
        more = f" ({len(runs) - 1} more)" if len(runs) > 1 else ""
        if self.chosen is not None and self.chosen.path == runs[0].path:
            text = f"{name} is continued by Train, with the same layers and choices as then."
        else:
            text = f"{name} was not finished{more}. It was kept on {runs[0].when:%d %B, %H:%M}."
        self.text.setText(text)
