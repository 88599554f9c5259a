"""Picks a preset and a model to start from, and says what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_virtual_stain.gui.collapsible import options_form
from napari_virtual_stain.gui.predict.models import details, same_file
from napari_virtual_stain.gui.widgets import Choice, WrappedLabel
from napari_virtual_stain.io import ModelEntry, list_models
from napari_virtual_stain.training import Preset, presets

FIRST = ("quick", "best", "best-small")
"""The project's own presets, which are offered before the published ones."""

FROM_SCRATCH = "nothing: from scratch"


class RecipePicker(QWidget):  # type: ignore[misc]
    """A list of presets with a sentence about the one that is chosen, and one of models.

    Parameters
    ----------
    folder : callable
        Returns the model folder; asked each time, because preferences change.
    """

    changed = Signal()

    def __init__(self, folder: Callable[[], Path]) -> None:
        super().__init__()
        self._folder = folder
        self.is_touched = False
        self.preset = Choice()
        found = sorted(presets(), key=lambda one: _rank(one.name))
        self.preset.offer(found, [one.name for one in found])
        for row, one in enumerate(found):
            self.preset.setItemData(row, one.description, Qt.ItemDataRole.ToolTipRole)
        self.description = WrappedLabel()
        self.start = Choice()
        pickers = QWidget()
        options_form(
            pickers,
            (
                ("Preset", self.preset, "The network, and how it is trained."),
                (
                    "Start from",
                    self.start,
                    "A model whose weights are the beginning, such as one of a similar stain: it\n"
                    "then learns from less. Its network takes the place of the preset's.",
                ),
            ),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(pickers)
        layout.addWidget(self.description)
        self.preset.picked.connect(self._touch)
        self.start.picked.connect(self._tell)
        self.start.opening.connect(self.refresh)
        self.refresh()
        self._describe()

    def chosen(self) -> Preset:
        """Return the preset."""
        found: Preset = self.preset.value()
        return found

    def suggest(self, name: str) -> None:
        """Choose a preset, unless a person has chosen one."""
        if not self.is_touched:
            self.preset.choose(next(one for one in presets() if one.name == name))
            self._describe()

    def names(self) -> list[str]:
        """Return the names of all presets, in the order in which they are offered."""
        return [self.preset.itemText(row) for row in range(self.preset.count())]

    def start_path(self) -> Path | None:
        """Return the file of the model to start from, if there is any."""
        entry: ModelEntry | None = self.start.value()
        return entry.path if entry is not None else None

    def refresh(self) -> None:
        """Read again which models there are."""
        before = self.start_path()
        entries = [entry for entry in list_models(self._folder()) if entry.spec is not None]
        kept = next(
            (one for one in entries if before is not None and same_file(one.path, before)), None
        )
        self.start.offer([None, *entries], [FROM_SCRATCH, *(one.name for one in entries)], kept)
        for row, entry in enumerate(entries, start=1):
            self.start.setItemData(row, details(entry), Qt.ItemDataRole.ToolTipRole)

    def _describe(self) -> None:
        self.description.setText(self.chosen().description)

    def _touch(self) -> None:
        self.is_touched = True
        self._describe()
        self._tell()

    def _tell(self) -> None:
        self.changed.emit()


def _rank(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)
