"""How the grids of two layers lie to each other: the same, a crop, or of another pixel size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.image import AXES

SAME = 0.02
"""Pixel sizes that differ by less are taken for the same."""

NOTHING = 1e-4
"""Share by which pixel sizes differ for no more than the rounding of a file."""

SMALLEST = 8
"""Pixels along Y and X below which there is nothing to be seen of a shared part."""


class Relation(Enum):
    """What must be done so that two layers can be compared pixel by pixel."""

    SAME = auto()
    CROP = auto()
    RESAMPLE = auto()


@dataclass(frozen=True, eq=False)
class Common:
    """The grid on which two layers are compared: a part of that of the observed one.

    Parameters
    ----------
    relation : Relation
    observed, predicted : mapping of str to slice
        The part of each, by axis (px); all where an axis is absent. Where the prediction is
        resampled, its part covers that of the observed layer.
    text : str
        What must be done, in words; empty for nothing.
    notice : str
        What a person should know about the grids all the same; empty for nothing.
    """

    relation: Relation
    observed: Mapping[str, slice]
    predicted: Mapping[str, slice]
    text: str = ""
    notice: str = ""


def common_grid(
    observed: Geometry, predicted: Geometry, names: tuple[str, str] = ("observed", "predicted")
) -> Common:
    """Find the grid on which two layers can be compared.

    Parameters
    ----------
    observed, predicted : Geometry
        C axes do not matter.
    names : (observed, predicted)
        What the layers are called, for the errors.

    Raises
    ------
    VirtualStainError
        If there is none: different time points or planes, turned against each other, or nothing
        in common.
    """
    sizes = [_sizes(one) for one in (observed, predicted)]
    axes = [axis for axis in AXES if axis != "C" and any(axis in size for size in sizes)]
    for axis in axes:
        _check_axis_is_shared(axis, sizes, names)
    shared = [axis for axis in axes if all(axis in size for size in sizes)]
    same_size = all(sizes[0][axis] == sizes[1][axis] for axis in shared)
    places = [along(one) for one in (observed, predicted)]
    if None in places:
        if same_size:
            return Common(Relation.SAME, {}, {}, notice=_lies_elsewhere(observed, predicted))
        raise VirtualStainError(
            f"{names[0]} and {names[1]} are turned or sheared against the axes and have other "
            "sizes, so it cannot be told which pixels belong together; crop them to one region."
        )
    steps, starts = zip(*[place for place in places if place is not None], strict=True)
    scaled = [
        axis
        for axis in shared
        if max(steps[0][axis], steps[1][axis]) > (1 + SAME) * min(steps[0][axis], steps[1][axis])
    ]
    if same_size and (not scaled or _is_bare(observed) or _is_bare(predicted)):
        return Common(Relation.SAME, {}, {}, notice=_lies_elsewhere(observed, predicted))
    apart = max(abs(1 - steps[0][axis] / steps[1][axis]) for axis in shared if axis != "T")
    notice = ""
    if not scaled and apart > NOTHING:
        notice = f"their pixel sizes differ by {apart:.1%}, which is taken for nothing."
    for geometry, name in zip((observed, predicted), names, strict=True):
        if scaled and _is_bare(geometry):
            raise VirtualStainError(
                f"{names[0]} and {names[1]} have other sizes, and that of the pixels of {name} is "
                "not known; set its scale, or crop both to one region."
            )
    parts: list[dict[str, slice]] = [{}, {}]
    for axis in shared:
        if axis == "T" and sizes[0][axis] != sizes[1][axis]:
            raise _differing(axis, sizes, names)
        step, other = steps[0][axis], steps[1][axis]
        begin = (starts[1][axis] - starts[0][axis]) / step
        # Pixels have a size: a grid begins half a pixel before the middle of its first one.
        low = begin + 0.5 - 0.5 * other / step
        if scaled:
            length = sizes[1][axis] * other / step
            first = max(0, int(np.ceil(low - 0.25)))
            last = min(sizes[0][axis], int(np.floor(low + length + 0.25)))
        else:
            first = max(0, round(begin))
            last = min(sizes[0][axis], round(begin) + sizes[1][axis])
        if last - first < (SMALLEST if axis in "YX" else 1):
            raise VirtualStainError(
                f"{names[0]} and {names[1]} do not lie over each other in the viewer (along "
                f"{axis}); move one of them (translate), or choose layers of the same field."
            )
        parts[0][axis] = slice(first, last)
        if not scaled:
            there = first - round(begin)
            parts[1][axis] = slice(there, there + last - first)
    if scaled:
        listed = ", ".join(
            f"{axis} {steps[0][axis]:.4g} and {steps[1][axis]:.4g}" for axis in scaled
        )
        text = (
            f"The pixels of {names[0]} and {names[1]} have other sizes ({listed}); {names[1]} can "
            f"be resampled to the grid of {names[0]}."
        )
        return Common(Relation.RESAMPLE, parts[0], {}, text)
    region = ", ".join(
        f"{axis} {part.start} to {part.stop - 1}"
        for axis, part in parts[0].items()
        if axis != "T" and part != slice(0, sizes[0][axis])
    )
    text = f"{names[0]} and {names[1]} have other sizes; the part that both show can be compared"
    if region:
        text += f" ({region} of {names[0]})"
    return Common(Relation.CROP, parts[0], parts[1], f"{text}.", notice)


def cropped(geometry: Geometry, part: Mapping[str, slice]) -> Geometry:
    """Return the geometry of a part of a layer."""
    starts = [part[axis].start if axis in part else 0 for axis in geometry.axes]
    shape = [
        part[axis].stop - part[axis].start if axis in part else size
        for axis, size in zip(geometry.axes, geometry.shape, strict=True)
    ]
    moved = geometry.translate + geometry.linear @ np.array(starts, float)
    return replace(geometry, shape=tuple(shape), translate=moved)


def _sizes(geometry: Geometry) -> dict[str, int]:
    return {
        axis: size
        for axis, size in zip(geometry.axes, geometry.shape, strict=True)
        if axis != "C" and (size > 1 or axis in "YX")
    }


def _check_axis_is_shared(axis: str, sizes: list[dict[str, int]], names: tuple[str, str]) -> None:
    if any(axis not in size for size in sizes):
        raise _differing(axis, sizes, names)


def _differing(axis: str, sizes: list[dict[str, int]], names: tuple[str, str]) -> VirtualStainError:
    what = {"T": "time points", "Z": "planes", "Y": "rows", "X": "columns"}[axis]
    counts = [size.get(axis, 1) for size in sizes]
    return VirtualStainError(
        f"{names[0]} has {counts[0]} {what} and {names[1]} {counts[1]}, and it cannot be told "
        "which belong together; choose layers of one field of view, or crop them alike."
    )


def along(geometry: Geometry) -> tuple[dict[str, float], dict[str, float]] | None:
    """Return the step and the start of each axis in the world; None where axes are turned."""
    affine = geometry.affine[:-1, :-1] @ geometry.linear
    start = geometry.affine[:-1, :-1] @ geometry.translate + geometry.affine[:-1, -1]
    if not np.allclose(affine, np.diag(np.diag(affine)), atol=1e-9 * np.abs(affine).max()):
        return None
    steps = np.diag(affine)
    if np.any(steps <= 0):
        return None
    factors = [_factor(unit) for unit in geometry.units]
    return (
        {a: float(s * f) for a, s, f in zip(geometry.axes, steps, factors, strict=True)},
        {a: float(s * f) for a, s, f in zip(geometry.axes, start, factors, strict=True)},
    )


def is_length(unit: object) -> bool:
    """Whether a unit is one of length; pixels are none."""
    return bool(_quantity(unit).is_compatible_with("micrometer"))


def _factor(unit: object) -> float:
    """Return how many µm a unit of length is; 1 for what is none."""
    return float(_quantity(unit).m_as("micrometer")) if is_length(unit) else 1.0


def _quantity(unit: object) -> Any:
    import pint

    return pint.get_application_registry().Quantity(1, unit)  # type: ignore[no-untyped-call]


def _is_bare(geometry: Geometry) -> bool:
    """Whether nobody has said how large its pixels are."""
    place = along(geometry)
    lengths = [
        is_length(unit) for a, unit in zip(geometry.axes, geometry.units, strict=True) if a in "YX"
    ]
    return (
        place is not None
        and not any(lengths)
        and all(step == 1 for axis, step in place[0].items() if axis in "YX")
    )


def _lies_elsewhere(observed: Geometry, predicted: Geometry) -> str:
    spatial = [axis for axis in "ZYX" if axis in observed.axes and axis in predicted.axes]
    here, there = (_corners(one, spatial) for one in (observed, predicted))
    if np.allclose(here, there, rtol=0, atol=0.51 * _step(observed)):
        return ""
    return (
        "they have one size and lie apart in the viewer; they are compared pixel by pixel, where "
        "the observed layer lies."
    )


def _corners(geometry: Geometry, axes: list[str]) -> np.ndarray:
    order = [geometry.axes.index(axis) for axis in axes]
    matrix = geometry.affine[:-1, :-1] @ geometry.linear
    origin = geometry.affine[:-1, :-1] @ geometry.translate + geometry.affine[:-1, -1]
    end = origin + matrix @ (np.array(geometry.shape, float) - 1)
    factors = np.array([_factor(geometry.units[i]) for i in order])
    return np.stack([origin[order] * factors, end[order] * factors])


def _step(geometry: Geometry) -> float:
    steps = np.abs(np.diag(geometry.affine[:-1, :-1] @ geometry.linear))
    factors = [_factor(unit) for unit in geometry.units]
    return float((steps * factors)[-2:].min())
