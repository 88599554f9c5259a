"""Picks a model, and says what it expects."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_virtual_stain.gui.predict.conversion import MODEL_FILES
from napari_virtual_stain.gui.predict.models import details, model_groups, open_entry, same_file
from napari_virtual_stain.gui.widgets import Choice, WrappedLabel
from napari_virtual_stain.io import ModelEntry


class ModelPicker(QWidget):  # type: ignore[misc]
    """A list of models in groups, a button to open one from a file, and what it expects.

    Parameters
    ----------
    folder : callable
        Returns the model folder; asked each time, because preferences change.
    """

    changed = Signal()
    browsed = Signal(str)

    def __init__(self, folder: Callable[[], Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self._opened: list[ModelEntry] = []
        self._known: list[tuple[str, ModelEntry | None]] = []
        self.combo = Choice()
        self.combo.setToolTip("The model that predicts.")
        self.browse = QPushButton("Browse…")
        self.browse.setToolTip(
            "Open a model file (.safetensors) that is not in the model folder; it can also be\n"
            "dropped on napari. A checkpoint of pytorch_fnet or GVTNets is converted."
        )
        self._expects = WrappedLabel()
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.combo, 1)
        row.addWidget(self.browse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self._expects)
        self.combo.opening.connect(self.refresh)
        self.combo.picked.connect(self._picked)
        self.browse.clicked.connect(self._browse)
        self.refresh()

    def entry(self) -> ModelEntry | None:
        """Return the model that is chosen, or None where there is none."""
        entry: ModelEntry | None = self.combo.value()
        return entry

    def text(self) -> str:
        """Return what is said of the model."""
        return str(self._expects.text())

    def choose(self, path: str | os.PathLike[str]) -> None:
        """Choose a model file, wherever it is. One that cannot be used is chosen and says why."""
        path = Path(path)
        self._opened = [one for one in self._opened if not same_file(one.path, path)]
        self.refresh()
        entry = self._find(path)
        if entry is None:
            entry = open_entry(path)
            self._opened.append(entry)
            self.refresh()
        self.combo.choose(entry)
        self._picked()

    def refresh(self) -> None:
        """Read again which models there are; what was chosen stays chosen where it can."""
        before = self.entry()
        self._opened = [open_entry(entry.path) for entry in self._opened]
        groups = model_groups(self._folder(), self._opened)
        listed = [entry for group in groups for entry in group.entries]
        if before is not None and not any(same_file(before.path, one.path) for one in listed):
            # Nobody chose another model: it stays chosen, and says that its file is gone.
            self._opened.append(open_entry(before.path))
            groups = model_groups(self._folder(), self._opened)
        rows: list[tuple[str, ModelEntry | None]] = []
        for group in groups:
            rows.append((group.title, None))
            rows += [(entry.name, entry) for entry in group.entries]
        if rows != self._known or not rows:
            self._known = rows
            self._fill(rows, before)
            self._describe()
        if before is not None and self.entry() != before:
            self.changed.emit()

    def _fill(self, rows: list[tuple[str, ModelEntry | None]], before: ModelEntry | None) -> None:
        entries = [entry for _, entry in rows]
        self.combo.offer(entries, [title for title, _ in rows])
        items = self.combo.model()
        assert isinstance(items, QStandardItemModel)
        for position, (_, entry) in enumerate(rows):
            _dress(items.item(position), entry)
        chosen = self._find(before.path) if before is not None else None
        first = next((entry for entry in entries if entry is not None), None)
        self.combo.choose(chosen or first)
        self.combo.setEnabled(bool(rows))
        self.combo.setPlaceholderText("No model yet")

    def _find(self, path: Path) -> ModelEntry | None:
        return next((e for _, e in self._known if e is not None and same_file(e.path, path)), None)

    def _picked(self) -> None:
        self._describe()
        self.changed.emit()

    def _describe(self) -> None:
        entry = self.entry()
        if entry is None:
            text = f"Put models into {self._folder()}, or browse for one."
        elif entry.spec is None:
            text = "This file cannot be used."
        else:
            text = entry.spec.expects
        self._expects.setText(text)
        for widget in (self.combo, self._expects):
            widget.setToolTip(details(entry) if entry is not None else "")

    def _browse(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Open a model", str(self._folder()), MODEL_FILES
        )
        if path:
            self.browsed.emit(path)


def _dress(item: QStandardItem, entry: ModelEntry | None) -> None:
    """Make a heading of an item without an entry, and give the others their tooltip."""
    if entry is None:
        item.setEnabled(False)
        font = item.font()
        font.setBold(True)
        item.setFont(font)
    else:
        item.setToolTip(details(entry))
