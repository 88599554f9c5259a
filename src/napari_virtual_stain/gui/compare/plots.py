"""Plots of a comparison: a score over planes or time, a histogram of both, a line profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QRectF, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_virtual_stain.evaluation.display import Limits
from napari_virtual_stain.gui.compare.profile import Profile
from napari_virtual_stain.gui.compare.scores import SCORES
from napari_virtual_stain.gui.theme import color
from napari_virtual_stain.gui.widgets import Choice, WrappedLabel

HEIGHT = 170
AXIS_WIDTH = 48
LEAST = 0.02
"""Part of a score that a curve spans at least."""

OBSERVED, PREDICTED = "#e05bd0", "#3fae6b"
"""As in the overlay: observed magenta, predicted green."""

CURVES, HISTOGRAM, PROFILE = "curve", "histogram", "profile"
TITLES = {CURVES: "over planes and time", HISTOGRAM: "histogram of both", PROFILE: "along a line"}
CURVE_SCORES = tuple(score for score in SCORES if score.key != "structural_similarity")


class Plots(QWidget):  # type: ignore[misc]
    """One plot at a time, and what it is to show."""

    changed = Signal()
    """Another plot or another score is wanted."""

    place_picked = Signal(str, int)
    """A plane (``Z``) or time point (``T``) was clicked on."""

    line_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.kind, self.score, self.over = Choice(), Choice(), Choice()
        self.draw = QPushButton("Draw a line")
        self.draw.setToolTip("Adds a layer for a line, and lets you draw it in the image.")
        self.caption = WrappedLabel()
        self.plot = _plot()
        self.kind.offer(list(TITLES), list(TITLES.values()), HISTOGRAM)
        self.kind.setAccessibleName("Plot")
        self.score.offer(
            [one.key for one in CURVE_SCORES], [one.title for one in CURVE_SCORES], "pearson_r"
        )
        self.score.setAccessibleName("Score of the curve")
        self.over.setAccessibleName("Axis of the curve")
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for widget, stretch in ((self.kind, 2), (self.score, 1), (self.over, 1), (self.draw, 1)):
            row.addWidget(widget, stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(row)
        layout.addWidget(self.plot)
        layout.addWidget(self.caption)
        self._curve = self.plot.plot()
        self._other = self.plot.plot()
        self._here = pg.InfiniteLine(angle=90, movable=False)
        self._image = pg.ImageItem()
        self._diagonal = self.plot.plot()
        for item in (self._image, self._here):
            self.plot.addItem(item)
        self._image.setZValue(-1)
        self.kind.picked.connect(self.changed)
        self.score.picked.connect(self.changed)
        self.over.picked.connect(self.changed)
        self.draw.clicked.connect(lambda _=False: self.line_wanted.emit())
        self.plot.scene().sigMouseClicked.connect(self._on_click)
        self.offer_axes(())
        self.clear()

    def offer_axes(self, axes: Sequence[str]) -> None:
        """Offer axes for the curve, ``Z`` and ``T``; without any there is no curve."""
        titles = {"Z": "planes", "T": "time"}
        kinds = [kind for kind in TITLES if kind != CURVES or axes]
        before = self.kind.value()
        self.kind.offer(kinds, [TITLES[kind] for kind in kinds], before)
        self.over.offer(list(axes), [titles[axis] for axis in axes], self.over.value())
        self._suit()

    def clear(self) -> None:
        """Show nothing."""
        for curve in (self._curve, self._other, self._diagonal):
            curve.setData([], [])
        self._image.clear()
        self._image.hide()
        self._here.hide()
        self.caption.setText("")
        self._suit()

    def show_curve(self, values: Sequence[float], here: int | None) -> None:
        """Show a score over planes or time points, which are counted from 1."""
        self.clear()
        at, heights = np.arange(1, len(values) + 1), np.asarray(values, float)
        known = np.isfinite(heights)
        symbol = "o" if len(values) < 60 else None
        self._curve.setData(at[known], heights[known], symbol=symbol, symbolSize=5)
        self._curve.setPen(pg.mkPen(color("text"), width=2))
        self._curve.setSymbolBrush(pg.mkBrush(color("text")))
        self._curve.setSymbolPen(None)
        if here is not None:
            self._here.setPos(here + 1)
            self._here.show()
        self.plot.setXRange(1, max(2, len(values)), padding=0.03)
        if known.any():
            low, high = float(heights[known].min()), float(heights[known].max())
            # Differences that mean nothing are not to look large.
            room = max(high - low, LEAST * max(abs(high), abs(low))) or 1.0
            middle = (high + low) / 2
            self.plot.setYRange(middle - 0.58 * room, middle + 0.58 * room, padding=0)
        title = next(one.title for one in CURVE_SCORES if one.key == self.score.value())
        over = {"Z": "plane", "T": "time point"}[self.over.value() or "Z"]
        self.caption.setText(f"{title} of each {over}. Click to go there.")

    def show_histogram(self, counts: np.ndarray, limits: Limits, what: str) -> None:
        """Show how often each pair of observed and predicted grey values occurs."""
        self.clear()
        low, high = limits
        self._image.setImage(np.log1p(counts.astype(float)), autoLevels=True)
        self._image.setColorMap(pg.colormap.get("inferno"))
        self._image.setRect(QRectF(low, low, high - low, high - low))
        self._image.show()
        self._diagonal.setData([low, high], [low, high])
        self._diagonal.setPen(pg.mkPen("#ffffff", width=1))
        self.plot.setXRange(low, high, padding=0)
        self.plot.setYRange(low, high, padding=0)
        self.caption.setText(
            f"Observed (across) against predicted grey values (up) of {what}; on the line they "
            "are equal."
        )

    def show_profile(self, found: Profile | None) -> None:
        """Show grey values along a line, or say how to draw one."""
        self.clear()
        if found is None:
            self.caption.setText("Draw a line to see both along it.")
            return
        self._curve.setData(found.distance, found.observed, symbol=None)
        self._other.setData(found.distance, found.predicted)
        self._curve.setPen(pg.mkPen(OBSERVED, width=2))
        self._other.setPen(pg.mkPen(PREDICTED, width=2))
        values = np.concatenate([found.observed, found.predicted])
        values = values[np.isfinite(values)]
        if values.size:
            low, high = float(values.min()), float(values.max())
            self.plot.setYRange(low, high if high > low else low + 1, padding=0.08)
        self.plot.setXRange(0, max(float(found.distance[-1]), 1e-9), padding=0.02)
        self.caption.setText(f"Observed magenta, predicted green, along {found.unit}.")

    def follow_theme(self, event: Any = None) -> None:
        """Take the colours of the current theme."""
        text, faint = color("text"), color("secondary")
        self.plot.setBackground(color("background"))
        for name in ("left", "bottom"):
            axis = self.plot.getAxis(name)
            axis.setPen(pg.mkPen(faint))
            axis.setTextPen(pg.mkPen(text))
        self._here.setPen(pg.mkPen(color("current").lighter(150), width=2))

    def _suit(self) -> None:
        kind = self.kind.value()
        self.score.setVisible(kind == CURVES)
        self.over.setVisible(kind == CURVES and self.over.count() > 1)
        self.draw.setVisible(kind == PROFILE)
        self.follow_theme()

    def _on_click(self, event: Any) -> None:
        if self.kind.value() != CURVES:
            return
        place = self.plot.getViewBox().mapSceneToView(event.scenePos())
        self.place_picked.emit(self.over.value() or "Z", round(place.x()) - 1)


def _plot() -> Any:
    plot = pg.PlotWidget()
    # As wide as the dock is, which it would else make wider.
    plot.setMinimumWidth(0)
    plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    plot.setFixedHeight(HEIGHT)
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(x=False, y=False)
    plot.hideButtons()
    plot.setAntialiasing(True)
    plot.getAxis("left").setWidth(AXIS_WIDTH)
    for name in ("left", "bottom"):
        plot.getAxis(name).enableAutoSIPrefix(False)
    return plot
