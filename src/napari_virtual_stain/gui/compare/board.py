"""What is shown while a comparison is on: the view, the scores, a plot, and what can be saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_virtual_stain.gui.compare.cells import CellsBox
from napari_virtual_stain.gui.compare.export_box import ExportBox
from napari_virtual_stain.gui.compare.score_table import ScoreTable
from napari_virtual_stain.gui.compare.view_box import ViewBox
from napari_virtual_stain.gui.widgets import Choice, WrappedLabel, heading

if TYPE_CHECKING:
    from napari_virtual_stain.gui.compare.plots import Plots


class Board(QWidget):  # type: ignore[misc]
    """The parts of the dock that belong to a comparison that is on."""

    region_chosen = Signal(object)
    region_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.view = ViewBox()
        self.where = WrappedLabel()
        self.table = ScoreTable()
        self.region = Choice()
        self.draw_region = QPushButton("Draw…")
        self.copy = QPushButton("Copy")
        self.exports = ExportBox()
        self.cells = CellsBox()
        self.plots: Plots | None = None
        self.region.setAccessibleName("Region that is scored")
        region_tip = "Score the inside of the shapes of a layer too. They hold for every plane."
        self.region.setToolTip(region_tip)
        self.draw_region.setToolTip("Adds a Shapes layer, and lets you draw a rectangle.")
        self.copy.setToolTip("Copy the table, for a spreadsheet.")
        label = QLabel("Region")
        label.setToolTip(region_tip)
        row = QHBoxLayout()
        row.setSpacing(6)
        for widget, stretch in (
            (label, 0),
            (self.region, 1),
            (self.draw_region, 0),
        ):
            row.addWidget(widget, stretch)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)
        self._layout.addWidget(heading("Show"))
        self._layout.addWidget(self.view)
        self._layout.addWidget(heading("Scores"))
        head = QHBoxLayout()
        head.setSpacing(6)
        head.addWidget(self.where, 1)
        head.addWidget(self.copy)
        self._layout.addLayout(head)
        self._layout.addWidget(self.table)
        self._layout.addLayout(row)
        self._plot_heading = heading("Plot")
        self._layout.addWidget(self._plot_heading)
        self._layout.addWidget(heading("Save"))
        self._layout.addWidget(self.exports)
        self._layout.addWidget(self.cells)
        self.region.picked.connect(lambda: self.region_chosen.emit(self.region.value()))
        self.draw_region.clicked.connect(lambda _=False: self.region_wanted.emit())
        self.copy.clicked.connect(lambda _=False: self.table.copy())

    def prepare(self) -> Plots:
        """Return the plots, made when they are first wanted: their library takes its time."""
        if self.plots is None:
            from napari_virtual_stain.gui.compare.plots import Plots

            self.plots = Plots()
            self._layout.insertWidget(self._layout.indexOf(self._plot_heading) + 1, self.plots)
        return self.plots
