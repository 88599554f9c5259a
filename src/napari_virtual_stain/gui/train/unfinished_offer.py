"""Offers what trainings that were not finished have left."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout

from napari_virtual_stain.gui.sentences import shortened
from napari_virtual_stain.gui.train.unfinished import Unfinished
from napari_virtual_stain.gui.widgets import WrappedLabel


class UnfinishedOffer(QFrame):  # type: ignore[misc]
    """The latest unfinished training, and what can be done with it."""

    keep_pressed = Signal(object)
    go_on_pressed = Signal(object)
    discard_pressed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._runs: list[Unfinished] = []
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
        self.go_on.clicked.connect(lambda: self.go_on_pressed.emit(self._runs[0]))
        self.discard.clicked.connect(lambda: self.discard_pressed.emit(self._runs[0]))
        self.hide()

    def show_runs(self, runs: Sequence[Unfinished], going_on: Unfinished | None) -> None:
        """Offer the latest of these; without any, take no room."""
        self._runs = list(runs)
        self.setVisible(bool(runs))
        if not runs:
            return
        name = shortened(runs[0].name)
        more = f" ({len(runs) - 1} more)" if len(runs) > 1 else ""
        if going_on is not None and going_on.path == runs[0].path:
            text = f"{name} is continued by Train, with the same layers and choices as then."
        else:
            text = f"{name} was not finished{more}. It was kept on {runs[0].when:%d %B, %H:%M}."
        self.text.setText(text)
