"""Where a model learns and where it is scored."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_virtual_stain.gui.collapsible import options_form
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.widgets import Choice

LEARN_TIP = (
    "Where the model learns: everywhere but where it is scored, or inside the shapes of a\n"
    "Shapes layer. The shapes hold for every pair, where they lie on it in the viewer."
)
SCORE_TIP = (
    "Where it is told how good the model is, on pixels that it does not learn from: the last\n"
    "fifth of the columns of each image, or inside the shapes of a Shapes layer."
)


class RegionsPicker(QWidget):  # type: ignore[misc]
    """Pickers of Shapes layers, and whether what is held out by itself is shown."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.learn_in, self.score_in = Choice(), Choice()
        self.show_held_out = QCheckBox("Show what is held out")
        self.show_held_out.setToolTip(
            "Marks the part of each image that is held out for scoring, in a layer that goes\n"
            "away again."
        )
        self.learn_label, self.score_label = QLabel("Learn in"), QLabel("Score in")
        pickers = QWidget()
        options_form(
            pickers,
            (
                (self.learn_label, self.learn_in, LEARN_TIP),
                (self.score_label, self.score_in, SCORE_TIP),
            ),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(pickers)
        layout.addWidget(self.show_held_out)
        self.learn_in.picked.connect(self._tell)
        self.score_in.picked.connect(self._tell)
        self.show_held_out.toggled.connect(self._tell)
        self.offer(())

    def offer(self, shapes: Sequence[Layer], *, pairs_are_scored: bool = False) -> None:
        """Offer Shapes layers.

        Parameters
        ----------
        shapes : sequence of layers
        pairs_are_scored : bool
            Whether some pairs are only for scoring, so that nothing is held out of the others.
        """
        names = [layer.name for layer in shapes]
        learn, score = self.learn_in.value(), self.score_in.value()
        held_out = "the pairs that are for it" if pairs_are_scored else "a fifth of each image"
        if learn is not None and score is None:
            held_out = "the rest"
        self.learn_in.offer([None, *shapes], ["everywhere else", *names], learn)
        self.score_in.offer([None, *shapes], [held_out, *names], score)
        for choice in (self.learn_in, self.score_in):
            choice.setEnabled(bool(shapes))
        self.show_held_out.setVisible(
            not pairs_are_scored and self.learn_in.value() is None and self.score_in.value() is None
        )

    def chosen(self) -> tuple[Layer | None, Layer | None]:
        """Return the shapes of training and validation."""
        return self.learn_in.value(), self.score_in.value()

    def wants_held_out(self) -> bool:
        """Whether what is held out is to be shown."""
        return bool(self.show_held_out.isChecked())

    def _tell(self, *_: object) -> None:
        self.changed.emit()
