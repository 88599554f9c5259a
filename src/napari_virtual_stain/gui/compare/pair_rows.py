"""Rows of pairs: for each channel the observed and the predicted layer."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_virtual_stain.gui.compare.form import PairPick
from napari_virtual_stain.gui.predict.layer_row import LayerRow
from napari_virtual_stain.gui.predict.offers import Offer

OBSERVED_TIP = "What was measured: the stained image."
PREDICTED_TIP = "What was predicted for it."


class PairRow(QWidget):  # type: ignore[misc]
    """An observed and a predicted layer."""

    removed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.observed = LayerRow("Observed", OBSERVED_TIP)
        self.predicted = LayerRow("Predicted", PREDICTED_TIP)
        self.remove = QPushButton("Remove")
        self.remove.setToolTip("Compare this channel no more.")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 4)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(3)
        for at, row in enumerate((self.observed, self.predicted)):
            grid.addWidget(row.label, at, 0)
            grid.addWidget(row, at, 1)
        grid.addWidget(self.remove, 2, 1)
        grid.setColumnStretch(1, 1)
        self.remove.clicked.connect(lambda _=False: self.removed.emit())

    @property
    def rows(self) -> tuple[LayerRow, LayerRow]:
        """Both layer pickers."""
        return self.observed, self.predicted

    def pick(self) -> PairPick:
        """Return what is picked."""
        return PairPick(self.observed.pick(), self.predicted.pick())


class PairRows(QWidget):  # type: ignore[misc]
    """As many pairs as there are channels to compare."""

    changed = Signal()
    axes_chosen = Signal(object, str)

    def __init__(self) -> None:
        super().__init__()
        self._is_touched = False
        self._offers: list[Offer] = []
        self.pairs: list[PairRow] = []
        self.add = QPushButton("Add a channel")
        self.add.setToolTip("Compare another pair of layers too.")
        self._layout = QVBoxLayout()
        self._layout.setSpacing(4)
        buttons = QHBoxLayout()
        buttons.addWidget(self.add)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._layout)
        layout.addLayout(buttons)
        self.add.clicked.connect(lambda _=False: self._on_add())
        self._fit(1)

    def picks(self) -> list[PairPick]:
        """Return what is picked in every row."""
        return [pair.pick() for pair in self.pairs]

    def offer(self, offers: Sequence[Offer], suggested: Sequence[PairPick]) -> None:
        """Offer layers; what a person has picked stays, else the suggestions are shown."""
        self._offers = list(offers)
        touched = any(row.is_touched for pair in self.pairs for row in pair.rows)
        if not (self._is_touched or touched):
            self._fit(max(1, len(suggested)))
        for at, pair in enumerate(self.pairs):
            pick = suggested[at] if at < len(suggested) else PairPick()
            pair.observed.offer(offers, pick.observed)
            pair.predicted.offer(offers, pick.predicted)
        self.add.setVisible(len(offers) > 2 or any(offer.channels for offer in offers))

    def _fit(self, count: int) -> None:
        while len(self.pairs) < count:
            pair = PairRow()
            pair.removed.connect(lambda pair=pair: self._on_remove(pair))
            for row in pair.rows:
                row.changed.connect(self._on_change)
                row.axes_chosen.connect(self.axes_chosen)
            self.pairs.append(pair)
            self._layout.addWidget(pair)
        while len(self.pairs) > count:
            self._drop(self.pairs[-1])
        for pair in self.pairs:
            pair.remove.setVisible(len(self.pairs) > 1)

    def _drop(self, pair: PairRow) -> None:
        self.pairs.remove(pair)
        self._layout.removeWidget(pair)
        pair.hide()
        pair.deleteLater()

    def _on_add(self) -> None:
        self._is_touched = True
        self._fit(len(self.pairs) + 1)
        for row in self.pairs[-1].rows:
            row.is_touched = True  # it stays empty until a layer is chosen
            row.offer(self._offers, PairPick().observed)
        self.changed.emit()

    def _on_remove(self, pair: PairRow) -> None:
        self._is_touched = True
        for row in (row for one in self.pairs for row in one.rows):
            row.is_touched = True
        self._drop(pair)
        self._fit(len(self.pairs))
        self.changed.emit()

    def _on_change(self) -> None:
        # What else was suggested is taken as chosen, and does not change under the hand.
        self._is_touched = True
        for row in (row for one in self.pairs for row in one.rows):
            row.is_touched = row.is_touched or row.pick().layer is not None
        self.changed.emit()
