"""How the pair is looked at: channel, mode, map, and what belongs to each."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_stain.evaluation.matching import MATCHES
from napari_virtual_stain.gui.collapsible import options_form
from napari_virtual_stain.gui.compare.maps import MAPS
from napari_virtual_stain.gui.compare.modes import TIPS, Mode
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.widgets import Choice

FLIP_KEY, CHANNEL_KEY = "W", "Shift-W"
"""Keys that napari leaves free whatever kind of layer is active."""

STEPS = 1000
"""Positions of the curtain."""

TOLERANCES = 100

MATCH_TITLES = {"none": "none", "z-score": "z-score", "least-squares": "least squares"}


class ViewBox(QWidget):  # type: ignore[misc]
    """Pickers of the view. They tell what is chosen, and know nothing of layers."""

    mode_chosen = Signal(object)
    map_chosen = Signal(str)
    flipped = Signal()
    split_moved = Signal(float)
    tolerance_moved = Signal(float)
    channel_chosen = Signal(int)
    projection_chosen = Signal(bool)
    under_chosen = Signal(object)
    match_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.channel = Choice()
        self.channel_label = QLabel("Channel")
        self.modes = {mode: QPushButton(mode.value) for mode in Mode}
        self.flip = QPushButton(f"Flip  ({FLIP_KEY})")
        self.blink = QCheckBox("Blink")
        self.rate = QDoubleSpinBox()
        self.split = QSlider(Qt.Orientation.Horizontal)
        self.under = Choice()
        self.under_label = QLabel("Over")
        self.projection = QCheckBox("Maximum projection")
        self.map = Choice()
        self.tolerance = QSlider(Qt.Orientation.Horizontal)
        self.tolerance_text = QLabel()
        self.match = Choice()
        self._timer = QTimer(self)
        self._arrange()
        self._connect()
        self.show_mode(Mode.FLIP)

    def offer_channels(self, names: Sequence[str]) -> None:
        """Offer channels; one alone needs no choice."""
        self.channel.offer(list(range(len(names))), list(names), self.channel.value())
        self._channel_row.setVisible(len(names) > 1)

    def begin(self, channel: int, tolerance: float) -> None:
        """Show what a comparison begins with."""
        for widget in (self.projection, self.tolerance):
            widget.blockSignals(True)
        self.channel.choose(channel)
        self.under.choose(None)
        self.projection.setChecked(False)
        self.tolerance.setValue(round(tolerance * TOLERANCES))
        for widget in (self.projection, self.tolerance):
            widget.blockSignals(False)

    def offer_under(self, layers: Sequence[Layer]) -> None:
        """Offer layers that merged channels can be shown over."""
        names = [layer.name for layer in layers]
        self.under.offer([None, *layers], ["nothing", *names], self.under.value())

    def show_mode(self, mode: Mode) -> None:
        """Show which mode is on, and what belongs to it."""
        self.modes[mode].setChecked(True)
        flips = mode in (Mode.FLIP, Mode.MERGED)
        self._flipping.setVisible(flips)
        self.split.setVisible(mode is Mode.CURTAIN)
        self._under_row.setVisible(mode is Mode.MERGED)
        if not flips:
            self.blink.setChecked(False)

    def show_split(self, split: float) -> None:
        """Show where the curtain hangs."""
        self.split.blockSignals(True)
        self.split.setValue(round(split * STEPS))
        self.split.blockSignals(False)

    def show_map(self, name: str) -> None:
        """Show which map is on."""
        self.map.choose(name)
        self._tolerance_row.setVisible(name == "tolerance")

    def show_tolerance(self, text: str) -> None:
        """Say what the tolerance is in grey values."""
        self.tolerance_text.setText(text)

    def allow_projection(self, allowed: bool) -> None:
        """Offer maximum projections, where there are planes."""
        self.projection.setVisible(allowed)

    def stop(self) -> None:
        """Blink no more."""
        self.blink.setChecked(False)

    def _arrange(self) -> None:
        group = QButtonGroup(self)
        group.setExclusive(True)
        buttons = QGridLayout()
        buttons.setSpacing(4)
        for place, (mode, button) in enumerate(self.modes.items()):
            button.setCheckable(True)
            button.setToolTip(TIPS[mode])
            button.setAccessibleName(f"Show as: {mode.value}")
            narrow(button)
            group.addButton(button)
            buttons.addWidget(button, place // 3, place % 3)
        self.flip.setMinimumWidth(90)
        self.flip.setToolTip(f"Show the other one. Key: {FLIP_KEY}, in the canvas.")
        self.blink.setToolTip("Flip by itself.")
        self.rate.setRange(0.1, 5.0)
        self.rate.setSingleStep(0.1)
        self.rate.setDecimals(1)
        self.rate.setValue(0.7)
        self.rate.setSuffix(" s")
        self.rate.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.rate.setFixedWidth(52)
        self.rate.setAccessibleName("Seconds between flips")
        self.split.setRange(0, STEPS)
        self.split.setPageStep(STEPS // 20)
        self.split.setValue(STEPS // 2)
        self.split.setToolTip("Move the curtain. Its line can be dragged in the image too.")
        self.split.setAccessibleName("Curtain")
        self.projection.setToolTip("Show and score the brightest of all planes at each place.")
        self.tolerance.setRange(0, TOLERANCES)
        self.tolerance.setValue(10)
        self.tolerance.setAccessibleName("Tolerance in percent of the displayed range")
        self._flipping, self._under_row, self._tolerance_row = QWidget(), QWidget(), QWidget()
        _row(self._flipping, (self.flip, 1), (self.blink, 0), (self.rate, 0))
        _row(self._under_row, (self.under_label, 0), (self.under, 1))
        _row(self._tolerance_row, (self.tolerance, 1), (self.tolerance_text, 0))
        self.map.offer([one.name for one in MAPS], [one.title for one in MAPS], "")
        for at, one in enumerate(MAPS):
            self.map.setItemData(at, one.tip, Qt.ItemDataRole.ToolTipRole)
        self.match.offer(list(MATCHES), [MATCH_TITLES[match] for match in MATCHES], "none")
        options = QWidget()
        self.channel_label.setToolTip(f"Key: {CHANNEL_KEY}, in the canvas.")
        options_form(
            options,
            (
                (
                    "Map",
                    self.map,
                    "What is laid over the pair. In a flip, one that hides the pair comes third.",
                ),
                (
                    "Match",
                    self.match,
                    "How predicted grey values are brought to the observed ones: by mean and\n"
                    "standard deviation, or by the gain and offset of least squares.",
                ),
            ),
        )
        self._channel_row = QWidget()
        _row(self._channel_row, (self.channel_label, 0), (self.channel, 1))
        self.channel.setAccessibleName("Channel")
        self.under.setAccessibleName("Layer under the channels")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addWidget(self._channel_row)
        layout.addLayout(buttons)
        for widget in (
            self._flipping,
            self.split,
            self._under_row,
            options,
            self._tolerance_row,
            self.projection,
        ):
            layout.addWidget(widget)
        self._tolerance_row.hide()

    def _connect(self) -> None:
        for mode, button in self.modes.items():
            button.clicked.connect(lambda _=False, mode=mode: self.mode_chosen.emit(mode))
        self.flip.clicked.connect(lambda _=False: self.flipped.emit())
        self.blink.toggled.connect(self._on_blink)
        self.rate.valueChanged.connect(self._on_rate)
        self.split.valueChanged.connect(lambda value: self.split_moved.emit(value / STEPS))
        self.tolerance.valueChanged.connect(
            lambda value: self.tolerance_moved.emit(value / TOLERANCES)
        )
        self.projection.toggled.connect(self.projection_chosen.emit)
        self.channel.picked.connect(lambda: self.channel_chosen.emit(self.channel.value()))
        self.under.picked.connect(lambda: self.under_chosen.emit(self.under.value()))
        self.map.picked.connect(lambda: self.map_chosen.emit(self.map.value()))
        self.match.picked.connect(lambda: self.match_chosen.emit(self.match.value()))
        self._timer.timeout.connect(self.flipped.emit)

    def _on_blink(self, on: bool) -> None:
        if on:
            self._timer.start(round(1000 * self.rate.value()))
        else:
            self._timer.stop()

    def _on_rate(self, seconds: float) -> None:
        self._timer.setInterval(round(1000 * seconds))


def narrow(button: QPushButton) -> None:
    """Let a button be as narrow as its text, with less around it than napari gives."""
    button.setStyleSheet("QPushButton { padding: 3px 2px; min-width: 0px; }")
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)


def _row(widget: QWidget, *parts: tuple[QWidget, int]) -> None:
    layout = QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for part, stretch in parts:
        layout.addWidget(part, stretch)
