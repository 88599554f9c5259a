"""Otsu masks of a whole image, all its channels and time points."""

from __future__ import annotations

import numpy as np

from napari_virtual_stain.evaluation.masks import MaskPer, otsu_mask
from napari_virtual_stain.image import Image


def mask_image(image: Image, per: MaskPer = "volume") -> Image:
    """Return the Otsu mask of every channel of an image.

    Parameters
    ----------
    image : Image
    per : {"volume", "plane"}
        One threshold for the volume of a channel at a time point, or one for each plane.

    Returns
    -------
    Image
        uint8, 0 or 1, on the grid of `image`; its provenance holds the thresholds by
        channel, a list over time points.
    """
    masks = np.empty(image.shape, np.uint8)
    leading = [axis for axis in image.axes if axis in "TC"]
    names = image.channels or ("",)
    thresholds: dict[str, list[list[float]]] = {name: [] for name in names}
    for position in np.ndindex(*(image.sizes[axis] for axis in leading)):
        found = otsu_mask(np.asarray(image.data[position]), per)
        masks[position] = found.mask
        channel = dict(zip(leading, position, strict=True)).get("C", 0)
        thresholds[names[channel]].append(list(found.thresholds))
    return image.replace(
        data=masks,
        name=f"{image.name}: Otsu masks",
        provenance={
            **image.provenance,
            "labels": True,
            "otsu_thresholds": thresholds,
            "otsu_per": per,
        },
    )
