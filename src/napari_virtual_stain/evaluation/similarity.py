"""Structural similarity (SSIM): whether two images have the same structures, window by window.

The windows are those of scikit-image: squares or cubes of 7 px that lie within the image, and
count alike. What differs is how they are computed: strip by strip, plane after plane, with the
sums over a window kept from one plane to the next. So little more than the images is held in
memory, lazy arrays do, and strips go to several processors.

References
----------
.. [1] Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error visibility to
   structural similarity", IEEE Transactions on Image Processing 13, 600-612 (2004).
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.moments import Moments, MomentsCounter, moments
from napari_virtual_stain.evaluation.shapes import check_same_shape, times
from napari_virtual_stain.events import raise_if_stopped

Per = Literal["volume", "plane"]

WINDOW = 7
"""Side of a window (px)."""

K1, K2 = 0.01, 0.03
"""Of the published constants."""

STRIP = 1 << 16
"""Pixels of a strip of a plane that are worked on at a time."""

MOST_WORKERS = 8


def structural_similarity(
    observed: Any,
    predicted: Any,
    mask: Any = None,
    *,
    data_range: float | None = None,
    per: Per = "volume",
) -> float:
    """Mean structural similarity of windows of 7 px, in float64.

    Parameters
    ----------
    observed, predicted : array, shape ([Z,] Y, X), any real dtype
        May be lazy; strips of planes are read.
    mask : array, same shape, optional
        0 where a window does not count that has its centre there. One that holds an observed
        pixel that is no finite number does not count either.
    data_range : float, optional
        Of the constants; by default largest minus smallest observed pixel that counts.
    per : {"volume", "plane"}
        Windows are cubes in a stack, or squares in each of its planes.

    Returns
    -------
    float
        At most 1. NaN where no window counts, where the observed image is constant and no range
        is given, or where a window that counts holds a predicted pixel that is NaN.

    Raises
    ------
    VirtualStainError
        If the shapes differ, or the image is smaller than a window.
    """
    total, count = similarity_sum(observed, predicted, mask, data_range=data_range, per=per)
    return total / count if count else math.nan


def similarity_sum(
    observed: Any,
    predicted: Any,
    mask: Any = None,
    *,
    data_range: float | None = None,
    per: Per = "volume",
) -> tuple[float, int]:
    """Return the sum over windows of what :func:`structural_similarity` is the mean of.

    Returns
    -------
    (sum, count) : float, int
        Sums of several images add up. Without a range, no window counts.
    """
    if per not in get_args(Per):
        raise VirtualStainError(
            f"structural similarity cannot be had per {per!r}; choose 'volume' or 'plane'."
        )
    shape = tuple(observed.shape)
    deep = len(shape) > 2 and per == "volume"
    check_same_shape(observed_image=observed, predicted_image=predicted, mask=mask)
    _check(shape, deep)
    given = (observed, predicted) if mask is None else (observed, predicted, mask)
    stacks = [array if len(shape) > 2 else array[np.newaxis] for array in given]
    known = _range(stacks) if data_range is None else data_range
    if not known > 0:
        return 0.0, 0

    def work(rows: slice) -> tuple[float, int]:
        return _strip(stacks, rows, WINDOW if deep else 1, known)

    total, count = 0.0, 0
    # Threads do not know of a request to stop; it is looked for between their results.
    with ThreadPoolExecutor(min(MOST_WORKERS, os.cpu_count() or 1)) as pool:
        try:
            for part, windows in pool.map(work, _strips(*shape[-2:])):
                raise_if_stopped()
                total, count = total + part, count + windows
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return total, count


def global_structural_similarity(
    observed: np.ndarray,
    predicted: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    data_range: float | None = None,
) -> float:
    """Structural similarity of one window, which is the whole image: the formula as printed.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype
    mask : ndarray, same shape, optional
        0 where a pixel does not count.
    data_range : float, optional
        Of the constants; by default largest minus smallest observed pixel that counts.

    References
    ----------
    .. [1] Wang et al., "Global voxel transformer networks for augmented microscopy", Nature
       Machine Intelligence 3, 161-171 (2021), which prints it; its code uses windows.
    """
    found = moments(observed, predicted, mask)
    return global_similarity_of(found, found.range_observed if data_range is None else data_range)


def global_similarity_of(found: Moments, data_range: float) -> float:
    """Return :func:`global_structural_similarity` from moments."""
    if not data_range > 0:
        return math.nan
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    mean_o, mean_p = found.mean_observed, found.mean_predicted
    above = (2 * mean_o * mean_p + c1) * (2 * found.covariance + c2)
    below = (mean_o**2 + mean_p**2 + c1) * (found.var_observed + found.var_predicted + c2)
    return above / below


def _check(shape: tuple[int, ...], deep: bool) -> None:
    sides = shape if deep else shape[-2:]
    if min(sides) < WINDOW:
        hint = " Ask for it plane by plane." if deep and min(shape[-2:]) >= WINDOW else ""
        raise VirtualStainError(
            f"structural similarity is that of windows of {WINDOW} pixels, and the image has "
            f"{times(sides)}.{hint}"
        )


def _strips(height: int, width: int) -> Iterator[slice]:
    """Yield the rows of the centres of windows, in parts."""
    margin = WINDOW // 2
    step = max(4 * WINDOW, STRIP // width)
    for start in range(margin, height - margin, step):
        yield slice(start, min(start + step, height - margin))


def _range(stacks: list[Any]) -> float:
    """Return largest minus smallest observed pixel that counts."""
    counter = MomentsCounter()
    for planes in zip(*stacks, strict=True):
        observed, *_ = arrays = [np.asarray(plane) for plane in planes]
        counter.add(observed, observed, *arrays[2:])
    return counter.result().range_observed


def _strip(stacks: list[Any], rows: slice, depth: int, data_range: float) -> tuple[float, int]:
    """Return the sum of the similarities of a strip of windows, and how many they are."""
    margin = WINDOW // 2
    read = slice(rows.start - margin, rows.stop + margin)
    pixels = WINDOW ** (3 if depth > 1 else 2)
    kept: deque[_Plane] = deque()
    sums: Any = 0.0
    total, count = 0.0, 0
    for z in range(len(stacks[0])):
        plane = _plane(*(np.asarray(stack[z, read]) for stack in stacks[:2]))
        kept.append(plane)
        sums = sums + plane.means
        if len(kept) > depth:
            sums -= kept.popleft().means
        if len(kept) < depth:
            continue
        values = _similarity(sums / depth, pixels, data_range)
        for broken in (one.broken for one in kept if one.broken is not None):
            values[broken] = math.nan
        missing = [one.missing for one in kept if one.missing is not None]
        if len(stacks) > 2:
            centres = np.asarray(stacks[2][z - depth // 2, rows])[:, margin:-margin]
            missing.append(centres == 0)
        counted = values[~np.any(missing, axis=0)] if missing else values
        total += float(counted.sum())
        count += counted.size
    return total, count


class _Plane(NamedTuple):
    """What the windows of a strip take from one plane.

    `means` are those of :func:`_means`; `missing` are windows that hold an observed pixel that is
    no number, `broken` those that hold such a predicted pixel.
    """

    means: np.ndarray
    missing: np.ndarray | None
    broken: np.ndarray | None


def _plane(observed: np.ndarray, predicted: np.ndarray) -> _Plane:
    o, p = observed.astype(np.float64), predicted.astype(np.float64)
    missing, broken = (
        None if values.dtype.kind in "biu" or np.isfinite(values).all() else ~np.isfinite(values)
        for values in (observed, predicted)
    )
    # What is no number would stay in the sums, which are kept from one plane to the next.
    for values, gone in ((o, missing), (p, broken)):
        if gone is not None:
            values[gone] = 0
    return _Plane(_inner(_means(o, p)), _touched(missing), _touched(broken))


def _touched(pixels: np.ndarray | None) -> np.ndarray | None:
    """Return which windows hold one of these pixels."""
    from scipy.ndimage import maximum_filter

    return None if pixels is None else _inner(maximum_filter(pixels, WINDOW))


def _inner(values: np.ndarray) -> np.ndarray:
    """Return the centres of windows that lie within (…, Y, X)."""
    margin = WINDOW // 2
    return values[..., margin:-margin, margin:-margin]


def _means(o: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the means over squares of o, p, o² + p² and o · p, shape (4, Y, X)."""
    from scipy.ndimage import uniform_filter1d

    # Variances enter as a sum only, so that four means do.
    fields = np.empty((4, *o.shape))
    fields[0], fields[1] = o, p
    np.multiply(o, o, out=fields[2])
    fields[2] += p * p
    np.multiply(o, p, out=fields[3])
    for axis in (1, 2):
        uniform_filter1d(fields, WINDOW, axis, output=fields)
    return fields


def _similarity(means: np.ndarray, pixels: int, data_range: float) -> np.ndarray:
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    mean_o, mean_p, squares, product = means
    unbiased = pixels / (pixels - 1)
    both = mean_o * mean_p
    means_squared = mean_o * mean_o + mean_p * mean_p
    covariance = unbiased * (product - both)
    variances = unbiased * (squares - means_squared)
    above = (2 * both + c1) * (2 * covariance + c2)
    below = (means_squared + c1) * (variances + c2)
    result: np.ndarray = above / below
    return result
