"""Colours of napari's theme, for the few things that napari does not colour itself."""

from __future__ import annotations

from typing import Any

from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QPushButton, QSizePolicy, QWidget

from napari_virtual_stain.gui.sentences import Tone


def color(role: str) -> QColor:
    """Return a colour of the current theme, such as ``text``, ``warning``, ``current``."""
    theme = get_theme(get_settings().appearance.theme)
    return QColor(getattr(theme, role).as_hex())


class ToneMark(QWidget):  # type: ignore[misc]
    """A small mark that says how the line beside it is meant. It follows the theme."""

    SIZE = 14

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tone = Tone.HINT
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_tone(self, tone: Tone) -> None:
        """Show another tone."""
        self._tone = tone
        self.update()

    def sizeHint(self) -> QSize:
        """Return the size of the mark, which is fixed."""
        return QSize(self.SIZE, self.SIZE)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the mark in the colours of the theme."""
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            _paint(painter, self._tone)


class PrimaryButton(QPushButton):  # type: ignore[misc]
    """The one button that a dock is about, in the accent colour of the theme."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.follow_theme()

    def follow_theme(self, event: Any = None) -> None:
        """Take the colours of the current theme."""
        accent, text = color("current"), color("text")
        self.setStyleSheet(
            f"QPushButton:enabled {{ background-color: {accent.name()}; color: {text.name()};"
            " font-weight: bold; padding: 7px; }"
            f"QPushButton:enabled:hover {{ background-color: {accent.lighter(115).name()}; }}"
            "QPushButton:disabled { padding: 6px; }"
        )


def _paint(painter: QPainter, tone: Tone) -> None:
    size = ToneMark.SIZE
    inside, middle = QRectF(1, 1, size - 2, size - 2), size / 2
    bright = QColor(Qt.GlobalColor.white)
    painter.setPen(Qt.PenStyle.NoPen)
    if tone is Tone.WARNING:
        painter.setBrush(color("warning"))
        corners = [QPointF(middle, 1), QPointF(size - 0.5, size - 1.5), QPointF(0.5, size - 1.5)]
        painter.drawPolygon(QPolygonF(corners))
        _stroke(painter, QColor(Qt.GlobalColor.black), [(middle, 5), (middle, 8.5)])
        _stroke(painter, QColor(Qt.GlobalColor.black), [(middle, 10.8), (middle, 10.9)])
    elif tone is Tone.ERROR:
        painter.setBrush(color("error"))
        painter.drawEllipse(inside)
        _stroke(painter, bright, [(4.6, 4.6), (size - 4.6, size - 4.6)])
        _stroke(painter, bright, [(size - 4.6, 4.6), (4.6, size - 4.6)])
    elif tone is Tone.GOOD:
        painter.setBrush(color("current"))
        painter.drawEllipse(inside)
        _stroke(painter, color("text"), [(4, 7.4), (6.2, 9.6), (10, 4.8)])
    else:
        painter.setBrush(color("secondary"))
        painter.drawEllipse(inside)
        _stroke(painter, color("text"), [(middle, 6.4), (middle, 10)])
        _stroke(painter, color("text"), [(middle, 3.9), (middle, 4)])


def _stroke(painter: QPainter, pen_color: QColor, points: list[tuple[float, float]]) -> None:
    pen = QPen(pen_color, 1.6)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in points]))
    painter.setPen(Qt.PenStyle.NoPen)
