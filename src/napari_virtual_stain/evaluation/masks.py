"""Otsu masks of observed and predicted, and the observed image seen through a mask.

References
----------
.. [1] Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on
   Systems, Man and Cybernetics 9, 62-66 (1979).
.. [2] Allen Institute for Cell Science, "Fluorescence images without fluorescent markers",
   section "Segmentation and thresholding".
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np

from napari_virtual_stain.errors import VirtualStainError

MaskPer = Literal["volume", "plane"]
MASK_PERS: tuple[MaskPer, ...] = get_args(MaskPer)


class OtsuMask(NamedTuple):
    """A mask and the thresholds it was cut at: one, or one for each plane.

    The threshold of a part where no pixel counts is NaN.
    """

    mask: np.ndarray
    thresholds: tuple[float, ...]


def otsu_threshold(image: np.ndarray) -> float:
    """Otsu's threshold of all pixels, in intensity units.

    Parameters
    ----------
    image : ndarray, any shape, any real dtype
        Integers of up to 16 bits are binned exactly, everything else into 256 bins between
        minimum and maximum.

    Returns
    -------
    float
        The threshold; for a constant image its value, above which no pixel lies.
    """
    from skimage.filters import threshold_otsu

    # Bins for each value of a wider integer could be billions; and a flat array is never
    # mistaken for an RGB image.
    pixels = image.ravel()
    if image.dtype == np.bool_:
        pixels = pixels.view(np.uint8)
    elif image.dtype == np.float16 or (image.dtype.kind in "iu" and image.dtype.itemsize > 2):
        pixels = pixels.astype(np.float64)
    try:
        return float(threshold_otsu(pixels))
    except ValueError:
        # 256 bins do not fit between values so close to each other; around 0 they do.
        low = pixels.min()
        return float(low + threshold_otsu((pixels - low).astype(np.float64)))


def otsu_mask(
    image: np.ndarray, per: MaskPer = "volume", counts: np.ndarray | None = None
) -> OtsuMask:
    """Pixels above Otsu's threshold.

    Parameters
    ----------
    image : ndarray, shape ([Z,] Y, X)
        One channel at one time point. Pixels that are NaN or infinite are left out, and are not
        in the mask.
    per : {"volume", "plane"}
        One threshold for the whole volume, or one for each plane of it.
    counts : ndarray of bool, same shape, optional
        False where a pixel is left out too.

    Returns
    -------
    OtsuMask
        Mask (bool, shape of `image`) and thresholds. The mask of a constant image is empty.

    Raises
    ------
    VirtualStainError
        If `per` is neither of the two.
    """
    check_per(per)
    if per == "plane" and image.ndim > 2:
        parts = [None] * len(image) if counts is None else counts
        planes = [otsu_mask(plane, counts=part) for plane, part in zip(image, parts, strict=True)]
        thresholds = tuple(plane.thresholds[0] for plane in planes)
        return OtsuMask(np.stack([plane.mask for plane in planes]), thresholds)
    taken = np.isfinite(image) if image.dtype.kind == "f" else None
    if counts is not None:
        taken = counts if taken is None else taken & counts
    if taken is None or taken.all():
        threshold = otsu_threshold(image)
        return OtsuMask(np.greater(image, np.float64(threshold)), (threshold,))
    if not taken.any():
        return OtsuMask(np.zeros(image.shape, bool), (math.nan,))
    threshold = otsu_threshold(image[taken])
    return OtsuMask(np.greater(image, np.float64(threshold)) & taken, (threshold,))


def clip_to_mask(
    observed: np.ndarray, mask: np.ndarray, counts: np.ndarray | None = None
) -> np.ndarray:
    """Observed inside `mask`, its minimum outside.

    Parameters
    ----------
    observed : ndarray, shape ([Z,] Y, X)
        One channel at one time point.
    mask : ndarray of bool, same shape
    counts : ndarray of bool, same shape, optional
        False where a pixel does not count: the minimum is that of the others. Where none
        counts, it is 0.

    Returns
    -------
    ndarray
        A new array of the dtype of `observed`.
    """
    counted = observed if counts is None else observed[counts]
    lowest = counted.min() if counted.size else observed.dtype.type(0)
    return np.where(mask, observed, lowest)


def check_per(per: str) -> None:
    """Raise a :class:`VirtualStainError` unless `per` is one of `MASK_PERS`."""
    if per not in MASK_PERS:
        raise VirtualStainError(
            f"a mask cannot be cut per {per!r}; choose 'volume' (one threshold for each time "
            "point) or 'plane' (one for each plane)."
        )
