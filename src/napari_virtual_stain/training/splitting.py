"""Which part of the images is held out for scoring when the user names none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image

HELD_OUT = 0.2
MIN_COLUMNS = 16


def parts(
    image: Image, train_crop: Mapping[str, slice], validation_crop: Mapping[str, slice]
) -> tuple[Mapping[str, slice], Mapping[str, slice]]:
    """Return the parts of a pair to train and to score on; they never overlap.

    Parameters
    ----------
    image : Image
        The input of the pair.
    train_crop, validation_crop : mapping of str to slice
        What the user named; empty for nothing.

    Returns
    -------
    training, validation : mapping of str to slice

    Raises
    ------
    VirtualStainError
        If a part that the user named leaves the image, if it is all of it, if the two overlap, or
        the image is too narrow to be split.
    """
    for crop in (train_crop, validation_crop):
        image.crop(crop)  # raises, in the numbers that the user named
    if not validation_crop:
        return split_in_space(image, train_crop)
    if not train_crop:
        train_crop = _rest(image, validation_crop)
        if any(part.start == part.stop for part in train_crop.values()):
            raise VirtualStainError(
                f"the validation part is all of {image.name}, so nothing is left to learn from; "
                "name a smaller part, or validation pairs."
            )
    sizes = image.sizes
    for axis in {*train_crop, *validation_crop}:
        one, other = (
            _bounds(crop, axis, sizes.get(axis, 1)) for crop in (train_crop, validation_crop)
        )
        if one[1] <= other[0] or other[1] <= one[0]:
            return train_crop, validation_crop
    raise VirtualStainError(
        f"the training and the validation part of {image.name} overlap, so the score would be of "
        "what was trained on; name a training crop beside the validation crop."
    )


def region_box(region: np.ndarray) -> dict[str, slice]:
    """Return the smallest crop that holds all of a region, shape (Y, X); empty if it is empty."""
    crop = {}
    for axis, name in enumerate("YX"):
        inside = np.flatnonzero(region.any(axis=1 - axis))
        if inside.size:
            crop[name] = slice(int(inside[0]), int(inside[-1]) + 1)
    return crop


def _rest(image: Image, crop: Mapping[str, slice]) -> dict[str, slice]:
    """Return what a crop along one axis leaves of the image on its larger side."""
    if len(crop) != 1:
        return {}
    (axis,) = crop
    size = image.sizes.get(axis, 1)
    start, stop = _bounds(crop, axis, size)
    return {axis: slice(0, start) if start >= size - stop else slice(stop, size)}


def _bounds(crop: Mapping[str, slice], axis: str, size: int) -> tuple[int, int]:
    part = crop.get(axis, slice(None))
    return part.start or 0, size if part.stop is None else part.stop


def split_in_space(
    image: Image, crop: Mapping[str, slice]
) -> tuple[dict[str, slice], dict[str, slice]]:
    """Split along X: the last fifth of the columns for validation, the rest for training.

    The split is one of space, as neighbouring planes and frames are near-copies of
    each other, and a score on them would flatter.

    Parameters
    ----------
    image : Image
        Its width decides.
    crop : mapping of str to slice
        The part of the image that may be used.

    Returns
    -------
    training, validation : dict of str to slice

    Raises
    ------
    VirtualStainError
        If the image is too narrow to be split.
    """
    start, stop = _bounds(crop, "X", image.sizes["X"])
    border = stop - max(MIN_COLUMNS, round((stop - start) * HELD_OUT))
    if border - start < MIN_COLUMNS:
        raise VirtualStainError(
            f"{image.name} is too narrow ({stop - start} columns) to hold out a part for scoring; "
            "name validation pairs or a validation crop."
        )
    return {**crop, "X": slice(start, border)}, {**crop, "X": slice(border, stop)}
