"""The table of scores: of what is shown, of a region, of the whole."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_virtual_stain.gui.compare.scores import SCORES, written

COLUMNS = ("shown", "region", "whole")


class ScoreTable(QWidget):  # type: ignore[misc]
    """Rows of scores; what is not known yet is empty. Its text can be copied."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(2)
        self._heads = {column: _cell("") for column in COLUMNS}
        self._cells: dict[tuple[str, str], QLabel] = {}
        self._values: dict[str, Mapping[str, float]] = {column: {} for column in COLUMNS}
        for at, column in enumerate(COLUMNS, 1):
            self._grid.addWidget(self._heads[column], 0, at)
        for row, score in enumerate(SCORES, 1):
            title = QLabel(score.title)
            title.setIndent(0)
            title.setToolTip(score.tip)
            self._grid.addWidget(title, row, 0)
            for at, column in enumerate(COLUMNS, 1):
                cell = _cell("")
                cell.setToolTip(score.tip)
                cell.setAccessibleName(f"{score.title}, {column}")
                self._cells[score.key, column] = cell
                self._grid.addWidget(cell, row, at)
        self._grid.setColumnStretch(0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._grid)
        self.name_columns("shown", "")

    def name_columns(self, shown: str, region: str) -> None:
        """Say what the scores are of; a region without a name is not shown."""
        for column, text in zip(COLUMNS, (shown, region, "whole"), strict=True):
            self._heads[column].setText(f"<b>{text}</b>")
        visible = bool(region)
        self._heads["region"].setVisible(visible)
        for score in SCORES:
            self._cells[score.key, "region"].setVisible(visible)

    def show_scores(self, column: str, values: Mapping[str, float]) -> None:
        """Show the scores of a column; those that are absent are empty."""
        self._values[column] = dict(values)
        for score in SCORES:
            self._cells[score.key, column].setText(written(score, values.get(score.key)))

    def values(self, column: str) -> Mapping[str, float]:
        """Return what a column shows."""
        return self._values[column]

    def text(self) -> str:
        """Return the table as lines of columns parted by tabs, for a spreadsheet."""
        columns = [c for c in COLUMNS if self._heads[c].isVisibleTo(self)]
        heads = [self._heads[c].text().removeprefix("<b>").removesuffix("</b>") for c in columns]
        lines = ["\t".join(["score", *heads])]
        for score in SCORES:
            cells = [self._cells[score.key, column].text() for column in columns]
            lines.append("\t".join([score.title, *cells]))
        return "\n".join(lines)

    def copy(self) -> None:
        """Put the table on the clipboard."""
        QApplication.clipboard().setText(self.text())


def _cell(text: str) -> QLabel:
    label = QLabel(text)
    label.setIndent(0)
    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
