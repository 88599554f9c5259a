"""Examples: what the network sees of the pairs, read and scaled just as inference does it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import fit
from napari_virtual_stain.inference.frames import (
    frame,
    image_statistics,
    planes_apart,
    time_points,
)
from napari_virtual_stain.inference.resampling import resample
from napari_virtual_stain.model import InputSpec, ModelSpec, NetworkSpec, OutputSpec
from napari_virtual_stain.normalization import Statistics, pooled, standardize, statistics
from napari_virtual_stain.training.options import Pair
from napari_virtual_stain.training.presets import Preset

DNA = ("dapi", "hoechst", "dna", "nucle")


@dataclass(frozen=True, eq=False)
class Example:
    """One frame of a pair, as z-scores at the model's voxel size.

    Parameters
    ----------
    values : ndarray of float32, shape (in_channels, *spatial)
    target : ndarray of float32, shape (outputs, *spatial)
    statistics : tuple of Statistics
        Of each target channel over the full image.
    """

    values: np.ndarray
    target: np.ndarray
    statistics: tuple[Statistics, ...]


def choose_channels(
    pair: Pair, inputs: Sequence[str] | None, targets: Sequence[str] | None
) -> tuple[list[Image], list[Image]]:
    """Return the input and the target channels of a pair, each an image without C axis.

    Raises
    ------
    VirtualStainError
        If a channel is missing, or input and target lie on different grids.
    """
    source, target = pair
    for axis in "TYX":
        if source.sizes.get(axis, 1) != target.sizes.get(axis, 1):
            raise VirtualStainError(
                f"{source.name} has {source.sizes.get(axis, 1)} pixels along {axis} and its target "
                f"{target.name} has {target.sizes.get(axis, 1)}; a pair must lie on one grid."
            )
    return _channels(source, inputs), _channels(target, targets)


def draft_spec(
    sources: Sequence[Image], targets: Sequence[Image], recipe: Preset, name: str
) -> ModelSpec:
    """Return the specification that follows from a pair; target statistics come later.

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
    if recipe.spatial_axes == "ZYX" and (depth < 2 or target_depth != depth):
        raise VirtualStainError(
            f"the preset {recipe.name!r} is 3D, and {sources[0].name} ({depth} planes) and "
            f"{targets[0].name} ({target_depth} planes) are not a pair of equal z-stacks; choose a "
            "2D preset."
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
    return ModelSpec(
        name=name,
        network=NetworkSpec(name=recipe.network, options=recipe.options),
        inputs=[
            InputSpec(name=_name(image, "input", position), planes=planes)
            for position, image in enumerate(sources)
        ],
        outputs=[
            OutputSpec(name=name, colormap=colormap)
            for name, colormap in _coloured(
                [_name(image, "target", position) for position, image in enumerate(targets)]
            )
        ],
        spatial_axes=recipe.spatial_axes,
        voxel_size=voxel_size,
    )


def read_examples(
    spec: ModelSpec,
    sources: Sequence[Image],
    targets: Sequence[Image],
    crop: Mapping[str, slice],
) -> list[Example]:
    """Return one example for each frame of a pair.

    Parameters
    ----------
    spec : ModelSpec
    sources, targets : sequence of Image
        Channels of one pair, without C axis.
    crop : mapping of str to slice
        Part of the pair; statistics are those of the full images.
    """
    fitted = fit(spec, list(sources))
    cropped = fitted.crop(crop)
    cropped_targets = [
        target.crop({axis: part for axis, part in crop.items() if axis in target.axes})
        for target in targets
    ]
    first = crop.get("T", slice(0)).start or 0
    examples = []
    for time in range(time_points(cropped)):
        by = image_statistics(fitted, first + time)
        of_targets = tuple(
            statistics(_at(target, first + time).data, f"the target {target.name}")
            for target in targets
        )
        for plane in range(planes_apart(cropped, spec)):
            one = frame(cropped, spec, by, time, plane)
            scaled = [
                standardize(_plane(_at(t, time), spec, plane).numpy(), s)
                for t, s in zip(cropped_targets, of_targets, strict=True)
            ]
            expected = np.stack(scaled)
            if expected.shape[1:] != one.source_sizes:
                raise VirtualStainError(
                    f"{sources[0].name} and its target {targets[0].name} have different sizes: "
                    f"{one.source_sizes} and {expected.shape[1:]} pixels."
                )
            values = one.read_resampled()
            examples.append(Example(values, resample(expected, one.sizes, one.zooms), of_targets))
    return examples


def target_statistics(examples: Sequence[Example]) -> list[Statistics]:
    """Return the statistics of each output over all examples, for predictions in grey values."""
    per_output = zip(*(example.statistics for example in examples), strict=True)
    return [pooled(list(parts)) for parts in per_output]


def _channels(image: Image, names: Sequence[str] | None) -> list[Image]:
    if names is None:
        return [image.channel(position) for position in range(image.n_channels)]
    if image.n_channels == len(names) == 1:
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


def _at(image: Image, time: int) -> Image:
    return image.select("T", time) if "T" in image.axes else image


def _plane(image: Image, spec: ModelSpec, plane: int) -> Image:
    if spec.spatial_axes == "YX" and "Z" in image.axes:
        return image.select("Z", min(plane, image.sizes["Z"] - 1))
    return image
