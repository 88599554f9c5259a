"""Cells, nuclei and cytoplasm of one plane: given as labels, or derived from what is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.features.segmentation import (
    checked_diameter,
    find_nuclei,
    grow_cells,
    nuclear_mask,
    typical_diameter,
    without_specks,
)
from napari_virtual_stain.evaluation.shapes import times

COMPARTMENTS = ("cells", "nuclei", "cytoplasm")
"""In the order of tables and pictures."""

Labels = Mapping[str, np.ndarray]
"""By compartment, int32 of shape (Y, X); a compartment that is not known is absent."""


def compartments(
    nuclear: np.ndarray | None,
    nuclei: np.ndarray | None = None,
    cells: np.ndarray | None = None,
    *,
    diameter: float | None = None,
    growth: float | None = None,
    border: bool = False,
) -> dict[str, np.ndarray]:
    """Return the labels of each compartment of a plane.

    Parameters
    ----------
    nuclear : ndarray, shape (Y, X), optional
        The nuclear stain, from which nuclei are found where none are given.
    nuclei, cells : ndarray of integers, shape (Y, X), optional
        Cells that are not given grow around the nuclei. Nuclei that are not given are found in
        `nuclear`: where cells are given, what lies in each and is above Otsu's threshold.
    diameter, growth : float, optional
        Typical diameter of a nucleus and how far a cell reaches beyond it (px).
    border : bool
        Whether objects that touch the border of the plane count. They are cut off, so by
        default they do not; the cytoplasm goes with its cell.

    Returns
    -------
    dict of str to ndarray of int32, shape (Y, X)
        ``cells``, ``nuclei`` and ``cytoplasm``, which is what of a cell is in no nucleus. Only
        ``cells`` where neither nuclei nor a nuclear stain are known.
    """
    if nuclei is None and nuclear is not None:
        nuclei = (
            find_nuclei(nuclear, diameter)
            if cells is None
            else _nuclei_within(nuclear, cells, diameter)
        )
    if cells is None:
        assert nuclei is not None, "the caller has one of the three"
        cells = grow_cells(nuclei, growth)
    found = {"cells": cells}
    if nuclei is not None:
        found |= {"nuclei": nuclei, "cytoplasm": np.where(nuclei == 0, cells, 0)}
    if not border:
        cut = _at_border(cells)
        at_border = {"cells": cut, "nuclei": _at_border(found.get("nuclei", cells))}
        at_border["cytoplasm"] = cut
        found = {
            name: np.where(np.isin(labels, at_border[name]), 0, labels)
            for name, labels in found.items()
        }
    return {name: found[name].astype(np.int32) for name in COMPARTMENTS if name in found}


def check_labels(labels: Any, what: str, frames: int, shape: tuple[int, int]) -> np.ndarray:
    """Return labels as an array of shape (T, Y, X), int32.

    Parameters
    ----------
    labels : array
        (Y, X) or (T, Y, X); axes of one position are ignored.
    what : str
        What the sentence calls them: ``nuclei`` or ``cells``.
    frames : int
        Time points of the image.
    shape : (Y, X)
        Its size.

    Raises
    ------
    VirtualStainError
        If they do not lie on the image's grid or are no labels.
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise VirtualStainError(
            f"the labels of the {what} are {array.dtype}, and labels are integers, another one "
            "for each object; give a segmentation."
        )
    wanted = (frames, *shape)
    if array.size != np.prod(wanted) or array.shape[-2:] != shape:
        over_time = f"{frames} time points of " if frames > 1 else ""
        raise VirtualStainError(
            f"the labels of the {what} have {times(array.shape)} pixels and the image "
            f"{over_time}{times(shape)}; give them on its grid (of a stack, on that of its "
            "maximum projection)."
        )
    if array.size and (array.min() < 0 or array.max() > np.iinfo(np.int32).max):
        raise VirtualStainError(
            f"the labels of the {what} run from {array.min()} to {array.max()}; number the "
            "objects from 1, with 0 for the background."
        )
    checked: np.ndarray = array.reshape(wanted).astype(np.int32)
    return checked


def _nuclei_within(nuclear: np.ndarray, cells: np.ndarray, diameter: float | None) -> np.ndarray:
    mask = nuclear_mask(nuclear)
    diameter = typical_diameter(mask) if diameter is None else checked_diameter(diameter)
    # The labels of the cells are kept, so that a nucleus is known by its cell.
    return without_specks(np.where(mask, cells, 0), diameter)


def _at_border(labels: np.ndarray) -> np.ndarray:
    edges = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    return np.setdiff1d(np.concatenate(edges), [0])
