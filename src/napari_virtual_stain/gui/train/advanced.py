"""Options that hardly anybody needs: how long it is trained, and on what."""

from __future__ import annotations

from typing import get_args

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QSpinBox, QWidget

from napari_virtual_stain.gui.collapsible import Collapsible, options_form
from napari_virtual_stain.gui.predict.advanced import DEVICE_NAMES
from napari_virtual_stain.gui.widgets import Choice
from napari_virtual_stain.inference.options import Device, Precision
from napari_virtual_stain.training import Preset

FROM_PRESET = "preset"


class AdvancedOptions(Collapsible):
    """Collapsed until it is asked for."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(
            "Advanced options", "Steps, batch, learning rate, device, precision, seed."
        )
        self.is_touched = False
        self.steps = QSpinBox()
        self.steps.setRange(0, 10_000_000)
        self.steps.setSingleStep(100)
        self.steps.setGroupSeparatorShown(True)
        self.batch = QSpinBox()
        self.batch.setRange(0, 4096)
        self.rate = QDoubleSpinBox()
        self.rate.setRange(0, 1)
        self.rate.setDecimals(6)
        self.rate.setSingleStep(0.0001)
        self.device = Choice()
        self.device.offer(list(get_args(Device)), [DEVICE_NAMES[d] for d in get_args(Device)])
        self.precision = Choice()
        precisions = list(get_args(Precision))
        self.precision.offer(precisions, ["automatic (fp32)", *precisions[1:]])
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.turns = QCheckBox("Turn and flip patches")
        self.turns.setChecked(True)
        self.turns.setToolTip(
            "Not where the light has a direction that the image shows, as the shear of DIC."
        )
        content = QWidget()
        form = options_form(
            content,
            (
                ("Steps", self.steps, "How long it learns. More are better up to a point."),
                ("Batch", self.batch, "Patches in a step. Fewer need less memory."),
                ("Learning rate", self.rate, "How far each step goes."),
                ("Device", self.device, "What computes. Automatic: the GPU if there is one."),
                (
                    "Precision",
                    self.precision,
                    "Of the computation. fp16 and bf16 are faster on GPUs.",
                ),
                ("Seed", self.seed, "Everything random follows from it."),
            ),
        )
        form.addRow(self.turns)
        self.addWidget(content)
        for spin in (self.steps, self.batch, self.rate, self.seed):
            spin.setKeyboardTracking(False)
            spin.valueChanged.connect(self._tell)
        self.device.picked.connect(self._touch)
        self.precision.picked.connect(self._tell)
        self.turns.toggled.connect(self._tell)

    def show_preset(self, preset: Preset) -> None:
        """Show what the preset says where nothing else is chosen."""
        for spin, value in (
            (self.steps, f"{preset.steps:,}"),
            (self.batch, str(preset.batch)),
            (self.rate, f"{preset.learning_rate:g}"),
        ):
            spin.setSpecialValueText(f"{FROM_PRESET}: {value}")

    def take_defaults(self, device: Device) -> None:
        """Take what the preferences say, unless something has been chosen here."""
        if not self.is_touched:
            self.device.choose(device)

    def chosen_steps(self) -> int | None:
        """Return the steps, or None for those of the preset."""
        return int(self.steps.value()) or None

    def chosen_batch(self) -> int | None:
        """Return the patches in a step, or None for those of the preset."""
        return int(self.batch.value()) or None

    def chosen_rate(self) -> float | None:
        """Return the learning rate, or None for that of the preset."""
        return float(self.rate.value()) or None

    def chosen_device(self) -> Device:
        """Return the device."""
        device: Device = self.device.value()
        return device

    def chosen_precision(self) -> Precision:
        """Return the precision."""
        precision: Precision = self.precision.value()
        return precision

    def chosen_seed(self) -> int:
        """Return the seed."""
        return int(self.seed.value())

    def wants_turns(self) -> bool:
        """Whether patches are turned and flipped."""
        return bool(self.turns.isChecked())

    def _touch(self) -> None:
        self.is_touched = True
        self.changed.emit()

    def _tell(self, *_: object) -> None:
        self.changed.emit()
