"""How far an input lies off its target, measured across contrasts.

Phase correlation needs two images of one contrast. Phase contrast and fluorescence have none in
common: what is dark in one may be bright, outlined or textured in the other. So the question is
turned round: *at which shift can the target be told best from the input?* The input is filtered in
a few ways (grey value, edges, texture, at several scales), the target is fitted by their best sum,
and this is done at each shift. Two properties make it work:

* The filters are isotropic, so they prefer no direction and move nothing; and the sum is fitted
  anew at each shift, so bright on dark, outlines and textures are all found.
* It is done in bands of spatial frequency (:mod:`.band_fits`), of which the fine ones tell where
  and the coarse ones tell which.

How far parts of the image and the bands agree shows how sure the answer is.

One thing looks like a shift and is none: light that falls in from one side shades all structures
alike, and out of focus displaces them. There, derivatives of the input add much to the fit,
which says that the shift cannot be told.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.training.band_fits import Sums, correlated, likelihood, of_bands
from napari_virtual_stain.training.correcting import shared

SCALES = 1.0, 2.0, 4.0
"""σ of the filters of the input (px)."""

REACH = 48
"""Farthest shift that is looked for (px); a quarter of the image, where that is less."""

NEAR = 12
"""How far each part is searched around the shift of the whole (px); nothing nearer is a rival."""

PARTS = 3
"""Into how many parts an image is cut along Y and X to see whether they agree."""

SMALLEST = 64
"""Pixels along Y and X below which there is no telling."""

DISTINCT, PRECISE, SHADED = 3.0, 1.5, 0.15
"""Where each of three doubts leaves a confidence of 0.5: likelihood over that of the best rival,
uncertainty (px), and what derivatives add to the likelihood."""


@dataclass(frozen=True)
class Shift:
    """How far a source lies off its target.

    What lies at position p of the target is found at p + `pixels` of the source.

    Parameters
    ----------
    pixels : tuple of float
        Along each axis of the target, in its order.
    confidence : float
        From 0 to 1. Below 0.5 the shift cannot be told, and `pixels` may be anything.
    cost : float
        Share, 0 … 1, of the likelihood that is lost where the two stay as they are: how much the
        shift matters for structures of the size that these images show.
    """

    pixels: tuple[float, ...]
    confidence: float
    cost: float

    @property
    def is_told(self) -> bool:
        """Whether the shift can be told."""
        return self.confidence >= 0.5

    @property
    def length(self) -> float:
        """Length of the shift (px)."""
        return math.hypot(*self.pixels)


def measured_shift(source: np.ndarray, target: np.ndarray) -> Shift:
    """Measure how far a source lies off its target; their contrasts may differ.

    Parameters
    ----------
    source : ndarray, shape ([C,] [Z,] Y, X)
        One image, or several on one grid (channels, planes), of any real dtype, without NaN.
    target : ndarray, shape ([Z,] Y, X)
        On the grid of the source.

    Returns
    -------
    Shift
        In parts of a pixel, up to `REACH` px along each axis. Its confidence is 0 where an image
        is constant, smaller than `SMALLEST`, or the two have nothing in common.
    """
    sources = [_evened(one) for one in source.reshape(-1, *target.shape)]
    seen = _evened(target)
    sources = [one for one in sources if one.any()]
    nothing = Shift((0.0,) * target.ndim, 0.0, 0.0)
    if min(target.shape[-2:]) < SMALLEST or not sources or not seen.any():
        return nothing
    views = [view for one in sources for view in _views(one)]
    reach = np.array([min(REACH, size // 4) for size in target.shape])
    whole = likelihood([correlated(views, seen, reach)])
    start = _highest(whole) - reach
    best = float(whole.max())
    if best <= 0:
        return nothing
    distinct = best / max(_best_rival(whole, start + reach), 1e-6 * best)
    cost = 1 - float(whole[tuple(reach)]) / best

    here, there = zip(*map(shared, target.shape, start), strict=True)
    sources = [one[here] for one in sources]
    views, seen = [view[here] for view in views], seen[there]
    near = np.array([min(NEAR, size // 8) for size in seen.shape])
    parts = [
        correlated([view[part] for view in views], seen[part], near) for part in _parts(seen.shape)
    ]
    rest = _between(likelihood(parts)) - near
    uncertainty = math.hypot(_spread_of_parts(parts), _spread_of_bands(parts, rest + near))
    slopes = [slope for one in sources for slope in _slopes(one)]
    shading = _shading(views, slopes, seen, near)
    confidence = min(
        distinct / (distinct + DISTINCT),
        1 / (1 + (uncertainty / PRECISE) ** 2),
        2 ** (-shading / SHADED),
    )
    return Shift(tuple(float(by) for by in start + rest), confidence, cost)


def _evened(values: np.ndarray) -> np.ndarray:
    """Return grey values between two percentiles as −0.5 … 0.5; 0 where all are alike."""
    even: np.ndarray = values.astype(np.float32)
    low, high = np.percentile(even, (0.5, 99.8))
    if low == high:
        low, high = even.min(), even.max()
    if low == high:
        return np.zeros_like(even)
    even = np.clip((even - low) / np.float32(high - low), 0, 1) - np.float32(0.5)
    return even


def _views(image: np.ndarray) -> Iterator[np.ndarray]:
    """Yield isotropic filters of an image: itself, its edges, its texture."""
    from scipy import ndimage

    yield image
    for scale in SCALES:
        yield ndimage.gaussian_gradient_magnitude(image, scale)
        detail = ndimage.gaussian_laplace(image, scale)
        yield np.sqrt(ndimage.gaussian_filter(detail * detail, scale))
        raise_if_stopped()


def _slopes(image: np.ndarray) -> Iterator[np.ndarray]:
    """Yield derivatives of an image along each axis, which light from one side looks like."""
    from scipy import ndimage

    for scale, axis in itertools.product(SCALES, range(image.ndim)):
        order = [int(axis == other) for other in range(image.ndim)]
        yield scale * ndimage.gaussian_filter(image, scale, order=order)


def _highest(values: np.ndarray) -> np.ndarray:
    return np.array(np.unravel_index(int(values.argmax()), values.shape))


def _between(values: np.ndarray) -> np.ndarray:
    """Return where the maximum is, between pixels by a parabola along each axis."""
    top = _highest(values)
    place = top.astype(float)
    for axis, (at, size) in enumerate(zip(top, values.shape, strict=True)):
        if 0 < at < size - 1:
            line = values[tuple(slice(None) if a == axis else i for a, i in enumerate(top))]
            left, middle, right = (float(value) for value in line[at - 1 : at + 2])
            bend = left - 2 * middle + right
            place[axis] += (left - right) / (2 * bend) if bend < 0 else 0.0
    return place


def _best_rival(values: np.ndarray, peak: np.ndarray) -> float:
    places = np.indices(values.shape)
    away = sum((at - here) ** 2 for at, here in zip(places, peak, strict=True))
    return float(values[away > NEAR**2].max(initial=0.0))


def _parts(sizes: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    cuts = []
    for axis, size in enumerate(sizes):
        edges = np.linspace(0, size, (PARTS if axis >= len(sizes) - 2 else 1) + 1).astype(int)
        cuts.append([slice(int(a), int(b)) for a, b in itertools.pairwise(edges)])
    yield from itertools.product(*cuts)


def _spread_of_parts(parts: Sequence[Sums]) -> float:
    """Return the standard error of the shift (px), by leaving out each part in turn."""
    places = [_between(likelihood([*parts[:i], *parts[i + 1 :]])) for i in range(len(parts))]
    return math.sqrt((len(parts) - 1) * float(np.var(places, axis=0).sum()))


def _spread_of_bands(parts: Sequence[Sums], place: np.ndarray) -> float:
    """Return how far the maxima of the bands lie from the common one (px), by their weight."""
    bands = of_bands(parts)
    weights = bands[(slice(None), *np.rint(place).astype(int))]
    apart = [float(np.linalg.norm(_between(band) - place)) for band in bands]
    return float(np.average(apart, weights=weights + 1e-12))


def _shading(
    views: Sequence[np.ndarray],
    slopes: Sequence[np.ndarray],
    target: np.ndarray,
    near: np.ndarray,
) -> float:
    """Return by which share the likelihood is higher where slopes of the sources may help."""
    both = correlated([*views, *slopes], target, near)
    best = [float(likelihood([sums]).max()) for sums in (both.of_first(len(views)), both)]
    return max(0.0, best[1] / max(best[0], 1e-12) - 1)
