"""Buttons that save what is shown, and the dialogs that ask where."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QGridLayout, QPushButton, QWidget

from napari_virtual_stain.gui.compare.view_box import narrow

KINDS = {
    "report": (
        "Report…",
        "Write a page that can be mailed, with pictures, all scores, error maps and masks as\n"
        "OME-TIFF, into a folder.",
        "",
    ),
    "flip": (
        "Flip…",
        "Save observed and predicted, taking turns, as GIF or MP4.",
        "Animations (*.gif *.mp4)",
    ),
    "picture": (
        "Picture…",
        "Save observed, predicted, error maps and masks of what is shown as one PNG.",
        "Pictures (*.png)",
    ),
    "features": (
        "Features…",
        "Measure cells in the observed and in the predicted image, and write how well each\n"
        "feature agrees, as a page and as tables, into a folder. Needs the extra features.",
        "",
    ),
    "scores": (
        "Scores…",
        "Save the scores of every plane and time point, and of the whole, as CSV.",
        "Tables (*.csv)",
    ),
}
FOLDERS = {"report": "comparison", "features": "features"}
ENDINGS = {"flip": ".gif", "picture": ".png", "scores": ".csv"}


class ExportBox(QWidget):  # type: ignore[misc]
    """A button for each kind of file."""

    wanted = Signal(str, object)
    """What is to be saved, and where."""

    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.buttons = {kind: QPushButton(text) for kind, (text, *_) in KINDS.items()}
        self.folder = Path.home()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for at, (kind, button) in enumerate(self.buttons.items()):
            button.setToolTip(KINDS[kind][1])
            narrow(button)
            button.clicked.connect(lambda _=False, kind=kind: self._ask(kind))
            grid.addWidget(button, at // 3, at % 3)

    def allow(self, allowed: bool) -> None:
        """Enable the buttons, once there is something to save."""
        for button in self.buttons.values():
            button.setEnabled(allowed)

    def _ask(self, kind: str) -> None:
        title = KINDS[kind][0].removesuffix("…")
        if kind in FOLDERS:
            name = QFileDialog.getExistingDirectory(self, f"{title}: folder", str(self.folder))
            path = free_folder(Path(name) / FOLDERS[kind]) if name else None
        else:
            start = self.folder / f"{kind}{ENDINGS[kind]}"
            name, _ = QFileDialog.getSaveFileName(self, title, str(start), KINDS[kind][2])
            path = Path(name) if name else None
            if path is not None and not path.suffix:
                path = path.with_suffix(ENDINGS[kind])
                if path.exists():  # the dialog has asked for another name
                    self.refused.emit(f"{path} exists already; choose it by its whole name.")
                    return
        if path is not None:
            self.folder = path.parent
            self.wanted.emit(kind, path)


def free_folder(path: Path) -> Path:
    """Return a folder, or one of that name and a number, where nothing is yet."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name} {number}")
    return free
