"""The arguments of a simulation, checked, with a sentence for each that cannot be used."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from napari_virtual_stain.errors import VirtualStainError

VOXEL_SIZE: Mapping[str, float] = MappingProxyType({"Z": 1.0, "Y": 0.325, "X": 0.325})
"""µm: focal planes 1 µm apart, and a camera of 6.5 µm pixels behind a 20× objective."""

_FINEST, _COARSEST = 0.05, 1.3  # µm: below, nothing is gained; above, nuclei are a few pixels


def whole(what: str, value: Any, least: int) -> int:
    """Return `value` as an int of at least `least`.

    Raises
    ------
    VirtualStainError
        If it is none; `what` names it in the sentence.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise VirtualStainError(f"{what} is {value!r}; give a whole number of at least {least}.")
    return number


def finite(what: str, value: Any, least: float = -math.inf) -> float:
    """Return `value` as a finite float of at least `least`.

    Raises
    ------
    VirtualStainError
        If it is none; `what` names it in the sentence.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < least:
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise VirtualStainError(f"{what} is {value!r}; give a number{bound}.")
    return number


def image_size(size: Any) -> tuple[int, int]:
    """Return `size` as height and width in pixels.

    Raises
    ------
    VirtualStainError
        If it is not two numbers of pixels.
    """
    try:
        height, width = size
    except (TypeError, ValueError):
        raise VirtualStainError(
            f"the size {size!r} is not a height and a width; give two numbers of pixels."
        ) from None
    return whole("the height", height, 1), whole("the width", width, 1)


def voxel_sizes(given: Mapping[str, float]) -> dict[str, float]:
    """Return the voxel size in µm along Z, Y and X; axes that are left out get their default.

    Raises
    ------
    VirtualStainError
        If another axis is named, or a size is out of range.
    """
    unknown = [axis for axis in given if axis not in VOXEL_SIZE]
    if unknown:
        raise VirtualStainError(
            f"a voxel size was given for the axis {unknown[0]!r}; a specimen has Z, Y and X."
        )
    checked = {}
    for axis, default in VOXEL_SIZE.items():
        length = finite(f"the voxel size along {axis}", given.get(axis, default))
        if not length > 0:
            raise VirtualStainError(
                f"the voxel size {length:g} µm along {axis} is not positive; give it in µm."
            )
        if axis != "Z" and not _FINEST <= length <= _COARSEST:
            raise VirtualStainError(
                f"the voxel size {length:g} µm along {axis} cannot be simulated; "
                f"give {_FINEST:g} to {_COARSEST:g} µm."
            )
        checked[axis] = length
    return checked
