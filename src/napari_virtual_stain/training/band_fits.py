"""How well filtered images explain a target at each shift, in bands of spatial frequency.

For a linear fit, only the correlations of the filtered images with the target matter, and Fourier
transforms give these for all shifts at once. With R² the share of the target's variance that the
fit explains in a band, and n the number of independent pixels there, −n/2 · ln(1 − R²) is the
logarithm of a shift's likelihood, over that of nothing in common; bands and parts of an image
add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_virtual_stain.events import raise_if_stopped

BANDS = 1.0, 2.0, 4.0, 8.0
"""Bands of spatial frequency: each holds structures between a σ and twice that (px)."""


@dataclass(frozen=True, eq=False)
class Sums:
    """What a linear fit of a target at each shift needs: sums over pixels, so that parts add up.

    Parameters
    ----------
    gram : ndarray, shape (bands, views, views)
        Products of the views with each other.
    cross : ndarray, shape (bands, views, *shifts)
        Products of each view with the target.
    power : ndarray, shape (bands,)
        Of the target.
    area : float
        Pixels that were summed.
    """

    gram: np.ndarray
    cross: np.ndarray
    power: np.ndarray
    area: float

    def of_first(self, views: int) -> Sums:
        """Return the sums for a fit by the first views alone."""
        return replace(self, gram=self.gram[:, :views, :views], cross=self.cross[:, :views])


def correlated(
    views: Sequence[np.ndarray], target: np.ndarray, reach: Sequence[int] | np.ndarray
) -> Sums:
    """Return the sums of a region.

    Parameters
    ----------
    views : sequence of ndarray of float32, each of the shape of `target`
        What the target is fitted by.
    target : ndarray of float32, shape ([Z,] Y, X)
    reach : sequence of int
        Farthest shift along each axis (px).
    """
    from scipy import fft

    raise_if_stopped()
    sizes = [fft.next_fast_len(n + int(r), True) for n, r in zip(target.shape, reach, strict=True)]
    window = _tapered(target.shape)
    spectra = np.stack([fft.rfftn(_centred(view, window), sizes) for view in views])
    of_target = fft.rfftn(_centred(target, window), sizes)
    # The real part of a product with a conjugate is the product of the two as twice as many reals.
    reals = spectra.reshape(len(views), -1).view(np.float32)
    gram, cross, power = [], [], []
    for band in _bands(sizes):
        weight = np.repeat(band.ravel(), 2)
        gram.append((reals * weight) @ reals.T)
        power.append(float(np.abs(of_target.ravel()) ** 2 @ band.ravel()))
        cross.append(_at_shifts(spectra * (of_target.conj() * band), sizes, reach))
        raise_if_stopped()
    return Sums(np.stack(gram), np.stack(cross), np.array(power), float(np.sum(window**2)))


def _at_shifts(
    spectra: np.ndarray, sizes: Sequence[int], reach: Sequence[int] | np.ndarray
) -> np.ndarray:
    """Return real images of which these are the (half) spectra, at some shifts around 0 alone.

    Far fewer shifts are wanted than there are pixels, so sums of waves are quicker than a whole
    inverse transform.
    """
    for axis in reversed(range(len(sizes))):
        shifts = np.arange(-reach[axis], reach[axis] + 1)
        turns = np.outer(np.arange(spectra.shape[-1]), shifts) % sizes[axis] / sizes[axis]
        # Contracted axes come to the front, so that the next one is the last.
        spectra = np.moveaxis(spectra @ np.exp(2j * np.pi * turns).astype(np.complex64), -1, 1)
    return spectra.real


def _centred(values: np.ndarray, window: np.ndarray) -> np.ndarray:
    centred: np.ndarray = (values - np.average(values, weights=window)) * window
    return centred.astype(np.float32, copy=False)


def _tapered(sizes: Sequence[int]) -> np.ndarray:
    """Return a window that falls to 0 in the outer eighth at both ends of each axis."""
    from scipy.signal.windows import tukey

    window = np.ones((), np.float32)
    for size in sizes:
        window = np.multiply.outer(window, np.float32(tukey(size + 2, 0.25)[1:-1]))
    return window


def _bands(sizes: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield the power of each band's filter, a difference of Gaussians, on a half spectrum.

    Sums over it are sums over pixels: it is divided by their number, and what stands for
    the other half counts twice.
    """
    ends = [np.fft.fftfreq(size) for size in sizes[:-1]] + [np.fft.rfftfreq(sizes[-1])]
    square = sum(frequency**2 for frequency in np.ix_(*ends))
    twice = np.where((ends[-1] == 0) | (ends[-1] == 0.5), 1, 2) / math.prod(sizes)
    for scale in BANDS:
        finer, coarser = (np.exp(-2 * (np.pi * s) ** 2 * square) for s in (scale, 2 * scale))
        band: np.ndarray = (finer - coarser) ** 2 * twice
        yield band.astype(np.float32)


def _explained(parts: Sequence[Sums]) -> np.ndarray:
    """Return R² of the fit for each band and shift, shape (bands, *shifts)."""
    gram = np.stack([part.gram for part in parts]).sum(0, dtype=np.float64)
    cross = np.stack([part.cross for part in parts]).sum(0, dtype=np.float64)
    power = np.stack([part.power for part in parts]).sum(0)
    shares = []
    for views, products, total in zip(gram, cross, power, strict=True):
        # Views are much alike: without a little on the diagonal, the fit would be of noise.
        little = 1e-3 * np.diag(views) + 1e-12 * np.trace(views)
        flat = products.reshape(len(products), -1)
        fitted = np.einsum("vs,vs->s", flat, np.linalg.solve(views + np.diag(little), flat))
        shares.append(np.clip(fitted / max(total, 1e-20), 0, 0.999).reshape(products.shape[1:]))
    return np.stack(shares)


def of_bands(parts: Sequence[Sums]) -> np.ndarray:
    """Return the likelihood (its logarithm, over no fit) of each shift, shape (bands, *shifts)."""
    shares = _explained(parts)
    area, axes = sum(part.area for part in parts), shares.ndim - 1
    independent = [area / (2 * math.sqrt(math.pi) * scale) ** axes for scale in BANDS]
    bands: np.ndarray = -np.reshape(independent, (-1, *(1,) * axes)) / 2 * np.log1p(-shares)
    return bands


def likelihood(parts: Sequence[Sums]) -> np.ndarray:
    """Return the likelihood (its logarithm, over no fit) of each shift, of all bands together.

    Parameters
    ----------
    parts : sequence of Sums
        Of the parts of an image, with equal `reach`.

    Returns
    -------
    ndarray of float64, one element for each shift
        Position `reach` is no shift.
    """
    total: np.ndarray = of_bands(parts).sum(0)
    return total
