"""A training that runs: how far it is, its curves, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import napari.layers
import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_virtual_stain.events import Losses
from napari_virtual_stain.gui.sentences import shortened
from napari_virtual_stain.gui.timers import once
from napari_virtual_stain.gui.train.history import History
from napari_virtual_stain.gui.widgets import WrappedLabel

if TYPE_CHECKING:
    from napari_virtual_stain.gui.train.curves import Curves

DRAW_EVERY = 500
"""Milliseconds between two drawings: more often, nobody sees, and the training waits."""


class Live(QWidget):  # type: ignore[misc]
    """The curves of a training, drawn at leisure."""

    began = Signal()
    """The first step is done."""

    def __init__(self) -> None:
        super().__init__()
        self.history = History(())
        self.curves: Curves | None = None
        self._spare: Curves | None = None
        self.title = WrappedLabel()
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.summary = WrappedLabel()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._layout.addWidget(self.title)
        self._layout.addWidget(self.summary)
        self._soon = once(self, self.draw, DRAW_EVERY)
        self._idle = once(self, self._prepare, DRAW_EVERY)

    def prepare(self) -> None:
        """Make the plots when nothing else is to do: that would hold up a training that begins."""
        if self.curves is None and self._spare is None:
            self._idle.start()

    def begin(self, title: str, summary: str, names: Sequence[str]) -> None:
        """Show a training that begins."""
        self.title.setText(shortened(title))
        self.title.setToolTip(title)
        self.summary.setText(summary)
        self.history = History(names)
        if self.curves is None:
            self._prepare()
            self.curves, self._spare = self._spare, None
            self._layout.addWidget(self.curves)
        assert self.curves is not None
        self.curves.begin(names)
        self.draw()

    def _prepare(self) -> None:
        if self.curves is None and self._spare is None:
            from napari_virtual_stain.gui.train.curves import Curves  # pyqtgraph takes its time

            self._spare = Curves()
            # The first shapes of a session take their time too, and mark what is held out.
            corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0]], float)
            napari.layers.Shapes([corners], shape_type="polygon")

    def add(self, losses: Losses) -> None:
        """Take what a step has told, to be drawn soon."""
        first = not self.history.step
        if losses.names and losses.names != self.history.names:
            # As the model has them: layers told no more than what to expect.
            self.history.names = losses.names
            if self.curves is not None:
                self.curves.begin(losses.names)
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
