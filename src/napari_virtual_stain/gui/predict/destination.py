"""Picks where a result goes: into memory, or into a folder of the disk."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QStandardPaths, Qt, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget
from superqt import QElidingLabel

from napari_virtual_stain.gui.widgets import Choice

NAMES = {False: "in memory", True: "on disk (OME-Zarr)"}


class Destination(QWidget):  # type: ignore[misc]
    """A folder, beside `choice`, which says whether one is needed.

    Attributes
    ----------
    choice : Choice
        Whether the result goes to disk; whoever makes this places it.
    label : QLabel
        Of the folder; to be placed too.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._picked: Path | None = None
        self._folder = Path.home()
        self.choice = Choice()
        self.choice.offer(list(NAMES), list(NAMES.values()))
        self.label = QLabel("Folder")
        self.shown = QElidingLabel()
        self.shown.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.shown.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.browse = QPushButton("Browse…")
        self.browse.setToolTip("Choose another folder.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.shown, 1)
        layout.addWidget(self.browse)
        self.choice.picked.connect(self._tell)
        self.browse.clicked.connect(self._browse)
        self.suggest(None)

    def folder(self) -> Path | None:
        """Return the folder, or None where the result is kept in memory."""
        return self._folder if self.choice.value() else None

    def suggest(self, folder: Path | None) -> None:
        """Offer a folder, by default that of pictures, unless a person has picked one."""
        self._folder = self._picked or folder or _pictures()
        self.shown.setText(str(self._folder))
        self.shown.setToolTip(f"{self._folder}\nThe result is named after the image.")
        for widget in (self.label, self):
            widget.setVisible(bool(self.choice.value()))

    def pick(self, folder: Path) -> None:
        """Take a folder, as a person does; it stays until another one is picked."""
        self._picked = folder
        self.changed.emit()

    def _tell(self) -> None:
        self.changed.emit()

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of the result", str(self._folder))
        if chosen:
            self.pick(Path(chosen))


def _pictures() -> Path:
    place = QStandardPaths.StandardLocation.PicturesLocation
    folder = Path(QStandardPaths.writableLocation(place))
    return folder if folder.is_dir() else Path.home()
