"""Examples: what the network sees of the pairs, read and scaled just as inference does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import fit
from napari_virtual_stain.inference.frames import (
    frame,
    image_scalings,
    planes_apart,
    time_points,
)
from napari_virtual_stain.inference.resampling import resample
from napari_virtual_stain.model import ModelSpec
from napari_virtual_stain.normalization import Statistics, statistics
from napari_virtual_stain.training.targets import scaled


@dataclass(frozen=True, eq=False)
class Example:
    """One frame of a pair, scaled, at the model's voxel size.

    Parameters
    ----------
    values : ndarray of float32, shape (in_channels, *spatial)
    target : ndarray of float32, shape (outputs, *spatial)
        Without Z where the model projects.
    statistics : tuple of Statistics
        Of each target channel over the full image.
    """

    values: np.ndarray
    target: np.ndarray
    statistics: tuple[Statistics, ...]


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
        With the ranges of outputs whose scale is bounded.
    sources, targets : sequence of Image
        Channels of one pair, as :func:`check_pair` returns them.
    crop : mapping of str to slice
        Part of the pair; statistics are those of the full images.

    Returns
    -------
    list of Example
        Time points, and within each the planes that are learned one by one.

    Raises
    ------
    VirtualStainError
        If an image is constant or holds NaN, or the crop leaves it.
    """
    fitted = fit(spec, list(sources))
    cropped = fitted.crop(crop)
    cropped_targets = [
        target.crop({axis: part for axis, part in crop.items() if axis in target.axes})
        for target in targets
    ]
    first = crop.get("T", slice(0)).start or 0
    how = spec.normalization
    of_movie = image_scalings(fitted, how) if how.per == "movie" else None
    examples = []
    for time in range(time_points(cropped)):
        by = of_movie or image_scalings(fitted, how, first + time)
        of_targets = tuple(
            statistics(_at(target, first + time).data, f"the target {target.name}")
            for target in targets
        )
        for plane in range(planes_apart(cropped, spec)):
            one = frame(cropped, spec, by, time, plane)
            planes = [_plane(_at(target, time), spec, plane).numpy() for target in cropped_targets]
            expected = np.stack(
                [
                    scaled(values, output, of_target, by[0])
                    for values, output, of_target in zip(
                        planes, spec.outputs, of_targets, strict=True
                    )
                ]
            )
            axes = expected.ndim - 1
            target = resample(expected, one.sizes[-axes:], one.zooms[-axes:])
            examples.append(Example(one.read_whole(), target, of_targets))
    return examples


def _at(image: Image, time: int) -> Image:
    return image.select("T", time) if "T" in image.axes else image


def _plane(image: Image, spec: ModelSpec, plane: int) -> Image:
    """Return what one frame predicts of a target: a plane, or the whole stack in 3D."""
    if "Z" in image.axes and (spec.spatial_axes == "YX" or spec.projects):
        return image.select("Z", 0 if spec.consumes_z else plane)
    return image
