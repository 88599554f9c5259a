"""Options that hardly anybody needs: where the result goes, and how it is computed."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLabel, QSpinBox, QWidget

from napari_virtual_stain.gui.collapsible import Collapsible, options_form
from napari_virtual_stain.gui.predict.destination import Destination
from napari_virtual_stain.gui.widgets import Choice
from napari_virtual_stain.inference.options import Device, Precision, Units
from napari_virtual_stain.inference.precision_choice import TOLERANCE

DEVICE_NAMES = {
    "auto": "automatic",
    "cpu": "CPU",
    "cuda": "GPU (CUDA)",
    "mps": "GPU (Apple MPS)",
}
UNIT_NAMES = {"intensity": "grey values", "z-score": "network units"}


class AdvancedOptions(Collapsible):
    """Collapsed until it is asked for."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(
            "Advanced options",
            "Where the result goes, device, precision, memory, tile size, units.",
        )
        self.is_touched = False
        self.device = Choice()
        self.device.offer(list(get_args(Device)), [DEVICE_NAMES[d] for d in get_args(Device)])
        self.precision = Choice()
        precisions = list(get_args(Precision))
        self.precision.offer(precisions, ["automatic", *precisions[1:]])
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
        self.tta = QCheckBox("Test-time augmentation")
        self.tta.setToolTip(
            "The mean over eight turns and flips of the image. It takes eight times as long.\n"
            "How far they differ is shown as uncertainty."
        )
        self.result = Destination()

        content = QWidget()
        rows: tuple[tuple[str | QLabel, QWidget, str], ...] = (
            (
                "Result",
                self.result.choice,
                "In memory, or written to disk as it comes: then it may be larger than the\n"
                "memory, and a prediction that was stopped goes on where it was.",
            ),
            (self.result.label, self.result, ""),
            ("Device", self.device, "What computes. Automatic: the GPU if there is one."),
            (
                "Precision",
                self.precision,
                "Automatic: a reduced precision only where it is clearly faster and its result\n"
                f"differs from that of fp32 by at most {TOLERANCE} σ (RMS).",
            ),
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
        )
        form = options_form(content, rows)
        form.addRow(self.tta)
        self.addWidget(content)
        for spin in (self.memory, self.tile):
            spin.setKeyboardTracking(False)
        for signal in (self.device.picked, self.memory.valueChanged):
            signal.connect(self._touch)
        for signal in (
            self.precision.picked,
            self.tile.valueChanged,
            self.units.picked,
            self.tta.toggled,
            self.result.changed,
        ):
            signal.connect(self._tell)

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

    def chosen_precision(self) -> Precision:
        """Return the precision."""
        precision: Precision = self.precision.value()
        return precision

    def wants_tta(self) -> bool:
        """Whether test-time augmentation is wanted."""
        return bool(self.tta.isChecked())

    def chosen_folder(self) -> Path | None:
        """Return the folder of the result, or None where it is kept in memory."""
        return self.result.folder()

    def chosen_tile(self) -> int | None:
        """Return the size of a tile in pixels, or None for automatic."""
        return int(self.tile.value()) or None

    def chosen_units(self) -> Units:
        """Return the units of the prediction."""
        units: Units = self.units.value()
        return units

    def _touch(self) -> None:
        self.is_touched = True
        self.changed.emit()

    def _tell(self) -> None:
        self.changed.emit()
