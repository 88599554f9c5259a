"""Where the engine puts what it computes: an array, or a frame of a result on its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.inference.on_grid import key_of
from napari_virtual_stain.inference.units import OutputUnits, to_units
from napari_virtual_stain.model import ModelSpec
from napari_virtual_stain.normalization import Scaling
from napari_virtual_stain.target import Session

Region = tuple[slice, ...]


class Sink(Protocol):
    """Receives the parts of one frame; each part belongs to a numbered unit of work."""

    @property
    def channels(self) -> int:
        """How many of the predictions and, behind them, of the uncertainty maps are wanted."""

    def put(self, region: Region, values: np.ndarray) -> None:
        """Take the values (channels, *region) of a region of the frame, in network units."""

    def is_done(self, unit: int) -> bool:
        """Whether an earlier run finished this unit."""

    def finished(self, unit: int) -> None:
        """Hear that all parts of a unit were put."""

    def keep(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays for a later run."""

    def kept(self, name: str) -> dict[str, np.ndarray] | None:
        """Return arrays that an earlier run kept."""


class ArraySink:
    """Puts the parts of a frame into an array.

    Parameters
    ----------
    out : ndarray of float32, shape (channels, *spatial)
    """

    def __init__(self, out: np.ndarray) -> None:
        self.out, self.channels = out, out.shape[0]

    def put(self, region: Region, values: np.ndarray) -> None:
        """Copy values to their place."""
        self.out[(slice(None), *region)] = values

    def is_done(self, unit: int) -> bool:
        """Return False: nothing of an array outlives its run."""
        return False

    def finished(self, unit: int) -> None:
        """Do nothing."""

    def keep(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Do nothing."""

    def kept(self, name: str) -> dict[str, np.ndarray] | None:
        """Return None."""
        return None


@dataclass(frozen=True)
class FrameSink:
    """Writes the parts of a frame into a session, in the units of the result.

    Parameters
    ----------
    session : Session
    axes : str
        Of the result.
    time, plane : int
        The frame.
    spec : ModelSpec
    of_input : Scaling
        Of the first input.
    units : sequence of OutputUnits
    channels : int
        Of what is put: predictions, then uncertainty maps.
    """

    session: Session
    axes: str
    time: int
    plane: int
    spec: ModelSpec
    of_input: Scaling
    units: Sequence[OutputUnits]
    channels: int

    def put(self, region: Region, values: np.ndarray) -> None:
        """Write values, after a look at them."""
        check_finite(values)
        to_units(values, self.spec, self.of_input, self.units)
        write(self.session, self.axes, (self.time, self.plane), region, values, len(self.units))

    def is_done(self, unit: int) -> bool:
        """Whether an earlier run finished this unit."""
        return self.session.is_done(self._name(unit))

    def finished(self, unit: int) -> None:
        """Record a unit as done."""
        self.session.finished(self._name(unit))

    def keep(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays for a later run."""
        self.session.keep(self._name(name), arrays)

    def kept(self, name: str) -> dict[str, np.ndarray] | None:
        """Return arrays that an earlier run kept."""
        return self.session.kept(self._name(name))

    def _name(self, part: int | str) -> str:
        return f"{self.time}.{self.plane}.{part}"


def write(
    session: Session,
    axes: str,
    frame: tuple[int, int],
    region: Region,
    values: np.ndarray,
    outputs: int,
) -> None:
    """Write a region of a frame: `outputs` predictions, then the uncertainty maps."""
    session.write("predicted", key_of(axes, *frame, outputs, region), values[:outputs])
    if len(values) > outputs:
        maps = values[outputs:]
        session.write("uncertainty", key_of(axes, *frame, len(maps), region), maps)


def check_finite(values: np.ndarray) -> None:
    """Raise a VirtualStainError if a prediction is NaN or infinite."""
    if not np.isfinite(values).all():
        raise VirtualStainError(
            "the model predicts NaN or infinite values for this image; choose the precision "
            "fp32, and if that is so already, the model is damaged."
        )
