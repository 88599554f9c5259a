"""Planes and projections of a channel, as the pictures of a page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.evaluation.comparison import Comparison
from napari_virtual_stain.evaluation.overlap import overlap_labels
from napari_virtual_stain.evaluation.page import pictures
from napari_virtual_stain.image import Image


@dataclass(frozen=True)
class View:
    """One plane, or a projection, as pictures."""

    title: str
    observed: str
    predicted: str
    merged: str
    error: str
    masks: str


def views(comparison: Comparison, index: int) -> list[View]:
    """Return the views of a channel, of a movie at its middle time point.

    Of a stack: its maximum projection, and planes in three directions through its brightest
    voxel. What does not count has a colour of its own in all of them.
    """
    name = comparison.channels[index]
    voxel = comparison.observed.voxel_size
    grey = pictures.grey(comparison.display_limits[name])
    signed = pictures.signed(comparison.error_limits[name])

    def view(title: str, planes: list[np.ndarray], axes: str) -> View:
        across, down = voxel.get(axes[1]), voxel.get(axes[0])
        aspect = down / across if across and down else 1.0
        of_masks = [plane.astype(np.uint8) for plane in planes[3:]]
        o, p = grey(planes[0]), grey(planes[1])
        unknown = [~np.isfinite(plane) for plane in planes[:3]]
        painted = (
            (o, unknown[0]),
            (p, unknown[1]),
            (pictures.magenta_green(o, p), unknown[0] | unknown[1]),
            (signed(planes[2]), unknown[2]),
            (pictures.overlap(overlap_labels(*of_masks)), unknown[0]),
        )
        return View(
            title,
            *(pictures.picture(pictures.marked(one, gone), aspect) for one, gone in painted),
        )

    volumes = _volumes(comparison, index)
    depth = 1 if volumes[0].ndim == 2 else len(volumes[0])
    if depth == 1:
        return [view("", [volume.reshape(volume.shape[-2:]) for volume in volumes], "YX")]
    # Of NaN and a number, fmax takes the number.
    projected = [np.fmax.reduce(volume, axis=0) for volume in volumes]
    # Errors of either sign: the largest along the line of sight.
    error = volumes[2]
    largest = np.nan_to_num(np.abs(error)).argmax(axis=0)[np.newaxis]
    projected[2] = np.take_along_axis(error, largest, axis=0)[0]
    at = pictures.brightest(volumes[0])
    through = [pictures.orthogonal(volume, at) for volume in volumes]
    titles = (f"plane {at[0] + 1} of {depth}", f"at Y = {at[1]}", f"at X = {at[2]}")
    return [
        view(f"maximum projection over {depth} planes", projected, "YX"),
        *(
            view(title, [planes[which] for planes in through], axes)
            for which, (title, axes) in enumerate(zip(titles, ("YX", "ZX", "ZY"), strict=True))
        ),
    ]


def _volumes(comparison: Comparison, index: int) -> list[np.ndarray]:
    """Return observed, predicted and error, NaN where a pixel does not count, and the masks."""
    images = (
        comparison.observed,
        comparison.predicted,
        comparison.errors["observed_minus_predicted"],
        comparison.masks["observed"],
        comparison.masks["predicted"],
    )
    volumes = [_at_middle_time(image.channel(index)).numpy() for image in images]
    if comparison.counts is not None:
        counts = _at_middle_time(comparison.counts.channel(index)).numpy() != 0
        volumes[:2] = [
            np.where(counts, volume.astype(np.float32), np.nan) for volume in volumes[:2]
        ]
    return volumes


def _at_middle_time(image: Image) -> Image:
    return image.select("T", image.sizes["T"] // 2) if "T" in image.axes else image
