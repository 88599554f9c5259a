"""Sums over the pixels of an image pair, in one stable pass, from which most scores follow.

They are accumulated block by block, so that no float64 copy of an image is ever held, and image
after image, so that a set or a stream of chunks is scored as one. A pixel counts where the mask
says so and the observed image is a number; what was not measured cannot be predicted wrongly. A
predicted pixel that counts and is NaN makes every score NaN.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.evaluation.shapes import check_same_shape
from napari_virtual_stain.events import raise_if_stopped

BLOCK = 1 << 17
"""Pixels taken at a time; a block of a pair in float64 fits a processor's cache."""

PART = 1 << 22
"""Pixels that a thread gets. Of fewer than two parts, threads would wait for each other more than
they gain, where other programs want the processors too."""

MOST_WORKERS = 8


@dataclass(frozen=True)
class Moments:
    """First and second moments of observed and predicted pixels and of their difference, float64.

    All are NaN where no pixel counts.

    Parameters
    ----------
    count : int
        Number of pixels that count.
    mean_observed, mean_predicted : float
        Means, in intensity units.
    var_observed, var_predicted : float
        Variances (divided by `count`); exactly 0 for a constant image.
    covariance : float
        Covariance (divided by `count`).
    mean_absolute_error, mean_squared_error : float
        Of observed − predicted.
    mean_absolute_observed : float
        Mean of abs(observed).
    min_observed, max_observed : float
    """

    count: int
    mean_observed: float
    mean_predicted: float
    var_observed: float
    var_predicted: float
    covariance: float
    mean_absolute_error: float
    mean_squared_error: float
    mean_absolute_observed: float
    min_observed: float
    max_observed: float

    @property
    def mean_squared_observed(self) -> float:
        """Mean of observed²."""
        return self.var_observed + self.mean_observed**2

    @property
    def range_observed(self) -> float:
        """Largest minus smallest observed pixel."""
        return self.max_observed - self.min_observed


class MomentsCounter:
    """Accumulates the moments of pairs of images, or of parts of them.

    Notes
    -----
    Blocks are merged with the pairwise update of Chan, Golub and LeVeque, "Updating formulae
    and a pairwise algorithm for computing sample variances" (1979). All values are taken
    relative to the first pixel, which makes the variance of a constant image exactly 0.
    """

    def __init__(self) -> None:
        self._count = 0
        self._origin: tuple[float, float] | None = None
        self._mean_o = self._mean_p = self._ss_o = self._ss_p = self._cross = 0.0
        self._absolute = self._squared = self._size = 0.0
        self._low, self._high = math.inf, -math.inf
        # Fresh memory for each block would cost more than all that is computed with it.
        self._room: np.ndarray | None = None

    def add(
        self, observed: np.ndarray, predicted: np.ndarray, mask: np.ndarray | None = None
    ) -> None:
        """Add a pair.

        Parameters
        ----------
        observed, predicted : ndarray, same shape, any real dtype
            Neither is changed.
        mask : ndarray, same shape, optional
            0 where a pixel does not count.

        Raises
        ------
        VirtualStainError
            If the shapes differ.
        """
        if self._room is None:
            self._room = np.empty((3, min(BLOCK, max(1, observed.size))))
        elif self._room.shape[1] < min(BLOCK, observed.size):
            self._room = np.empty((3, BLOCK))
        for o, p in counted(observed, predicted, mask, self._room):
            # Of an infinite prediction every score is NaN, which needs no warning.
            with np.errstate(invalid="ignore", over="ignore"):
                self._add(o, p)

    def result(self) -> Moments:
        """Return the moments of all that was added."""
        n = self._count
        if not n or self._origin is None:
            return Moments(0, *(math.nan,) * 10)
        return Moments(
            n,
            self._origin[0] + self._mean_o,
            self._origin[1] + self._mean_p,
            self._ss_o / n,
            self._ss_p / n,
            self._cross / n,
            self._absolute / n,
            self._squared / n,
            self._size / n,
            self._low,
            self._high,
        )

    def _add(self, observed: np.ndarray, predicted: np.ndarray) -> None:
        """Add a block of float64 pixels that count, shape (n,), which are overwritten."""
        assert self._room is not None
        o, p, difference = observed, predicted, self._room[2, : observed.size]
        np.subtract(observed, predicted, out=difference)
        self._squared += _dot(difference, difference)
        self._absolute += float(np.abs(difference, out=difference).sum())
        self._size += float(np.abs(observed, out=difference).sum())
        self._low = min(self._low, float(observed.min()))
        self._high = max(self._high, float(observed.max()))
        if self._origin is None:
            self._origin = float(observed[0]), float(predicted[0])
        o -= self._origin[0]
        p -= self._origin[1]
        mean_o, mean_p = float(o.mean()), float(p.mean())
        o -= mean_o
        p -= mean_p
        delta_o, delta_p = mean_o - self._mean_o, mean_p - self._mean_p
        total = self._count + o.size
        weight = self._count * o.size / total
        self._ss_o += _dot(o, o) + delta_o * delta_o * weight
        self._ss_p += _dot(p, p) + delta_p * delta_p * weight
        self._cross += _dot(o, p) + delta_o * delta_p * weight
        self._mean_o += delta_o * o.size / total
        self._mean_p += delta_p * o.size / total
        self._count = total


