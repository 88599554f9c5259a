"""The specification of a model that is to be trained: what follows from its first pair."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.model import FORMAT_VERSION, ModelSpec, parse_spec
from napari_virtual_stain.training.options import Pair
from napari_virtual_stain.training.recipe import Preset

DNA = ("dapi", "hoechst", "dna", "nucle")


def choose_channels(
    pair: Pair, inputs: Sequence[str] | None, targets: Sequence[str] | None
) -> tuple[list[Image], list[Image]]:
    """Return the input and the target channels of a pair, each an image without C axis.

    Raises
    ------
    VirtualStainError
        If a channel is missing.
    """
    source, target = pair
    return _channels(source, inputs), _channels(target, targets)


def check_pair(
    spec: ModelSpec, sources: Sequence[Image], targets: Sequence[Image]
) -> tuple[list[Image], list[Image]]:
    """Return the channels of a pair in the order of the specification, if they suit it.

    Parameters
    ----------
    spec : ModelSpec
        Drafted from the first pair.
    sources, targets : sequence of Image
        Channels of one pair, without C axis.

    Raises
    ------
    VirtualStainError
        If the pair has other channels than the first, or its input and target lie on
        different grids.
    """
    sources = _in_order(sources, [channel.name for channel in spec.inputs], "input")
    targets = _in_order(targets, [output.name for output in spec.outputs], "target")
    source, target = sources[0], targets[0]
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
    return sources, targets


def draft_spec(
    sources: Sequence[Image], targets: Sequence[Image], recipe: Preset, name: str
) -> ModelSpec:
    """Return the specification that follows from a pair; grey values of targets come later.

    A z-stack whose target has no Z, under a 2D recipe, gives its planes as channels.

    Parameters
    ----------
    sources, targets : sequence of Image
        Channels of the first pair, without C axis.
    recipe : Preset
    name : str
        Of the model.

    Raises
    ------
    VirtualStainError
        If the recipe does not suit the axes of the pair.
    """
    depth, target_depth = sources[0].sizes.get("Z", 1), targets[0].sizes.get("Z", 1)
    have = f"{sources[0].name} (planes: {depth}) and {targets[0].name} (planes: {target_depth})"
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
            f"{sources[0].name} has {depth} planes and its target {targets[0].name} has "
            f"{target_depth}; a target has as many planes as its input, or one."
        )
    planes = depth if recipe.spatial_axes == "YX" and target_depth == 1 else 1
    voxel_size = {
        axis: sources[0].voxel_size[axis]
        for axis in recipe.spatial_axes
        if axis in sources[0].voxel_size
    }
    names = [_name(image, "target", position) for position, image in enumerate(targets)]
    content = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "network": {"name": recipe.network, "options": dict(recipe.options)},
        "inputs": [
            {"name": _name(image, "input", position), "planes": planes}
            for position, image in enumerate(sources)
        ],
        "outputs": [
            {"name": name, "colormap": colormap, "scaling": recipe.target_scaling}
            for name, colormap in _coloured(names)
        ],
        "spatial_axes": recipe.spatial_axes,
        "projects": recipe.projects,
        "voxel_size": voxel_size,
        "normalization": recipe.normalization.model_dump(),
    }
    return parse_spec(content, "the model to be trained")


def _channels(image: Image, names: Sequence[str] | None) -> list[Image]:
    if names is None:
        return [image.channel(position) for position in range(image.n_channels)]
    if isinstance(names, str):
        names = [names]
    if len(names) == 1 and not image.channels:
        # A file of its own for each channel need not name it inside.
        return [image.channel(0).replace(channels=tuple(names))]
    return [image.channel(name) for name in names]


def _name(image: Image, role: str, position: int) -> str:
    return image.channels[0] if image.channels else f"{role} {position + 1}"


def _coloured(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return each output with a colormap: blue for DNA, as microscopists expect, then others."""
    others = itertools.cycle(["green", "magenta", "yellow", "cyan"])
    return [
        (name, "bop blue" if any(word in name.casefold() for word in DNA) else next(others))
        for name in names
    ]


def _in_order(images: Sequence[Image], names: Sequence[str], role: str) -> list[Image]:
    """Return the channels in the order of `names`, or as they stand where they have other names."""
    if len(images) != len(names):
        raise VirtualStainError(
            f"{images[0].name} has {len(images)} {role} channels and the first pair has "
            f"{len(names)} ({', '.join(names)}); choose the same channels of every pair."
        )
    found = {image.channels[0]: image for image in images if image.channels}
    return [found[name] for name in names] if set(found) == set(names) else list(images)
