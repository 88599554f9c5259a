"""One pair: a layer for each input and each target, and what the pair is for."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QFrame, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.predict.layer_row import LayerRow
from napari_virtual_stain.gui.predict.offers import Offer
from napari_virtual_stain.gui.train.channel_rows import remove_button
from napari_virtual_stain.gui.train.picks import PairPicks
from napari_virtual_stain.gui.train.suggestions import suggest_input, suggest_target
from napari_virtual_stain.gui.widgets import heading

LABEL_WIDTH = 90
"""Pixels beyond which the name of a channel is cut."""


class PairBox(QFrame):  # type: ignore[misc]
    """The pickers of one pair.

    Parameters
    ----------
    picks : PairPicks, optional
        What is chosen at first; by default what the names of layers suggest.
    """

    changed = Signal()
    removed = Signal(object)
    axes_chosen = Signal(object, str)

    def __init__(self, picks: PairPicks | None = None) -> None:
        super().__init__()
        self.inputs: list[LayerRow] = []
        self.targets: list[LayerRow] = []
        self._given = picks
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.title = heading("Pair")
        self.validates = QCheckBox("only for scoring")
        self.validates.setToolTip(
            "Nothing is learned from this pair: it tells how good the model is on an image that\n"
            "it has not seen. No part of the other pairs is then held out."
        )
        self.remove = remove_button("Remove this pair. Its layers stay.")
        top = QHBoxLayout()
        top.setSpacing(6)
        top.addWidget(self.title)
        top.addStretch(1)
        top.addWidget(self.validates)
        top.addWidget(self.remove)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 6)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addLayout(self._grid)
        self.validates.toggled.connect(self._tell)
        self.remove.clicked.connect(self._tell_removed)

    def picks(self) -> PairPicks:
        """Return what is chosen."""
        return PairPicks(
            tuple(row.pick() for row in self.inputs),
            tuple(row.pick() for row in self.targets),
            bool(self.validates.isChecked()),
        )

    def show_number(self, number: int, of: int) -> None:
        """Show which pair it is; a single one cannot be removed, nor be only for scoring."""
        self.title.setText(f"Pair {number}")
        self.remove.setVisible(of > 1)
        self.validates.setVisible(of > 1)
        if of == 1 and self.validates.isChecked():
            self.validates.setChecked(False)

    def show_names(self, inputs: Sequence[str], targets: Sequence[str]) -> None:
        """Show what the channels are called."""
        for rows, names, kind in (
            (self.inputs, inputs, "Input"),
            (self.targets, targets, "Target"),
        ):
            for row, name in zip(rows, names, strict=True):
                row.label.setText(name or kind)
                # By itself, the label asks for no more room than its text had before.
                width = row.label.fontMetrics().horizontalAdvance(name or kind) + 4
                row.label.setMinimumWidth(min(width, LABEL_WIDTH))
                row.layer.setAccessibleName(f"{kind} {name}")

    def take_channels(self, inputs: int, targets: int) -> None:
        """Have as many rows as there are channels; those at the end come and go."""
        for rows, count, kind in (
            (self.inputs, inputs, "input"),
            (self.targets, targets, "target"),
        ):
            while len(rows) > count:
                self._drop(rows.pop())
            while len(rows) < count:
                rows.append(self._new_row(kind))
        for line, row in enumerate((*self.inputs, *self.targets)):
            self._grid.addWidget(row.label, line, 0, Qt.AlignmentFlag.AlignVCenter)
            self._grid.addWidget(row, line, 1)

    def remove_channel(self, position: int, *, is_input: bool) -> None:
        """Remove the row of a channel that has been removed."""
        self._drop((self.inputs if is_input else self.targets).pop(position))

    def offer(self, images: Sequence[Offer], targets: Sequence[Offer], *, suggest: bool) -> None:
        """Offer layers in every row, and suggest one where nobody has chosen.

        Parameters
        ----------
        images, targets : sequence of Offer
            For inputs and for targets.
        suggest : bool
            Whether empty rows are filled by the names of the layers.
        """
        there = [offer.layer for offer in targets]
        keeps = self.picks().is_complete and all(layer in there for layer in self.picks().layers)
        given, self._given = self._given, None
        taken: list[Pick] = []
        for position, row in enumerate(self.inputs):
            pick = _still(given.inputs[position] if given is not None else row.pick(), there)
            if given is None and suggest and not (keeps and pick.layer is not None):
                pick = suggest_input(images, taken)
            row.offer(images, pick)
            taken.append(row.pick())
        chosen: list[Pick] = []
        for position, row in enumerate(self.targets):
            pick = _still(given.targets[position] if given is not None else row.pick(), there)
            if given is None and suggest and not (keeps and pick.layer is not None):
                pick = suggest_target(targets, taken, chosen)
            row.offer(targets, pick)
            chosen.append(row.pick())
        if given is not None:
            for row in (*self.inputs, *self.targets):
                row.is_touched = True

    def _new_row(self, kind: str) -> LayerRow:
        tip = (
            "The layer that the model takes."
            if kind == "input"
            else "What is to be predicted: an image of a stain, or labels that are painted.\n"
            "None where this field of view lacks it."
        )
        row = LayerRow(kind.capitalize(), tip, optional=kind == "target")
        row.changed.connect(self._tell)
        row.axes_chosen.connect(self._tell_axes)
        return row

    def _drop(self, row: LayerRow) -> None:
        for widget in (row.label, row):
            widget.setParent(None)
            widget.deleteLater()

    def _tell(self, *_: object) -> None:
        self.changed.emit()

    def _tell_removed(self) -> None:
        self.removed.emit(self)

    def _tell_axes(self, layer: Layer, axes: str) -> None:
        self.axes_chosen.emit(layer, axes)


def _still(pick: Pick, there: Sequence[Layer]) -> Pick:
    return pick if pick.layer in there else Pick()


class PairList(QWidget):  # type: ignore[misc]
    """The pairs, one below the other."""

    changed = Signal()
    axes_chosen = Signal(object, str)

    def __init__(self) -> None:
        super().__init__()
        self.boxes: list[PairBox] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)

    def picks(self) -> list[PairPicks]:
        """Return what is chosen in each pair."""
        return [box.picks() for box in self.boxes]

    def add(self, picks: PairPicks | None = None) -> PairBox:
        """Add a pair at the end."""
        box = PairBox(picks)
        self.boxes.append(box)
        self._layout.addWidget(box)
        box.changed.connect(self._tell)
        box.axes_chosen.connect(self._tell_axes)
        box.removed.connect(self.remove)
        self._number()
        return box

    def remove(self, box: PairBox) -> None:
        """Remove a pair."""
        self.boxes.remove(box)
        box.setParent(None)
        box.deleteLater()
        self._number()
        self.changed.emit()

    def remove_channel(self, position: int, is_input: bool) -> None:
        """Remove the row of a channel from every pair."""
        for box in self.boxes:
            box.remove_channel(position, is_input=is_input)

    def _number(self) -> None:
        for number, box in enumerate(self.boxes, start=1):
            box.show_number(number, len(self.boxes))

    def _tell(self) -> None:
        self.changed.emit()

    def _tell_axes(self, layer: Layer, axes: str) -> None:
        self.axes_chosen.emit(layer, axes)
