"""A training that runs: how far it is, its curves, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_virtual_stain.events import Losses
from napari_virtual_stain.gui.train.history import History
from napari_virtual_stain.gui.widgets import WrappedLabel, heading

if TYPE_CHECKING:
    from napari_virtual_stain.gui.train.curves import Curves

DRAW_EVERY = 250
"""Milliseconds between two drawings: more often, nobody sees, and the training waits."""


class Live(QWidget):  # type: ignore[misc]
    """The curves of a training, drawn at leisure."""

    began = Signal()
    """The first step is done."""

    def __init__(self) -> None:
        super().__init__()
        self.history = History(())
        self.curves: Curves | None = None
        self.title = heading("")
        self.summary = WrappedLabel()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._layout.addWidget(self.title)
        self._layout.addWidget(self.summary)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(DRAW_EVERY)
        self._soon.timeout.connect(self.draw)

    def begin(self, title: str, summary: str, names: Sequence[str]) -> None:
        """Show a training that begins."""
        from napari_virtual_stain.gui.train.curves import Curves  # pyqtgraph takes its time

        self.title.setText(title)
        self.summary.setText(summary)
        self.history = History(names)
        if self.curves is not None:
            self.curves.setParent(None)
            self.curves.deleteLater()
        self.curves = Curves(names)
        self._layout.addWidget(self.curves)
        self.draw()

    def add(self, losses: Losses) -> None:
        """Take what a step has told, to be drawn soon."""
        first = not self.history.step
        self.history.add(losses)
        if first:
            self.began.emit()
        if not self._soon.isActive():
            self._soon.start()

    def draw(self) -> None:
        """Draw what is known."""
        if self.curves is not None:
            self.curves.show_history(self.history)

    def follow_theme(self, event: Any = None) -> None:
        """Take the colours of the current theme."""
        if self.curves is not None:
            self.curves.follow_theme()
