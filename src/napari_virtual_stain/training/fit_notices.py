"""What a person should know about how pairs fit the model that is trained on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from napari_virtual_stain.events import Notice
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference.resampling import TOLERANCE
from napari_virtual_stain.model import ModelSpec
from napari_virtual_stain.training.fields import Field

NAMED = 3
"""Images that a sentence names; the others are counted."""


def fit_notices(spec: ModelSpec, fields: Sequence[Field]) -> list[Notice]:
    """Return what is assumed of the images or done to them; a sentence for all that it is true of.

    Parameters
    ----------
    spec : ModelSpec
    fields : sequence of Field
        In the order of the specification.
    """
    said: dict[tuple[str, bool], list[str]] = {}
    for field in fields:
        for text, warning in (*_sizes(spec, field), *_planes(spec, field)):
            said.setdefault((text, warning), []).append(field.sources[0].name)
    return [
        Notice(text.format(names=_some(names)), warning) for (text, warning), names in said.items()
    ]


def _sizes(spec: ModelSpec, field: Field) -> Iterator[tuple[str, bool]]:
    source = field.sources[0]
    trained = {axis: spec.voxel_size.get(axis) for axis in spec.spatial_axes}  # type: ignore[call-overload]
    known = {axis: size for axis, size in trained.items() if size is not None}
    if not known:
        yield (
            "the voxel size of {names} is unknown: the model will take images pixel by pixel.",
            False,
        )
    unknown = {axis: size for axis, size in known.items() if axis not in source.voxel_size}
    if unknown:
        yield (
            f"the voxel size of {{names}} along {', '.join(unknown)} is unknown; it is taken for "
            f"{_um(unknown.values())}, at which is trained.",
            True,
        )
    other = {
        axis: source.voxel_size[axis]
        for axis, size in known.items()
        if axis in source.voxel_size and _differ(source.voxel_size[axis], size)
    }
    if other:
        then = _um(known[axis] for axis in other)
        yield (
            f"{{names}}: resampled along {', '.join(other)} from {_um(other.values())} to {then}, "
            "at which is trained.",
            False,
        )
    for target in field.given:
        yield from _against(source, target.image)


def _against(source: Image, target: Image) -> Iterator[tuple[str, bool]]:
    for axis, size in source.voxel_size.items():
        there = target.voxel_size.get(axis)
        if axis in target.axes and there is not None and _differ(size, there):
            yield (
                f"the voxel size along {axis} is {_um([size])} in the input and {_um([there])} in "
                "the target of {names}; that of the input is taken.",
                True,
            )


def _planes(spec: ModelSpec, field: Field) -> Iterator[tuple[str, bool]]:
    size, wanted = field.sources[0].sizes.get("Z", 1), spec.inputs[0].planes
    if spec.takes_planes and size != wanted:
        yield (
            f"{{names}}: {size} z planes, of which the nearest are taken for the {wanted} of the "
            "first pair, so the focus may not match.",
            True,
        )


def _differ(one: float, other: float) -> bool:
    return abs(one / other - 1) > TOLERANCE


def _um(sizes: Iterable[float]) -> str:
    return " × ".join(f"{size:g}" for size in sizes) + " µm"


def _some(names: Sequence[str]) -> str:
    different = list(dict.fromkeys(names))
    more = f" and {len(different) - NAMED} more" if len(different) > NAMED else ""
    return ", ".join(different[:NAMED]) + more
