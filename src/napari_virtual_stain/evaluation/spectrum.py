"""Fourier ring correlation: up to which fineness a prediction follows the observed image.

References
----------
.. [1] Saxton & Baumeister, "The correlation averaging of a regularly arranged bacterial cell
   envelope protein", Journal of Microscopy 127, 127-138 (1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.shapes import times


@dataclass(frozen=True, eq=False)
class RingCorrelation:
    """Correlation of two images, ring by ring of their spectra.

    Parameters
    ----------
    frequencies : ndarray of float64, shape (n,)
        Means of the rings, in cycles per µm where the pixel size is known, else per pixel.
    correlation : ndarray of float64, shape (n,)
        From −1 to 1; NaN where one of the two has nothing.
    """

    frequencies: np.ndarray
    correlation: np.ndarray

    def resolved(self, level: float = 1 / 7) -> float:
        """Return the frequency at which the correlation first falls below a level.

        NaN where it never does, or is below from the first ring on.
        """
        (below,) = np.nonzero(self.correlation < level)
        if not below.size or below[0] == 0:
            return float("nan")
        first = int(below[0])
        high, low = self.correlation[first - 1], self.correlation[first]
        share = (high - level) / (high - low)
        step = self.frequencies[first] - self.frequencies[first - 1]
        return float(self.frequencies[first - 1] + share * step)


def fourier_ring_correlation(
    observed: np.ndarray, predicted: np.ndarray, pixel_size: tuple[float, float] | None = None
) -> RingCorrelation:
    """Correlate the spectra of two planes.

    Parameters
    ----------
    observed, predicted : ndarray, shape (Y, X), any real dtype
        Brought to a mean of 0 and tapered (Hann), as borders would look like fine structures.
    pixel_size : (y, x), optional
        In µm. Rings are circles in cycles per µm.

    Returns
    -------
    RingCorrelation
        From the first ring to half a cycle per pixel, along the axis that reaches less far.

    Raises
    ------
    VirtualStainError
        If these are not two planes of one shape of 8 × 8 pixels and more, without NaN.
    """
    if observed.shape != predicted.shape or observed.ndim != 2 or min(observed.shape) < 8:
        raise VirtualStainError(
            "the spectra of two planes of one size, of 8 × 8 pixels or more, are correlated, and "
            f"these have {times(observed.shape)} and {times(predicted.shape)} pixels."
        )
    if not (np.isfinite(observed).all() and np.isfinite(predicted).all()):
        raise VirtualStainError("a pixel is NaN or infinite, and such a plane has no spectrum.")
    height, width = observed.shape
    sizes = pixel_size or (1.0, 1.0)
    taper = np.outer(np.hanning(height), np.hanning(width))
    of_o, of_p = (
        np.fft.rfft2((image - image.mean(dtype=np.float64)) * taper)
        for image in (observed, predicted)
    )
    rows, columns = np.fft.fftfreq(height, sizes[0]), np.fft.rfftfreq(width, sizes[1])
    radius = np.hypot(rows[:, None], columns)
    step = max(1 / (height * sizes[0]), 1 / (width * sizes[1]))
    rings = int(min(0.5 / sizes[0], 0.5 / sizes[1]) / step)
    ring = np.rint(radius / step).astype(int)
    # Half of the spectrum is given; its columns stand for their mirror images too.
    twice = np.full(of_o.shape, 2.0)
    twice[:, 0] = 1
    if width % 2 == 0:
        twice[:, -1] = 1

    def summed(values: np.ndarray) -> np.ndarray:
        total = np.bincount(ring.ravel(), (values * twice).ravel(), rings + 1)
        return total[1 : rings + 1]

    cross = summed((of_o * of_p.conj()).real)
    power = np.sqrt(summed(np.abs(of_o) ** 2) * summed(np.abs(of_p) ** 2))
    nothing = np.full(rings, np.nan)
    correlation = np.divide(cross, power, out=nothing, where=power > 0)
    frequencies = summed(radius) / summed(np.ones_like(radius))
    return RingCorrelation(frequencies, correlation)
