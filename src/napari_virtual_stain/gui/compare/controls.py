"""The button, what is said above and below it, and the progress of what runs."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_virtual_stain.events import Progress
from napari_virtual_stain.gui.compare.state import Panel
from napari_virtual_stain.gui.progress_row import ProgressRow
from napari_virtual_stain.gui.theme import PrimaryButton
from napari_virtual_stain.gui.widgets import Messages


class Controls(QWidget):  # type: ignore[misc]
    """What is pressed and what is said."""

    compare_pressed = Signal()
    cancel_pressed = Signal()
    agreed = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.before = Messages()
        self.agree = QCheckBox()
        self.agree.setToolTip("Only what is compared is cropped or resampled, not the layers.")
        self.button = PrimaryButton("Compare")
        self.progress = ProgressRow("Stop what is computed. What is shown stays.")
        self.after = Messages()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self.before, self.agree, self.button, self.progress, self.after):
            layout.addWidget(widget)
        self.agree.hide()
        self.agree.clicked.connect(self._agree)
        self.button.clicked.connect(lambda _=False: self.compare_pressed.emit())
        self.progress.cancelled.connect(self.cancel_pressed)

    def show_panel(self, panel: Panel) -> None:
        """Show what can be pressed and what is said."""
        self.before.show_lines(panel.before)
        self.after.show_lines(panel.after)
        self.agree.setVisible(bool(panel.offers))
        self.agree.setText(panel.offers)
        self.button.setEnabled(panel.can_compare)
        self.button.setText(panel.button)
        if panel.is_on:
            tip = "Take the layers of the comparison away. Yours stay as they are."
        elif panel.can_compare:
            tip = "Show the pair on top of everything else, with scores. Your layers stay as is."
        else:
            tip = "\n".join(line.text for line in panel.before[:1])
        self.button.setToolTip(tip)
        self.progress.setVisible(panel.works)

    def _agree(self, ticked: bool) -> None:
        self.agreed.emit(ticked)

    def show_progress(self, progress: Progress) -> None:
        """Show how far what runs is."""
        self.progress.show_progress(progress)
