"""Granularity: how much signal an object loses as brighter spots of each size are taken away.

Its costly part is the same for all objects of a plane. Compartments overlap, so it is measured
once in the pieces that they cut each other into, and put together from these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from napari_virtual_stain.evaluation.features.quietly import Values, quietly


def granularity(
    function: Callable[..., Mapping[str, Any]], labels: Mapping[str, np.ndarray], plane: np.ndarray
) -> dict[str, Values]:
    """Measure the granularity of the objects of all compartments of a plane.

    Parameters
    ----------
    function : callable
        That of `cp_measure`, of labels and a plane.
    labels : mapping of str to ndarray of int32, shape (Y, X)
        By compartment. Objects are numbered from 1, without gaps.
    plane : ndarray, shape (Y, X)
        Values from 0 to 1.

    Returns
    -------
    dict of str to (dict of str to ndarray)
        By compartment, in % of the mean of the object. NaN for an object without any signal.
    """
    inside = np.any([one > 0 for one in labels.values()], axis=0)
    if not inside.any():
        return {compartment: {} for compartment in labels}
    codes = np.zeros(int(inside.sum()), np.int64)
    for one in labels.values():
        codes = codes * (int(one.max()) + 1) + one[inside]
    _, first, places = np.unique(codes, return_index=True, return_inverse=True)
    owners = [one[inside][first] for one in labels.values()]
    pieces = np.zeros(plane.shape, np.int32)
    pieces[inside] = places + 1
    found = quietly(function, pieces, plane)
    sizes = np.bincount(pieces.ravel())[1:]
    signals = np.bincount(pieces.ravel(), plane.ravel())[1:]
    # Losses are in % of the mean of a piece, and add up as sums do.
    losses = {name: np.asarray(values) * signals for name, values in found.items()}
    return {
        compartment: _of_objects(of_piece, sizes, signals, losses)
        for compartment, of_piece in zip(labels, owners, strict=True)
    }


def _of_objects(
    of_piece: np.ndarray, sizes: np.ndarray, signals: np.ndarray, losses: Values
) -> Values:
    def total(values: np.ndarray) -> np.ndarray:
        summed: np.ndarray = np.bincount(of_piece, values)[1:]
        return summed

    signal = total(signals)
    dark = signal <= np.finfo(np.float32).eps * total(sizes)
    # A dark piece of an object that is not loses next to nothing, by a rounding of zero.
    return {
        name: np.where(dark, np.nan, total(np.nan_to_num(values)) / np.where(dark, 1, signal))
        for name, values in losses.items()
    }
