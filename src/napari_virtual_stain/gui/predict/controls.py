"""The button, what is said above and below it, and the progress with Cancel beside it."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget

from napari_virtual_stain.events import Progress
from napari_virtual_stain.gui.predict.state import Panel
from napari_virtual_stain.gui.progress_row import ProgressRow
from napari_virtual_stain.gui.theme import PrimaryButton
from napari_virtual_stain.gui.widgets import Messages


class Controls(QWidget):  # type: ignore[misc]
    """What is pressed and what is said."""

    predict_pressed = Signal()
    cancel_pressed = Signal()
    replace_ticked = Signal(bool)
    compare_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.before = Messages()
        self.replace = QCheckBox("Replace")
        self.replace.setToolTip(
            "Predict again what is there. It stays until the new result is complete."
        )
        self.button = PrimaryButton("Predict fluorescence")
        self.progress = ProgressRow("Stop. No layer is added or changed.")
        self.stage, self.bar, self.cancel = (
            self.progress.stage,
            self.progress.bar,
            self.progress.cancel,
        )
        self.after = Messages()
        self.compare = QPushButton("Compare")
        self.compare.setToolTip("Open the dock Compare with what was predicted and observed.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for widget in (
            self.before,
            self.replace,
            self.button,
            self.progress,
            self.after,
            self.compare,
        ):
            layout.addWidget(widget)
        self.replace.hide()
        self.compare.hide()
        self.replace.clicked.connect(self._replace)
        self.button.clicked.connect(self._predict)
        self.compare.clicked.connect(lambda _=False: self.compare_pressed.emit())
        self.progress.cancelled.connect(self.cancel_pressed)

    def show_panel(self, panel: Panel) -> None:
        """Show what can be pressed and what is said."""
        self.before.show_lines(panel.before)
        self.after.show_lines(panel.after)
        self.replace.setVisible(panel.can_replace)
        self.replace.setChecked(panel.replaces)
        self.button.setEnabled(panel.can_predict)
        self.button.setToolTip(
            "Predict the outputs of the model. napari stays usable meanwhile."
            if panel.can_predict
            else "\n".join(line.text for line in panel.before[:1]) or "A prediction is running."
        )
        self.progress.setVisible(not panel.can_choose)
        self.cancel.setEnabled(panel.can_cancel)
        self.cancel.setText(panel.cancel)

    def show_progress(self, progress: Progress) -> None:
        """Show how far the work is."""
        self.progress.show_progress(progress)

    def _replace(self, ticked: bool) -> None:
        self.replace_ticked.emit(ticked)

    def _predict(self) -> None:
        self.predict_pressed.emit()
