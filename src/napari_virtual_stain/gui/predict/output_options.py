"""What is made beside the prediction: uncertainty, error maps after a match, and Otsu masks."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QWidget

from napari_virtual_stain.evaluation.matching import MATCHES, Match
from napari_virtual_stain.gui.predict.place import NOT_COMPARED
from napari_virtual_stain.gui.widgets import Choice

MATCH_NAMES = {"none": "no match", "z-score": "match z-scores", "least-squares": "match by fit"}
MATCH_TIPS = (
    "How the predicted grey values are brought to the observed ones before they are subtracted:\n"
    "no match: as they are;\n"
    "match z-scores: same mean and standard deviation;\n"
    "match by fit: gain and offset of least squares."
)

ERROR_TIP = (
    "Observed − predicted, predicted − observed, and the absolute error.\n"
    "They are added hidden: click on their eye in the layer list."
)
MASK_TIP = (
    "Masks by Otsu's threshold of the predicted channels, and of the observed ones that\n"
    "they are compared with. They are added hidden: click on their eye in the layer list."
)


class OutputOptions(QWidget):  # type: ignore[misc]
    """Boxes to tick, and the match of the error maps."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.prediction = QCheckBox("Prediction")
        self.prediction.setChecked(True)
        self.prediction.setEnabled(False)
        self.prediction.setToolTip("The predicted channels, each as a layer. Always added.")
        self.uncertainty = QCheckBox("Uncertainty")
        self.uncertainty.setChecked(True)
        self.uncertainty.setToolTip(
            "How sure the model is of each pixel: σ, one standard deviation in the units of the\n"
            "prediction, and where it has one, the entropy (0 sure, 1 no idea).\n"
            "Added hidden: click on their eye in the layer list."
        )
        self.errors = QCheckBox("Error maps")
        self.masks = QCheckBox("Otsu masks")
        self.match = Choice()
        self.match.offer(list(MATCHES), [MATCH_NAMES[match] for match in MATCHES])
        self.match.setToolTip(MATCH_TIPS)
        self.hint = QLabel()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(8)
        layout.setVerticalSpacing(4)
        layout.addWidget(self.prediction, 0, 0)
        layout.addWidget(self.uncertainty, 1, 0)
        layout.addWidget(self.errors, 2, 0)
        layout.addWidget(self.match, 2, 1)
        layout.addWidget(self.hint, 2, 1)
        layout.addWidget(self.masks, 3, 0)
        layout.setColumnStretch(1, 1)
        self.uncertainty.toggled.connect(self._tell)
        self.errors.toggled.connect(self._tell)
        self.masks.toggled.connect(self._tell)
        self.match.picked.connect(self._tell)
        self.allow_uncertainty(False)
        self.allow_errors(False)

    def allow_uncertainty(self, possible: bool) -> None:
        """Whether the model yields any uncertainty; if not, it is not asked about."""
        self._has_uncertainty = possible
        self.uncertainty.setVisible(possible)

    def allow_errors(self, possible: bool, compares: bool = True) -> None:
        """Whether there is an observed layer to take errors from.

        Parameters
        ----------
        possible : bool
        compares : bool
            Whether the result is one of which error maps and masks can be made.
        """
        self.errors.setEnabled(possible and compares)
        self.masks.setEnabled(compares)
        self.hint.setText("needs an observed layer" if compares else "not above 1 GiB on disk")
        self.hint.setVisible(not (possible and compares))
        self.match.setVisible(possible and compares)
        tip = ERROR_TIP if possible else "Choose an observed layer to compare with."
        self.errors.setToolTip(tip if compares else NOT_COMPARED)
        self.masks.setToolTip(MASK_TIP if compares else NOT_COMPARED)

    def wants_uncertainty(self) -> bool:
        """Whether uncertainty is wanted and the model yields it."""
        return bool(self.uncertainty.isChecked() and self._has_uncertainty)

    def wants_errors(self) -> bool:
        """Whether error maps are wanted, where they are possible."""
        return bool(self.errors.isChecked())

    def wants_masks(self) -> bool:
        """Whether Otsu masks are wanted."""
        return bool(self.masks.isChecked())

    def chosen_match(self) -> Match:
        """Return the match before the error maps."""
        match: Match = self.match.value()
        return match

    def _tell(self) -> None:
        self.changed.emit()
