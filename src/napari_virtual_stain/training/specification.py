"""The specification of a model that is to be trained: what follows from its pairs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.model import FORMAT_VERSION, InputSpec, ModelSpec, OutputSpec, parse_spec
from napari_virtual_stain.training.fields import Field, Target, channel_name
from napari_virtual_stain.training.recipe import Preset

Named = TypeVar("Named", InputSpec, OutputSpec)

DNA = ("dapi", "hoechst", "dna", "nucle")


def in_order(spec: ModelSpec, field: Field) -> Field:
    """Return a field with its channels in the order of the specification, if it suits it.

    Parameters
    ----------
    spec : ModelSpec
        Drafted from all fields.
    field : Field
        As :func:`.channels_apart` returns it.

    Raises
    ------
    VirtualStainError
        If it has other inputs than the first, or its input and targets lie on different grids.
    """
    sources = _sources(field.sources, [channel.name for channel in spec.inputs])
    targets = _targets(field.given, [output.name for output in spec.outputs])
    for target in targets:
        if target is not None:
            _check_grid(spec, sources[0], target.image)
    return replace(field, sources=tuple(sources), targets=tuple(targets))


def draft_spec(
    fields: Sequence[Field],
    recipe: Preset,
    name: str,
    voxel_size: Mapping[str, float] | None = None,
) -> ModelSpec:
    """Return the specification that follows from the fields; grey values of targets come later.

    A z-stack whose target has no Z, under a 2D recipe, gives its planes as channels. The outputs
    are the targets of all fields, in the order in which they appear.

    Parameters
    ----------
    fields : sequence of Field
        As :func:`.channels_apart` returns them. The first decides about all but the outputs.
    recipe : Preset
    name : str
        Of the model.
    voxel_size : mapping of str to float, optional
        In µm, in place of the first field's.

    Raises
    ------
    VirtualStainError
        If the recipe does not suit the axes of the first field, or a target is a mask in one
        and an image in another.
    """
    sources, first = fields[0].sources, fields[0].given[0].image
    planes = _check_axes(sources[0], first, recipe)
    sizes = {**sources[0].voxel_size, **(voxel_size or {})}
    content = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "network": {"name": recipe.network, "options": dict(recipe.options)},
        "inputs": [
            {"name": channel_name(image, "input", position), "planes": planes}
            for position, image in enumerate(sources)
        ],
        "outputs": _outputs(fields, recipe),
        "spatial_axes": recipe.spatial_axes,
        "projects": recipe.projects,
        "voxel_size": {axis: sizes[axis] for axis in recipe.spatial_axes if axis in sizes},
        "normalization": recipe.normalization.model_dump(),
    }
    return parse_spec(content, "the model to be trained")


def in_order_of(
    start: ModelSpec, spec: ModelSpec, voxel_size: Mapping[str, float] | None = None
) -> ModelSpec:
    """Return a specification as a model to start from has it, whose weights know channels by place.

    Parameters
    ----------
    start : ModelSpec
        Of that model.
    spec : ModelSpec
        Drafted from the fields. Its channels take the order of those of the same names, if all
        have them.
    voxel_size : mapping of str to float, optional
        What a person has chosen (µm), in place of that model's.
    """
    sizes = {**dict(spec.voxel_size), **start.voxel_size} | dict(voxel_size or {})
    return spec.model_copy(
        update={
            "inputs": _like(start.inputs, spec.inputs),
            "outputs": _like(start.outputs, spec.outputs),
            "voxel_size": {axis: sizes[axis] for axis in spec.spatial_axes if axis in sizes},
        }
    )


def _like(order: Sequence[Named], channels: Sequence[Named]) -> list[Named]:
    found = {channel.name.casefold(): channel for channel in channels}
    names = [one.name.casefold() for one in order]
    if set(names) != set(found) or len(names) != len(channels):
        return list(channels)
    return [found[name] for name in names]


def _outputs(fields: Sequence[Field], recipe: Preset) -> list[dict[str, str]]:
    """Return what is learned, by name, in the order in which it appears."""
    masks: dict[str, bool] = {}
    spelt: dict[str, str] = {}  # as in the first field that has it
    for field in fields:
        if masks and not any(target.image.channels for target in field.given):
            continue  # They are told by their order.
        for target in field.given:
            name = spelt.setdefault(target.name.casefold(), target.name)
            if masks.setdefault(name, target.is_mask) != target.is_mask:
                raise VirtualStainError(
                    f"the target {target.name!r} is a mask in one pair and an image in another; "
                    "give them different names."
                )
    kinds: dict[bool, dict[str, str]] = {
        True: {"kind": "mask", "scaling": "none"},
        False: {"scaling": recipe.target_scaling},
    }
    return [
        {"name": name, "colormap": colormap, **kinds[masks[name]]}
        for name, colormap in _coloured(list(masks))
    ]


def _check_axes(source: Image, target: Image, recipe: Preset) -> int:
    """Return how many planes of the input become channels."""
    depth, target_depth = source.sizes.get("Z", 1), target.sizes.get("Z", 1)
    have = f"{source.name} (planes: {depth}) and {target.name} (planes: {target_depth})"
    if recipe.projects and (depth < 2 or target_depth != 1):
        raise VirtualStainError(
            f"the preset {recipe.name!r} turns a z-stack into one plane, and {have} are not such a "
            "pair; choose another preset."
        )
    if (
        recipe.spatial_axes == "ZYX"
        and not recipe.projects
        and (depth < 2 or target_depth != depth)
    ):
        raise VirtualStainError(
            f"the preset {recipe.name!r} is 3D, and {have} are not a pair of equal z-stacks; "
            "choose a 2D preset."
        )
    if recipe.spatial_axes == "YX" and target_depth not in (1, depth):
        raise VirtualStainError(
            f"{source.name} has {depth} planes and its target {target.name} has "
            f"{target_depth}; a target has as many planes as its input, or one."
        )
    return depth if recipe.spatial_axes == "YX" and target_depth == 1 else 1


def _check_grid(spec: ModelSpec, source: Image, target: Image) -> None:
    for axis, unit in (("T", "time points"), ("Y", "pixels"), ("X", "pixels")):
        here, there = source.sizes.get(axis, 1), target.sizes.get(axis, 1)
        if here != there:
            raise VirtualStainError(
                f"{source.name} has {here} {unit} along {axis} and its target {target.name} has "
                f"{there}; a pair must lie on one grid."
            )
    depth, target_depth = source.sizes.get("Z", 1), target.sizes.get("Z", 1)
    expected = 1 if spec.consumes_z else depth
    if target_depth != expected:
        taken = "takes its planes as channels" if spec.takes_planes else "is predicted by planes"
        if spec.spatial_axes == "ZYX":
            taken = "is turned into one plane" if spec.projects else "is predicted in 3D"
        raise VirtualStainError(
            f"{source.name} has {depth} planes and its target {target.name} has {target_depth}; "
            f"as the input {taken}, the target needs {expected}."
        )


def _coloured(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return each output with a colormap: blue for DNA, as microscopists expect, then others."""
    others = itertools.cycle(["green", "magenta", "yellow", "cyan"])
    return [
        (name, "bop blue" if any(word in name.casefold() for word in DNA) else next(others))
        for name in names
    ]


def _sources(images: Sequence[Image], names: Sequence[str]) -> list[Image]:
    """Return the inputs in the order of `names`, or as they stand where they have other names."""
    if len(images) != len(names):
        raise VirtualStainError(
            f"{images[0].name} has {len(images)} input channels and the first pair has "
            f"{len(names)} ({', '.join(names)}); choose the same channels of every pair."
        )
    found = {image.channels[0].casefold(): image for image in images if image.channels}
    wanted = [name.casefold() for name in names]
    return [found[name] for name in wanted] if set(found) == set(wanted) else list(images)


def _targets(given: Sequence[Target], names: Sequence[str]) -> list[Target | None]:
    """Return the targets in the order of `names`, None where one is missing."""
    found = {target.name.casefold(): target for target in given}
    wanted = [name.casefold() for name in names]
    if set(found) & set(wanted):
        return [found.get(name) for name in wanted]
    if len(given) == len(names):
        return list(given)
    raise VirtualStainError(
        f"{given[0].image.name} has {len(given)} target channels and the first pair has "
        f"{len(names)} ({', '.join(names)}), and they have no names by which they could be told "
        "apart; choose the same channels of every pair."
    )
