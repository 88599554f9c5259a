"""What one frame learns of the targets of a pair, and where it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference.frames import Frame
from napari_virtual_stain.inference.resampling import resampled_size
from napari_virtual_stain.model import ModelSpec, OutputSpec
from napari_virtual_stain.normalization import Scaling
from napari_virtual_stain.training.fields import Target
from napari_virtual_stain.training.targets import clip_

AS_IT_IS = Scaling(0.0, 1.0)

COUNTS = 0.999
"""A resampled pixel counts if everything that it is made of does, up to rounding."""

COUNTS_NOT = 0.001
"""By which a resampled mask may leave 0 … 1."""


@dataclass(frozen=True, eq=False)
class TargetPart:
    """One target of a frame, on the grid of the pair.

    Parameters
    ----------
    image : Image
        Axes ([Z,] Y, X).
    counts : Image, optional
        Of its axes and sizes, bool; None where all of it counts.
    """

    image: Image
    counts: Image | None


def part_of(
    target: Target,
    spec: ModelSpec,
    crop: Mapping[str, slice],
    first: Mapping[str, int],
    region: np.ndarray | None,
) -> TargetPart:
    """Return what one frame has of a target: a plane of it, or the whole stack in 3D.

    Parameters
    ----------
    target : Target
    spec : ModelSpec
    crop : mapping of str to slice
        Part of the pair.
    first : mapping of str to int
        Where the frame begins in the images of the pair (px).
    region : ndarray of bool, shape (Y, X), optional
        Outside, it does not count.
    """

    def cut(image: Image) -> Image:
        if "T" in image.axes:
            image = image.select("T", first["T"])
        if "Z" in image.axes and (spec.spatial_axes == "YX" or spec.projects):
            image = image.select("Z", 0 if spec.consumes_z else first["Z"])
        return image.crop({axis: part for axis, part in crop.items() if axis in image.axes})

    image = cut(target.image)
    if target.is_mask and image.dtype.kind in "bui":
        image = image.replace(data=image.data != 0)  # 255 and labels stand for 1
    counts = None if target.counts is None else cut(target.counts).data != 0
    if region is not None:
        inside = cut(Image(region, "YX")).numpy()
        counts = np.broadcast_to(inside, image.shape) if counts is None else counts & inside
    return TargetPart(image, None if counts is None else image.replace(data=counts))


@dataclass(frozen=True, eq=False)
class TargetFrame:
    """The targets of one frame, in the order of the outputs.

    Parameters
    ----------
    outputs : tuple of OutputSpec
    parts : tuple of TargetPart or None
        None where the pair lacks the target.
    scalings : tuple of Scaling or None
    source_sizes : tuple of int
        Of the spatial axes on the pair's grid.
    zooms : tuple of float
        Magnification along each to reach the model's voxel size.
    """

    outputs: tuple[OutputSpec, ...]
    parts: tuple[TargetPart | None, ...]
    scalings: tuple[Scaling | None, ...]
    source_sizes: tuple[int, ...]
    zooms: tuple[float, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the spatial axes on the model's grid."""
        pairs = zip(self.source_sizes, self.zooms, strict=True)
        return tuple(resampled_size(size, zoom) for size, zoom in pairs)

    @property
    def is_weighted(self) -> bool:
        """Whether there is anything that does not count."""
        return any(part is None or part.counts is not None for part in self.parts)

    def read(self, region: Sequence[slice]) -> np.ndarray:
        """Return the scaled targets of a region, float32, shape (outputs, *region).

        Zeros where the pair lacks one.
        """
        values = np.zeros((len(self.outputs), *_shape(region)), np.float32)
        for into, output, part, by in zip(
            values, self.outputs, self.parts, self.scalings, strict=True
        ):
            if part is not None and by is not None:
                into[...] = clip_(self._read(part.image, by, region), output)
                _check_mask(output, part.image, into)
        return values

    def read_weight(self, region: Sequence[slice]) -> np.ndarray:
        """Return what counts of a region, bool, shape (outputs, *region)."""
        counts = np.zeros((len(self.outputs), *_shape(region)), bool)
        for into, part in zip(counts, self.parts, strict=True):
            if part is None:
                continue
            if part.counts is None:
                into[...] = True
            else:
                into[...] = self._read(part.counts, AS_IT_IS, region) > COUNTS
        return counts

    def _read(self, image: Image, by: Scaling, region: Sequence[slice]) -> np.ndarray:
        values: np.ndarray = Frame((image,), (by,), (), self.zooms).read(region)[0]
        return values


def _check_mask(output: OutputSpec, image: Image, values: np.ndarray) -> None:
    if output.kind == "mask" and values.size:
        low, high = float(values.min()), float(values.max())
        if not -COUNTS_NOT <= low <= high <= 1 + COUNTS_NOT:
            raise VirtualStainError(
                f"the mask {output.name} of {image.name} has values from {low:g} to {high:g}; give "
                "integers, of which 0 is outside, or probabilities from 0 to 1."
            )


def _shape(region: Sequence[slice]) -> tuple[int, ...]:
    return tuple(part.stop - part.start for part in region)
