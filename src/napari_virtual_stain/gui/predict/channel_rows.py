"""The layers that are chosen: one for each input of the model, and one to compare each output."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.predict.layer_row import LayerRow
from napari_virtual_stain.gui.predict.offers import Offer
from napari_virtual_stain.gui.predict.suggestions import suggest_input, suggest_observed
from napari_virtual_stain.gui.widgets import heading
from napari_virtual_stain.model import ModelSpec


class ChannelRows(QWidget):  # type: ignore[misc]
    """Rows of layers under the headings **Input** and **Compare with**."""

    changed = Signal()
    axes_chosen = Signal(object, str)

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[LayerRow] = []
        self.observed: list[LayerRow] = []
        self._spec: ModelSpec | None = None
        self._input_rows, self._observed_rows = QVBoxLayout(), QGridLayout()
        self._input_rows.setSpacing(3)
        self._observed_rows.setVerticalSpacing(4)
        self._observed_rows.setHorizontalSpacing(8)
        self._observed_rows.setColumnStretch(1, 1)
        self._observed_heading = heading("Compare with (optional)")
        self._observed_heading.setToolTip(
            "Observed fluorescence on the same grid. It gives the correlation, error maps, masks\n"
            "of both, and the contrast of the predicted layer."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(heading("Input"))
        layout.addLayout(self._input_rows)
        layout.addWidget(self._observed_heading)
        layout.addLayout(self._observed_rows)

    def take_model(self, spec: ModelSpec | None) -> None:
        """Make the rows that a model needs; none where there is no model."""
        self._spec = spec
        for row in (*self.inputs, *self.observed):
            for widget in (row.label, row):
                widget.setParent(None)
                widget.deleteLater()
        self.inputs = [
            LayerRow(
                (channel.modality or channel.name)
                + (f", {channel.planes} z planes" if channel.planes > 1 else ""),
                f"The layer that the model takes as {channel.name}.",
            )
            for channel in (spec.inputs if spec is not None else ())
        ]
        self.observed = [
            LayerRow(
                output.name,
                f"An observed image of {output.name} to compare the prediction with.",
                optional=True,
            )
            for output in (spec.outputs if spec is not None else ())
        ]
        for row in self.inputs:
            self._input_rows.addWidget(row.label)
            self._input_rows.addWidget(row)
        for position, row in enumerate(self.observed):
            self._observed_rows.addWidget(row.label, position, 0, Qt.AlignmentFlag.AlignVCenter)
            self._observed_rows.addWidget(row, position, 1)
        for row in (*self.inputs, *self.observed):
            row.changed.connect(self._tell)
            row.axes_chosen.connect(self._tell_axes)
        self._observed_heading.setVisible(bool(self.observed))

    def offer(self, offers: Sequence[Offer], active: Layer | None) -> None:
        """Offer layers in every row, and suggest one where nobody has chosen.

        Parameters
        ----------
        offers : sequence of Offer
        active : layer or None
            The one that is selected in the layer list.
        """
        if self._spec is None:
            return
        taken: list[Pick] = []
        for position, row in enumerate(self.inputs):
            preferred = [row.pick().layer, active]
            row.offer(offers, suggest_input(self._spec, position, offers, preferred, taken))
            taken.append(row.pick())
        inputs = [row.pick().layer for row in self.inputs]
        for output, row in zip(self._spec.outputs, self.observed, strict=True):
            row.offer(offers, suggest_observed(output.name, inputs, offers))

    def _tell(self) -> None:
        self.changed.emit()

    def _tell_axes(self, layer: Layer, axes: str) -> None:
        self.axes_chosen.emit(layer, axes)
