"""Nuclei of a nuclear stain, and cells grown around them: a segmentation where none is given.

References
----------
.. [1] Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on
   Systems, Man and Cybernetics 9, 62-66 (1979).
.. [2] Beucher and Lantuéjoul, "Use of watersheds in contour detection" (1979).
"""

from __future__ import annotations

import math

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.masks import otsu_threshold

SMOOTHING = 1.0
"""Standard deviation (px) of the Gaussian before the threshold: noise makes no nuclei."""

LEAST_AREA = 0.25
"""Of a disc of the typical diameter: what is smaller is no nucleus."""


def find_nuclei(plane: np.ndarray, diameter: float | None = None) -> np.ndarray:
    """Segment the nuclei of a nuclear stain: Otsu's threshold, then a watershed.

    The plane is smoothed and thresholded, holes are filled, and nuclei that touch are cut where
    the distance to the edge has a saddle between two of its peaks.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Bright nuclei on a dark background.
    diameter : float, optional
        Typical diameter of a nucleus (px). It decides which peaks are nuclei of their own (those
        further apart than a third of it), and what is too small to be one (below a quarter of
        the area of such a disc). By default it is taken from the mask, see
        :func:`typical_diameter`.

    Returns
    -------
    ndarray of int32, shape (Y, X)
        0 is background, 1 … n are nuclei. None in a constant plane.

    Raises
    ------
    VirtualStainError
        If the diameter is not a positive number.
    """
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.segmentation import relabel_sequential, watershed

    mask = nuclear_mask(plane)
    distance = ndimage.distance_transform_edt(mask)
    diameter = typical_diameter(mask) if diameter is None else checked_diameter(diameter)
    if not mask.any():
        return np.zeros(plane.shape, np.int32)
    # Ridges of ragged outlines are no peaks.
    height = ndimage.gaussian_filter(distance, diameter / 12)
    pieces = ndimage.label(mask)[0]
    peaks = peak_local_max(
        height, min_distance=max(1, round(diameter / 3)), labels=pieces, exclude_border=False
    )
    markers = np.zeros(plane.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    large = without_specks(watershed(-height, markers, mask=mask), diameter)
    numbered: np.ndarray = relabel_sequential(large)[0]
    return numbered


def grow_cells(nuclei: np.ndarray, distance: float | None = None) -> np.ndarray:
    """Grow each nucleus into a cell, up to a distance and to where the next cell begins.

    Parameters
    ----------
    nuclei : ndarray of integers, shape (Y, X)
    distance : float, optional
        How far a cell reaches beyond its nucleus (px); by default the median diameter of the
        nuclei (of discs of their areas).

    Returns
    -------
    ndarray of int32, shape (Y, X)
        Each cell has the label of its nucleus, which is part of it.

    Raises
    ------
    VirtualStainError
        If the distance is not a positive number.
    """
    from skimage.segmentation import expand_labels

    if distance is None:
        areas = np.unique(nuclei[nuclei > 0], return_counts=True)[1]
        distance = 2 * math.sqrt(np.median(areas) / math.pi) if len(areas) else 1.0
    elif not (math.isfinite(distance) and distance > 0):
        raise VirtualStainError(f"cells cannot be grown by {distance:g}; give a positive number.")
    grown: np.ndarray = expand_labels(nuclei, distance).astype(np.int32)
    return grown


def nuclear_mask(plane: np.ndarray) -> np.ndarray:
    """Return where a plane (Y, X), smoothed, is above Otsu's threshold, without holes.

    Pixels that are NaN were not measured, and are background.
    """
    from scipy import ndimage

    known = np.isfinite(plane)
    if not known.any():
        return np.zeros(plane.shape, bool)
    filled = np.where(known, plane, plane[known].min()).astype(np.float32)
    smoothed = ndimage.gaussian_filter(filled, SMOOTHING)
    mask: np.ndarray = smoothed > otsu_threshold(smoothed[known])
    return np.asarray(ndimage.binary_fill_holes(mask))


def typical_diameter(mask: np.ndarray) -> float:
    """Return the typical diameter (px) of what a mask shows.

    Twice the greatest distance to the edge of each piece; of these the median over all pixels
    of the mask, so that specks do not count. The distance to the edge is that of a nucleus also
    where several touch and are one piece.
    """
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(mask)
    pieces, count = ndimage.label(mask)
    if not count:
        return 1.0
    radii = ndimage.maximum(distance, pieces, np.arange(1, count + 1))
    return float(2 * np.median(np.asarray(radii)[pieces[mask] - 1]))


def without_specks(labels: np.ndarray, diameter: float) -> np.ndarray:
    """Return labels, int32, without those that are too small for a nucleus."""
    least = LEAST_AREA * math.pi * diameter**2 / 4
    values, places, areas = np.unique(labels, return_inverse=True, return_counts=True)
    kept: np.ndarray = np.where(areas >= least, values, 0)[places]
    return kept.reshape(labels.shape).astype(np.int32)


def checked_diameter(diameter: float) -> float:
    """Return a diameter, or raise a :class:`VirtualStainError` if it is none."""
    if not (math.isfinite(diameter) and diameter > 0):
        raise VirtualStainError(
            f"{diameter:g} is no diameter of a nucleus; give a positive number."
        )
    return diameter
