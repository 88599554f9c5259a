"""What a model is called, under which licence it stands, and what its maker has to say of it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLineEdit, QPlainTextEdit, QSizePolicy, QVBoxLayout, QWidget

from napari_virtual_stain.gui.collapsible import options_form
from napari_virtual_stain.gui.theme import color

LICENCES = ("", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "BSD-3-Clause")


class About(QWidget):  # type: ignore[misc]
    """Name, licence and notes; they are kept in the model file."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.name = QLineEdit()
        self.licence = QComboBox()
        self.licence.setEditable(True)
        self.licence.addItems(LICENCES)
        self.licence.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.licence.setMinimumContentsLength(6)
        self.licence.lineEdit().setPlaceholderText("none yet")
        self.licence.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.notes = QPlainTextEdit()
        self.notes.setTabChangesFocus(True)
        self.notes.setPlaceholderText("Cells, microscope, objective, staining …")
        self.follow_theme()
        self.notes.setFixedHeight(3 * self.notes.fontMetrics().lineSpacing() + 12)
        form = QWidget()
        options_form(
            form,
            (
                ("Name", self.name, "What the model is called. No other model is replaced."),
                (
                    "Licence",
                    self.licence,
                    "What others may do with the model. It must agree with that of the images.",
                ),
                ("Notes", self.notes, "What somebody should know who predicts with the model."),
            ),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(form)
        self.name.textEdited.connect(self._tell)
        self.licence.currentTextChanged.connect(self._tell)
        self.notes.textChanged.connect(self._tell)

    def follow_theme(self, event: Any = None) -> None:
        """Take the colours of the current theme, which napari gives to fields of one line only."""
        self.notes.setStyleSheet(
            f"QPlainTextEdit {{ background-color: {color('foreground').name()};"
            f" color: {color('text').name()}; border: none; border-radius: 2px; }}"
        )

    def suggest_name(self, name: str) -> None:
        """Show what the model is called where no name is typed."""
        self.name.setPlaceholderText(name)

    def chosen(self) -> tuple[str, str, str]:
        """Return name, licence and notes."""
        return self.name.text(), self.licence.currentText(), self.notes.toPlainText()

    def _tell(self, *_: object) -> None:
        self.changed.emit()
