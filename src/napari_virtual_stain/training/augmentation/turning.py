"""Augmentation that a microscope's geometry allows: flips and quarter turns in the plane.

Z is never reversed: optics have an up and a down, and so does a focus series.
"""

from __future__ import annotations

import numpy as np


def turn(patch: np.ndarray, way: int) -> np.ndarray:
    """Return a patch in one of the eight symmetries of the square.

    Parameters
    ----------
    patch : ndarray, shape (channels, [Z,] Y, X)
    way : int
        0 … 7: ``way % 4`` quarter turns in (Y, X), and a flip along X from 4 on. Patches that
        are not square are turned by halves only.

    Returns
    -------
    ndarray of the same shape, contiguous
    """
    quarters, flipped = way % 4, way >= 4
    if patch.shape[-1] != patch.shape[-2]:
        quarters -= quarters % 2
    patch = np.rot90(patch, quarters, axes=(-2, -1))
    return np.ascontiguousarray(patch[..., ::-1] if flipped else patch)
