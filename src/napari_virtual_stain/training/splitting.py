"""Which part of the images is held out for scoring when the user names none."""

from __future__ import annotations

from collections.abc import Mapping

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image

HELD_OUT = 0.2
MIN_COLUMNS = 16


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
    part = crop.get("X", slice(None))
    start = part.start or 0
    stop = image.sizes["X"] if part.stop is None else part.stop
    border = stop - max(MIN_COLUMNS, round((stop - start) * HELD_OUT))
    if border - start < MIN_COLUMNS:
        raise VirtualStainError(
            f"{image.name} is too narrow ({stop - start} columns) to hold out a part for scoring; "
            "name validation pairs or a validation crop."
        )
    return {**crop, "X": slice(start, border)}, {**crop, "X": slice(border, stop)}
