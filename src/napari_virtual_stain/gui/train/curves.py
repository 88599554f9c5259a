"""Curves of the loss and of the validation r, in the colours of the theme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_virtual_stain.gui.theme import color
from napari_virtual_stain.gui.train.history import History
from napari_virtual_stain.gui.widgets import WrappedLabel

OUTPUT_COLORS = ("#4c9be8", "#e0803a", "#3fae6b", "#c25bb5", "#b8a132", "#7d7de0")
"""Told apart from each other on a dark and on a light ground, by the colour-blind too."""

HEIGHTS = (110, 130)
AXIS_WIDTH = 44
PADDING = 0.08


class Curves(QWidget):  # type: ignore[misc]
    """Two plots over the steps: the loss, and r of each output."""

    def __init__(self) -> None:
        super().__init__()
        self._names: tuple[str, ...] = ()
        self.loss_title, self.score_title = WrappedLabel(), WrappedLabel()
        self.loss, self.score = _plot(), _plot()
        self._raw = self.loss.plot()
        self._smooth = self.loss.plot()
        self._scores: list[Any] = []
        self.score.setXLink(self.loss)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for title, plot, height in (
            (self.loss_title, self.loss, HEIGHTS[0]),
            (self.score_title, self.score, HEIGHTS[1]),
        ):
            title.setTextFormat(Qt.TextFormat.RichText)
            plot.setFixedHeight(height)
            layout.addWidget(title)
            layout.addWidget(plot)
        self.loss.setToolTip("The loss of each step, which is minimized, and its running mean.")
        self.score.setToolTip(
            "Pearson's r of prediction and target on pixels that are not learned: 1 is perfect."
        )
        self.begin(())

    def begin(self, names: Sequence[str]) -> None:
        """Show empty plots for outputs of these names."""
        self._names = tuple(names)
        for curve in self._scores:
            self.score.removeItem(curve)
        self._scores = [self.score.plot() for _ in names]
        for curve in (self._raw, self._smooth):
            curve.setData([], [])
        for plot in (self.loss, self.score):  # until there is something to show
            plot.setYRange(0, 1, padding=PADDING)
        self.follow_theme()

    def show_history(self, history: History) -> None:
        """Draw what has happened so far."""
        steps, losses, smooth = history.losses()
        self._raw.setData(steps, losses)
        self._smooth.setData(steps, smooth)
        _range(self.loss, smooth, losses)
        at, scores = history.scores()
        for position, curve in enumerate(self._scores):
            known = np.isfinite(scores[:, position])
            curve.setData(at[known], scores[known, position])
        finite = scores[np.isfinite(scores)]
        if finite.size:
            low = min(float(finite.min()), 0.9)
            self.score.setYRange(max(low, -0.2), 1.0, padding=PADDING)
        self.loss_title.setText(f"Loss <b>{smooth[-1]:.3g}</b>" if smooth.size else "Loss")
        self.score_title.setText(self._score_text(history))

    def follow_theme(self, event: Any = None) -> None:
        """Take the colours of the current theme."""
        text, faint = color("text"), color("secondary")
        for plot in (self.loss, self.score):
            plot.setBackground(color("background"))
            for name in ("left", "bottom"):
                axis = plot.getAxis(name)
                axis.setPen(pg.mkPen(faint))
                axis.setTextPen(pg.mkPen(text))
        self._raw.setPen(pg.mkPen(faint, width=1))
        self._smooth.setPen(pg.mkPen(text, width=2))
        for position, curve in enumerate(self._scores):
            shade = OUTPUT_COLORS[position % len(OUTPUT_COLORS)]
            curve.setPen(pg.mkPen(shade, width=2))
            curve.setSymbol("o")
            curve.setSymbolSize(5)
            curve.setSymbolPen(None)
            curve.setSymbolBrush(pg.mkBrush(shade))

    def _score_text(self, history: History) -> str:
        last = history.last()
        if not last:
            return "Validation r: not scored yet"
        parts = [
            f'<span style="color: {OUTPUT_COLORS[at % len(OUTPUT_COLORS)]}">{_escaped(name)} '
            f"<b>{value:.2f}</b></span>"
            for at, (name, value) in enumerate(zip(self._names, last, strict=True))
            if np.isfinite(value)
        ]
        best = history.best()
        is_last = best is not None and best[0] == history.scores()[0][-1]
        mean = f"; best {best[1]:.2f} at step {best[0]:,}" if best and not is_last else ""
        return f"Validation r: {', '.join(parts)}{mean}"


def _plot() -> Any:
    plot = pg.PlotWidget()
    # As wide as the dock is, which it would else make wider.
    plot.setMinimumWidth(0)
    plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(x=False, y=False)
    plot.hideButtons()
    plot.setAntialiasing(True)
    plot.getAxis("left").setWidth(AXIS_WIDTH)
    plot.getAxis("bottom").enableAutoSIPrefix(False)
    plot.getAxis("left").enableAutoSIPrefix(False)
    return plot


def _range(plot: Any, smooth: np.ndarray, losses: np.ndarray) -> None:
    """Show the smooth line whole, and of the single losses those that are not far off."""
    if not smooth.size:
        return
    high = max(float(smooth.max()), float(np.percentile(losses, 98)))
    low = min(float(smooth.min()), float(losses.min()))
    plot.setYRange(low, high if high > low else low + 1, padding=PADDING)


def _escaped(name: str) -> str:
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
