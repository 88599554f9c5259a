"""Options that hardly anybody needs: device, memory, tile, units."""

from __future__ import annotations

from typing import get_args

from qtpy.QtCore import QSize, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QLabel, QSpinBox, QWidget
from superqt import QCollapsible

from napari_virtual_stain.gui.widgets import Choice
from napari_virtual_stain.inference.options import Device, Units

DEVICE_NAMES = {
    "auto": "automatic",
    "cpu": "CPU",
    "cuda": "GPU (CUDA)",
    "mps": "GPU (Apple MPS)",
}
UNIT_NAMES = {"intensity": "grey values", "z-score": "network units"}


class AdvancedOptions(QCollapsible):  # type: ignore[misc]
    """Collapsed until it is asked for."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setDuration(0)
        # The arrow is part of the text, because an icon does not follow the theme.
        self.toggleButton().setIconSize(QSize(0, 0))
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.content().layout().setContentsMargins(0, 4, 0, 0)
        self.toggleButton().setStyleSheet(
            "QPushButton, QPushButton:checked { background: transparent; border: none;"
            " padding: 2px 0px; margin-left: -4px; text-align: left; font-weight: bold; }"
        )
        self.toggleButton().setToolTip("Device, memory, tile size and units.")
        self.toggled.connect(self._show_arrow)
        self._show_arrow(False)
        self.is_touched = False
        self.device = Choice()
        self.device.offer(list(get_args(Device)), [DEVICE_NAMES[d] for d in get_args(Device)])
        self.memory = QDoubleSpinBox()
        self.memory.setRange(0, 4096)
        self.memory.setSingleStep(0.5)
        self.memory.setDecimals(1)
        self.memory.setSuffix(" GiB")
        self.memory.setSpecialValueText("automatic")
        self.tile = QSpinBox()
        self.tile.setRange(0, 65536)
        self.tile.setSingleStep(64)
        self.tile.setSuffix(" px")
        self.tile.setSpecialValueText("automatic")
        self.units = Choice()
        self.units.offer(list(get_args(Units)), [UNIT_NAMES[unit] for unit in get_args(Units)])

        content = QWidget()
        form = QFormLayout(content)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for title, field, tip in (
            ("Device", self.device, "What computes. Automatic: the GPU if there is one."),
            (
                "Memory",
                self.memory,
                "What it may use. Automatic: a share of what is free.",
            ),
            ("Tile", self.tile, "Size of the parts. It changes time and memory, not the result."),
            (
                "Units",
                self.units,
                "Grey values like those of the images that the model was trained on,\n"
                "or the network's own, mostly z-scores: the distance from the mean in standard\n"
                "deviations.",
            ),
        ):
            label = QLabel(title)
            label.setIndent(0)
            label.setToolTip(tip)
            field.setToolTip(tip)
            form.addRow(label, field)
        self.addWidget(content)
        for choice in (self.device, self.units):
            choice.picked.connect(self._touch)
        for spin in (self.memory, self.tile):
            spin.setKeyboardTracking(False)
            spin.valueChanged.connect(self._touch)

    def take_defaults(self, device: Device, memory: float | None) -> None:
        """Take what the preferences say, unless something has been chosen here."""
        if self.is_touched:
            return
        self.device.choose(device)
        self.memory.blockSignals(True)
        self.memory.setValue(memory or 0)
        self.memory.blockSignals(False)

    def chosen_device(self) -> Device:
        """Return the device."""
        device: Device = self.device.value()
        return device

    def chosen_memory(self) -> float | None:
        """Return GiB, or None for automatic."""
        return float(self.memory.value()) or None

    def chosen_tile(self) -> int | None:
        """Return the size of a tile in pixels, or None for automatic."""
        return int(self.tile.value()) or None

    def chosen_units(self) -> Units:
        """Return the units of the prediction."""
        units: Units = self.units.value()
        return units

    def _show_arrow(self, is_open: bool) -> None:
        self.setText(f"{'▾' if is_open else '▸'} Advanced options")

    def _touch(self) -> None:
        self.is_touched = True
        self.changed.emit()
