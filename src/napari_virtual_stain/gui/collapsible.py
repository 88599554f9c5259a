"""A part of a dock that is closed until it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget
from superqt import QCollapsible


class Collapsible(QCollapsible):  # type: ignore[misc]
    """A bold title that opens and closes what is below it.

    Parameters
    ----------
    title, tip : str
    """

    def __init__(self, title: str, tip: str) -> None:
        super().__init__()
        self._title = title
        self.setDuration(0)
        # The arrow is part of the text, because an icon does not follow the theme.
        self.toggleButton().setIconSize(QSize(0, 0))
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.content().layout().setContentsMargins(0, 4, 0, 0)
        self.toggleButton().setStyleSheet(
            "QPushButton, QPushButton:checked { background: transparent; border: none;"
            " padding: 2px 0px; margin-left: -4px; text-align: left; font-weight: bold; }"
        )
        self.toggleButton().setToolTip(tip)
        self.toggled.connect(self._show_arrow)
        self._show_arrow(False)

    def _show_arrow(self, is_open: bool) -> None:
        self.setText(f"{'▾' if is_open else '▸'} {self._title}")


def options_form(parent: QWidget, rows: Sequence[tuple[str | QLabel, QWidget, str]]) -> QFormLayout:
    """Lay out options as rows of title, field and tooltip."""
    form = QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(4)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for title, field, tip in rows:
        label = title if isinstance(title, QLabel) else QLabel(title)
        label.setIndent(0)
        label.setToolTip(tip)
        field.setToolTip(tip)
        form.addRow(label, field)
    return form