def moments(observed: np.ndarray, predicted: np.ndarray, mask: np.ndarray | None = None) -> Moments:
    """Compute the moments of two images of the same shape.

    Parameters
    ----------
    observed, predicted : ndarray, same shape, any real dtype
        Neither is changed.
    mask : ndarray, same shape, optional
        0 where a pixel does not count. Where the observed image is no finite number it does not
        either.

    Returns
    -------
    Moments

    Raises
    ------
    VirtualStainError
        If the shapes differ.
    """
    check_same_shape(observed_image=observed, predicted_image=predicted, mask=mask)
    given = (observed, predicted) if mask is None else (observed, predicted, mask)
    if observed.size < 2 * PART:
        return _of_part(given)
    # Threads do not know of a request to stop; it is looked for between their results.
    with ThreadPoolExecutor(min(MOST_WORKERS, os.cpu_count() or 1)) as pool:
        try:
            found = []
            for part in pool.map(_of_part, blocks(*given, size=PART)):
                raise_if_stopped()
                found.append(part)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return pooled(found)


def _of_part(arrays: tuple[np.ndarray, ...]) -> Moments:
    counter = MomentsCounter()
    counter.add(*arrays)
    return counter.result()


def pooled(parts: Iterable[Moments]) -> Moments:
    """Return the moments of all pixels of several parts together."""
    known = [part for part in parts if part.count]
    if not known:
        return MomentsCounter().result()
    count = sum(part.count for part in known)

    def mean(value: Callable[[Moments], float]) -> float:
        return sum(part.count * value(part) for part in known) / count

    mean_o, mean_p = mean(lambda one: one.mean_observed), mean(lambda one: one.mean_predicted)

    # What the parts have within them, and what their means have between them.
    between = [(one.mean_observed - mean_o, one.mean_predicted - mean_p) for one in known]
    shares = [one.count / count for one in known]
    oo, pp, op = (
        sum(share * d[i] * d[j] for share, d in zip(shares, between, strict=True))
        for i, j in ((0, 0), (1, 1), (0, 1))
    )
    return Moments(
        count,
        mean_o,
        mean_p,
        mean(lambda one: one.var_observed) + oo,
        mean(lambda one: one.var_predicted) + pp,
        mean(lambda one: one.covariance) + op,
        mean(lambda one: one.mean_absolute_error),
        mean(lambda one: one.mean_squared_error),
        mean(lambda one: one.mean_absolute_observed),
        min(part.min_observed for part in known),
        max(part.max_observed for part in known),
    )


def counted(
    observed: np.ndarray,
    predicted: np.ndarray,
    mask: np.ndarray | None = None,
    room: np.ndarray | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the pixels of a pair that count, block by block: float64 arrays of shape (n,).

    They are new, or lie in `room` (shape (2, BLOCK) or larger) until the next are asked for.

    Raises
    ------
    VirtualStainError
        If the shapes differ.
    """
    check_same_shape(observed_image=observed, predicted_image=predicted, mask=mask)
    given = (observed, predicted) if mask is None else (observed, predicted, mask)
    if not observed.size:
        return
    for block in blocks(*given):
        o, p = (_flat(part, None if room is None else room[i]) for i, part in enumerate(block[:2]))
        taken = None if observed.dtype.kind in "biu" else np.isfinite(o)
        if mask is not None:
            chosen = block[2].ravel() != 0
            taken = chosen if taken is None else taken & chosen
        if taken is not None and not taken.all():
            o, p = o[taken], p[taken]
        if o.size:
            yield o, p


def _dot(one: np.ndarray, other: np.ndarray) -> float:
    """Return Σ one · other, in this thread alone.

    ``@`` goes to several threads of its own for vectors that short, and where other programs want
    the processors it waits for them much longer than it computes.
    """
    return float(np.einsum("i,i", one, other))


def _flat(part: np.ndarray, room: np.ndarray | None) -> np.ndarray:
    if room is None:
        return part.astype(np.float64).ravel()
    flat = room[: part.size]
    flat.reshape(part.shape)[...] = part
    return flat


def blocks(*arrays: np.ndarray, size: int = BLOCK) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the same part of each array in turn, as views of at most `size` pixels.

    The parts cover the arrays in order. A row along the last axis is cut like any other, and
    arrays need not be contiguous.
    """
    first = arrays[0]
    if first.size <= size:
        raise_if_stopped()
        yield arrays
        return
    per_entry = first.size // len(first)
    step = max(1, size // per_entry)
    for start in range(0, len(first), step):
        if per_entry > size:
            yield from blocks(*(array[start] for array in arrays), size=size)
        else:
            raise_if_stopped()
            yield tuple(array[start : start + step] for array in arrays)
