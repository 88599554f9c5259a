"""Picks a layer and one of its channels, and asks for its axes where they are not known."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_virtual_stain.gui.layers import describe_axes
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.predict.offers import Offer
from napari_virtual_stain.gui.widgets import Choice


class LayerRow(QWidget):  # type: ignore[misc]
    """A layer picker; beside it a channel picker, and under it the axes, where they are needed.

    Parameters
    ----------
    title : str
        What the layer is for; the text of `label`, which whoever makes the row places.
    tip : str
        Tooltip.
    optional : bool
        Whether no layer can be picked.
    """

    changed = Signal()
    axes_chosen = Signal(object, str)

    def __init__(self, title: str, tip: str, *, optional: bool = False) -> None:
        super().__init__()
        self.is_touched = False
        self._optional = optional
        self._offers: list[Offer] = []
        self.label = QElidingLabel(title)
        self.label.setIndent(0)
        self.layer = Choice()
        self.channel = Choice()
        self.axes = Choice()
        self.axes_label = QLabel("Axes")
        self.axes_label.setIndent(0)
        for widget in (self.label, self.layer):
            widget.setToolTip(tip)
        self.label.setBuddy(self.layer)
        self.layer.setAccessibleName(title)
        self.channel.setAccessibleName(f"Channel of {title}")
        self.channel.setToolTip("The channel of the layer.")
        for widget in (self.axes, self.axes_label):
            widget.setToolTip(
                "What the axes of the layer are, which it does not say itself:\n"
                "T time points, C channels, Z planes, Y rows, X columns."
            )
        pickers = QHBoxLayout()
        pickers.setSpacing(4)
        pickers.addWidget(self.layer, 3)
        pickers.addWidget(self.channel, 2)
        axes = QHBoxLayout()
        axes.setSpacing(6)
        axes.addWidget(self.axes_label)
        axes.addWidget(self.axes, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(pickers)
        layout.addLayout(axes)
        policy = QSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self.label.setSizePolicy(policy)
        self.layer.picked.connect(self._picked)
        self.channel.picked.connect(self._picked)
        self.axes.picked.connect(self._axes_picked)

    def pick(self) -> Pick:
        """Return what is picked."""
        return Pick(self.layer.value(), self.channel.value() or 0)

    def offer(self, offers: Sequence[Offer], suggested: Pick) -> None:
        """Offer layers; what a person has picked stays while it is there, else the suggestion."""
        before = self.pick()
        layers = [offer.layer for offer in offers]
        if before.layer is not None and before.layer not in layers:
            self.is_touched = False
        chosen = before if self.is_touched else suggested
        self._offers = list(offers)
        none = ([None], ["none"]) if self._optional else ([], [])
        self.layer.offer(
            [*none[0], *layers], [*none[1], *(layer.name for layer in layers)], chosen.layer
        )
        self.layer.setPlaceholderText("choose…" if layers else "No image")
        if chosen.layer is None and not self._optional:
            self.layer.setCurrentIndex(-1)
        self.layer.setEnabled(bool(layers))
        self._offer_channels(chosen.channel)
        self._offer_axes()

    def _picked(self) -> None:
        self.is_touched = True
        self._offer_channels(self.channel.value() or 0)
        self._offer_axes()
        self.changed.emit()

    def _axes_picked(self) -> None:
        self.axes_chosen.emit(self.layer.value(), self.axes.value())

    def _offer_channels(self, chosen: int) -> None:
        offer = self._offer()
        names = list(offer.channels) if offer is not None else []
        self.channel.offer(list(range(len(names))), names, chosen)
        self.channel.setVisible(len(names) > 1)

    def _offer_axes(self) -> None:
        offer = self._offer()
        choices = list(offer.choices) if offer is not None and len(offer.choices) > 1 else []
        undecided = [""] if offer is not None and not offer.axes else []
        texts = ["choose…" for _ in undecided] + [describe_axes(axes) for axes in choices]
        self.axes.offer([*undecided, *choices], texts, offer.axes if offer is not None else "")
        for widget in (self.axes, self.axes_label):
            widget.setVisible(bool(choices))

    def _offer(self) -> Offer | None:
        layer = self.layer.value()
        return next((offer for offer in self._offers if offer.layer == layer), None)
