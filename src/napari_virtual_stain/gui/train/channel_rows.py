"""The channels that the model takes and learns: their names, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_stain.gui.train.picks import UNPAINTED, Channel
from napari_virtual_stain.gui.widgets import Choice, WrappedLabel

UNPAINTED_HINTS = {
    "background": "Everything that is painted is an object, whatever its label.",
    "not annotated": "Label 1 is background, other labels are objects; unpainted pixels do not "
    "count.",
}


class ChannelRows(QWidget):  # type: ignore[misc]
    """A row for each input and target, and buttons to add further ones."""

    changed = Signal()
    channel_removed = Signal(int, bool)
    """Which it was among its kind, and whether it was an input; before ``changed``."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[_Row] = []
        self.targets: list[_Row] = []
        self.add_input = QPushButton("Add an input")
        self.add_input.setToolTip(
            "One more channel that the model takes, such as another transmitted-light image."
        )
        self.add_target = QPushButton("Add a target")
        self.add_target.setToolTip(
            "One more stain or mask that the model learns. A pair may lack some of them."
        )
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.add_input)
        buttons.addWidget(self.add_target)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._grid)
        layout.addLayout(buttons)
        self.add_input.clicked.connect(self._add_input)
        self.add_target.clicked.connect(self._add_target)
        self._append(self.inputs, "Input")
        self._append(self.targets, "Target")

    def channels(self) -> tuple[list[Channel], list[Channel]]:
        """Return inputs and targets as a person has named them."""
        return [row.channel() for row in self.inputs], [row.channel() for row in self.targets]

    def show_names(
        self, inputs: Sequence[str], targets: Sequence[str], painted: Sequence[bool]
    ) -> None:
        """Show what channels are called where nothing was typed, and which are painted."""
        for row, name in zip(self.inputs, inputs, strict=True):
            row.name.setPlaceholderText(name)
        for row, name, is_painted in zip(self.targets, targets, painted, strict=True):
            row.name.setPlaceholderText(name)
            row.show_painted(is_painted)

    def _append(self, rows: list[_Row], title: str) -> None:
        row = _Row(title)
        rows.append(row)
        row.changed.connect(self._tell)
        row.removed.connect(self._remove)
        self._arrange()

    def _add_input(self) -> None:
        self._append(self.inputs, "Input")
        self.changed.emit()

    def _add_target(self) -> None:
        self._append(self.targets, "Target")
        self.changed.emit()

    def _remove(self, row: _Row) -> None:
        rows = self.inputs if row in self.inputs else self.targets
        position = rows.index(row)
        rows.pop(position)
        for widget in row.widgets():
            widget.setParent(None)
            widget.deleteLater()
        row.deleteLater()
        self._arrange()
        self.channel_removed.emit(position, rows is self.inputs)
        self.changed.emit()

    def _arrange(self) -> None:
        line = 0
        for rows in (self.inputs, self.targets):
            for row in rows:
                self._grid.addWidget(row.label, line, 0)
                self._grid.addWidget(row.name, line, 1)
                self._grid.addWidget(row.remove, line, 2)
                self._grid.addWidget(row.painted, line + 1, 0, 1, 3)
                row.remove.setVisible(len(rows) > 1)
                line += 2

    def _tell(self) -> None:
        self.changed.emit()


class _Row(QWidget):  # type: ignore[misc]
    """The widgets of one channel; they are laid out by whoever has made it."""

    changed = Signal()
    removed = Signal(object)

    def __init__(self, title: str) -> None:
        super().__init__()
        self.label = QLabel(title)
        self.label.setIndent(0)
        self.name = QLineEdit()
        self.name.setToolTip("What it is called. By default, as its layers are.")
        self.name.setAccessibleName(f"Name of the {title.casefold()}")
        self.remove = remove_button(f"Remove this {title.casefold()}.")
        self.unpainted = Choice()
        self.unpainted.offer(list(UNPAINTED), list(UNPAINTED))
        self.unpainted.setToolTip(
            "What the pixels are that have no label: background of the objects that are painted,\n"
            "or pixels of which nothing is said, so that a few strokes are enough."
        )
        self.hint = WrappedLabel()
        self.painted = QWidget()
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(QLabel("Unpainted pixels are"))
        line.addWidget(self.unpainted, 1)
        layout = QVBoxLayout(self.painted)
        layout.setContentsMargins(0, 0, 0, 2)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.hint)
        self.painted.hide()
        self._show_hint()
        self.name.textEdited.connect(self._tell)
        self.unpainted.picked.connect(self._tell)
        self.remove.clicked.connect(self._tell_removed)

    def channel(self) -> Channel:
        return Channel(self.name.text().strip(), self.unpainted.value())

    def show_painted(self, is_painted: bool) -> None:
        self.painted.setVisible(is_painted)

    def widgets(self) -> tuple[QWidget, ...]:
        return self.label, self.name, self.remove, self.painted

    def _show_hint(self) -> None:
        self.hint.setText(UNPAINTED_HINTS[self.unpainted.value()])

    def _tell(self) -> None:
        self._show_hint()
        self.changed.emit()

    def _tell_removed(self) -> None:
        self.removed.emit(self)


def remove_button(tip: str) -> QToolButton:
    """Return a small button that removes what it stands beside."""
    button = QToolButton()
    button.setText("×")
    button.setToolTip(tip)
    button.setAccessibleName(tip)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
