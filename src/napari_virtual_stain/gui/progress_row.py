"""How far work is, and Cancel beside it."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_virtual_stain.events import Progress
from napari_virtual_stain.gui.widgets import show_progress


class ProgressRow(QWidget):  # type: ignore[misc]
    """The stage of the work in words, a bar, and Cancel. Hidden until it is shown.

    Parameters
    ----------
    tip : str
        Tooltip of Cancel.
    """

    cancelled = Signal()

    def __init__(self, tip: str) -> None:
        super().__init__()
        self.stage = QLabel()
        self.stage.setIndent(0)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip(tip)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.stage)
        layout.addLayout(row)
        self.hide()
        self.cancel.clicked.connect(lambda _=False: self.cancelled.emit())

    def show_progress(self, progress: Progress) -> None:
        """Show how far the work is."""
        show_progress(self.stage, self.bar, progress)
