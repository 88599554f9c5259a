"""What a layer's scale and units say of its voxel size and time step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_virtual_stain.image import SPATIAL


@dataclass(frozen=True)
class Calibration:
    """The steps of a layer's axes; those that are unknown are absent.

    Parameters
    ----------
    voxel_size : dict of str to float
        µm, keyed by spatial axis.
    time_step : float or None
        Seconds.
    assumed : dict of str to float
        The part of `voxel_size` whose scale has no unit.
    """

    voxel_size: dict[str, float]
    time_step: float | None
    assumed: dict[str, float]

    def assumption(self, name: str) -> str | None:
        """Return the sentence that says what was assumed of the layer of this name, if anything."""
        if not self.assumed:
            return None
        sizes = " × ".join(f"{size:g}" for size in self.assumed.values())
        return (
            f"the scale of {name} along {', '.join(self.assumed)} ({sizes}) has no unit and is "
            "taken as µm."
        )


def calibration(axes: str, scale: Sequence[float], units: Sequence[Any]) -> Calibration:
    """Return the calibration that scale and units give.

    A scale of 1 without a unit is one that nobody has set. Any other scale without a unit is
    taken as µm, as plugins have given it since before layers had units.

    Parameters
    ----------
    axes : str
        The layer's axes as letters of ``TCZYX``, in its order.
    scale : sequence of float
    units : sequence of pint units or their names
    """
    import pint

    registry = pint.get_application_registry()  # type: ignore[no-untyped-call]
    voxel_size: dict[str, float] = {}
    assumed: dict[str, float] = {}
    time_step = None
    for axis, step, unit in zip(axes, scale, units, strict=True):
        quantity = registry.Quantity(abs(float(step)), unit)
        if not quantity.magnitude:
            continue
        if axis == "T" and quantity.is_compatible_with("second"):
            time_step = float(quantity.m_as("second"))
        elif axis in SPATIAL and quantity.is_compatible_with("micrometer"):
            voxel_size[axis] = float(quantity.m_as("micrometer"))
        elif axis in SPATIAL and quantity.magnitude != 1:
            voxel_size[axis] = assumed[axis] = float(quantity.magnitude)
    in_order = {axis: voxel_size[axis] for axis in SPATIAL if axis in voxel_size}
    return Calibration(in_order, time_step, assumed)
