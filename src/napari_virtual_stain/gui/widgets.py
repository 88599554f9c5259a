"""Small widgets that docks are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSize, Qt, Signal
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListView,
    QProgressBar,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_stain.events import Progress
from napari_virtual_stain.gui.sentences import Line
from napari_virtual_stain.gui.theme import ToneMark

MARGIN = 2
"""Pixels on either side of a text that is too long for a combo box."""

WIDEST_LIST = 600
"""Pixels beyond which a list of choices is not widened, however long its texts are."""


class Choice(QComboBox):  # type: ignore[misc]
    """A combo box of any Python objects, as narrow as it must be.

    Of a text that is too long the middle is left out: names of layers often differ at their ends.
    ``picked`` is emitted when a person chooses, and never when the program does.
    """

    picked = Signal()
    opening = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: list[Any] = []
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        # A list of our own: PySide6 sometimes takes the one that Qt makes for something else.
        self._list = QListView(self)
        self._list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setView(self._list)
        self.activated.connect(self._tell)

    def offer(self, values: Sequence[Any], texts: Sequence[str], chosen: Any = None) -> None:
        """Offer other values, and choose one of them, else the first."""
        if values != self._values or list(texts) != self._texts():
            self._values = list(values)
            self.clear()
            self.addItems(list(texts))
        self.choose(chosen)

    def choose(self, value: Any) -> None:
        """Choose a value, or the first where it is not offered."""
        self.setCurrentIndex(self._values.index(value) if value in self._values else 0)

    def value(self) -> Any:
        """Return what is chosen, or None if nothing is offered."""
        index = self.currentIndex()
        return self._values[index] if 0 <= index < len(self._values) else None

    def wheelEvent(self, event: Any) -> None:
        """Leave the wheel to the dock, which is to be scrolled and not changed by it."""
        event.ignore()

    def showPopup(self) -> None:
        """Let the values be brought up to date before they are seen, as wide as they are."""
        self.opening.emit()
        view = self._list
        wanted = view.sizeHintForColumn(0) + view.verticalScrollBar().sizeHint().width()
        view.setMinimumWidth(min(wanted, WIDEST_LIST))
        super().showPopup()

    def shown_text(self) -> str:
        """Return what there is room for of the text that is chosen."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        field = QStyle.SubControl.SC_ComboBoxEditField
        box = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, field, self)
        room = box.width() - 2 * MARGIN
        middle = Qt.TextElideMode.ElideMiddle
        return str(self.fontMetrics().elidedText(self.currentText(), middle, room))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the text with its end."""
        text = self.shown_text()
        if text == self.currentText():
            super().paintEvent(event)
            return
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = text
        with QStylePainter(self) as painter:
            painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
            painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def event(self, event: QEvent) -> bool:
        """Begin the tooltip with the whole of a text that is too long."""
        if event.type() == QEvent.Type.ToolTip and self.shown_text() != self.currentText():
            tip = "\n\n".join(part for part in (self.currentText(), self.toolTip()) if part)
            QToolTip.showText(event.globalPos(), tip, self)
            return True
        return bool(super().event(event))

    def _texts(self) -> list[str]:
        return [self.itemText(index) for index in range(self.count())]

    def _tell(self, index: int) -> None:
        self.picked.emit()


class Messages(QWidget):  # type: ignore[misc]
    """Lines of text, each with a mark that says how it is meant."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[_Row] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self.hide()

    def show_lines(self, lines: Sequence[Line]) -> None:
        """Show these lines instead of what was shown; without any, take no room."""
        while len(self._rows) < len(lines):
            row = _Row(self)
            self._rows.append(row)
            self._layout.addWidget(row)
        for position, row in enumerate(self._rows):
            if position < len(lines):
                row.show_line(lines[position])
            row.setVisible(position < len(lines))
        self.setVisible(bool(lines))

    def text(self) -> str:
        """Return what is shown, a line of text for each line."""
        return "\n".join(row.text() for row in self._rows if row.isVisibleTo(self))


class _Row(QWidget):  # type: ignore[misc]
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._mark = ToneMark(self)
        self._label = WrappedLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._label, 1)

    def show_line(self, line: Line) -> None:
        self._mark.show_tone(line.tone)
        self._label.setText(line.text)
        self._label.setAccessibleName(f"{line.tone.name.casefold()}: {line.text}")

    def text(self) -> str:
        return str(self._label.text())


class FittingScrollArea(QScrollArea):  # type: ignore[misc]
    """A vertical scroll area that is never higher than what it holds."""

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setWidget(content)
        content.installEventFilter(self)

    def sizeHint(self) -> QSize:
        """Return the size of what it holds."""
        return QSize(self.widget().minimumSizeHint().width(), self._height())

    def minimumSizeHint(self) -> QSize:
        """Return the width of what it holds, so that nothing is cut off at the side."""
        bar = self.verticalScrollBar().sizeHint().width()
        return QSize(self.widget().minimumSizeHint().width() + bar, 80)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow what it holds."""
        if watched is self.widget() and event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return bool(super().eventFilter(watched, event))

    def resizeEvent(self, event: Any) -> None:
        """Follow the width, on which the height of wrapped text depends."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setMaximumHeight(self._height())
        self.updateGeometry()

    def _height(self) -> int:
        """Return the height at which no scroll bar is needed, the style's frame included.

        It is that at the width beside a scroll bar, because Qt takes away a bar only where it
        would not be needed even beside itself.
        """
        content, room = self.widget(), self.maximumViewportSize()
        frame = int(self.height() - room.height())
        width = int(room.width() - self.verticalScrollBar().sizeHint().width())
        if content.hasHeightForWidth():
            return frame + int(content.heightForWidth(max(width, content.minimumWidth(), 1)))
        return frame + int(content.sizeHint().height())


class WrappedLabel(QLabel):  # type: ignore[misc]
    """A label that breaks its lines, at any width, and whose text can be copied."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setIndent(0)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setWordWrap(True)

    def minimumSizeHint(self) -> QSize:
        """Return one line: how many there are follows from the width, which Qt guesses here."""
        return QSize(0, self.fontMetrics().height())


def heading(text: str) -> QLabel:
    """Return the heading of a part of a dock."""
    label = QLabel(text)
    label.setIndent(0)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label


def show_progress(label: QLabel, bar: QProgressBar, progress: Progress, more: str = "") -> None:
    """Show how far work is, in words that `more` ends, and as a bar."""
    stage = progress.stage[:1].upper() + progress.stage[1:]
    count = f", {progress.done:,} of {progress.total:,}" if progress.total > 1 else "…"
    label.setText(f"{stage}{count}{more}")
    # Qt shows a bar without an end as one that moves to and fro.
    bar.setRange(0, progress.total)
    bar.setValue(progress.done)
