"""Shows what a batch looks like: a few patches, input beside target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_virtual_stain.gui.theme import color
from napari_virtual_stain.gui.train.thumbnails import Thumbnail

GAP = 4


class BatchView(QWidget):  # type: ignore[misc]
    """Rows of small pictures, as large as the dock is wide."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[list[tuple[str, QImage]]] = []
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setToolTip(
            "Patches of one batch as the network gets them: inputs, then targets.\n"
            "Pixels that do not count are reddish."
        )
        self.hide()

    def show_rows(self, rows: Sequence[Sequence[Thumbnail]]) -> None:
        """Show pictures instead of what was shown; without any, take no room."""
        self._rows = [[(one.title, _image(one)) for one in row] for row in rows]
        self.setVisible(bool(self._rows))
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        """Return that the height follows from the width."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height of all rows."""
        side = self._side(width)
        return self._title_height() + len(self._rows) * (side + GAP) if self._rows else 0

    def sizeHint(self) -> QSize:
        """Return a size of a usual dock's width."""
        return QSize(300, self.heightForWidth(300))

    def resizeEvent(self, event: Any) -> None:
        """Take the height that the width needs."""
        super().resizeEvent(event)
        self.setMinimumHeight(self.heightForWidth(self.width()))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint titles and pictures."""
        if not self._rows:
            return
        side = self._side(self.width())
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.setPen(color("text"))
            top = self._title_height()
            for column, (title, _) in enumerate(self._rows[0]):
                where = QRectF(column * (side + GAP), 0, side, top)
                text = painter.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, side)
                painter.drawText(where, Qt.AlignmentFlag.AlignLeft, text)
            for row, pictures in enumerate(self._rows):
                for column, (_, image) in enumerate(pictures):
                    scale = side / max(image.width(), image.height())
                    painter.drawImage(
                        QRectF(
                            column * (side + GAP),
                            top + row * (side + GAP),
                            image.width() * scale,
                            image.height() * scale,
                        ),
                        image,
                    )

    def _side(self, width: int) -> int:
        columns = max((len(row) for row in self._rows), default=1)
        return max(min((width - GAP * (columns - 1)) // columns, 140), 1)

    def _title_height(self) -> int:
        return int(self.fontMetrics().lineSpacing()) + 2


def _image(one: Thumbnail) -> QImage:
    height, width, _ = one.pixels.shape
    image = QImage(one.pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return image.copy()  # of its own memory
