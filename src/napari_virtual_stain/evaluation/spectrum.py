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
from napari_virtual_stain.events import raise_if_stopped


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

    def resolution(self, level: float = 1 / 7) -> float:
        """Return the period of the finest structures that are followed, in µm or px.

        Where the correlation never falls below the level, it is the finest that the pixels can
        show, the last ring's. NaN where it is below from the first ring on, or is not known.
        """
        known = self.correlation[np.isfinite(self.correlation)]
        if not known.size or self.correlation[0] < level:
            return float("nan")
        return 1 / (self.resolved(level) if known.min() < level else float(self.frequencies[-1]))


class RingCounter:
    """Accumulates the spectra of pairs of planes of one size.

    Parameters
    ----------
    shape : (Y, X)
        Size of a plane, 8 × 8 pixels or more.
    pixel_size : (y, x), optional
        In µm. Rings are circles in cycles per µm.
    """

    LEAST = 8
    """Pixels that a side has at least."""

    def __init__(
        self, shape: tuple[int, ...], pixel_size: tuple[float, float] | None = None
    ) -> None:
        height, width = shape
        sizes = pixel_size or (1.0, 1.0)
        self.planes = 0
        self._taper = np.outer(np.hanning(height), np.hanning(width))
        rows, columns = np.fft.fftfreq(height, sizes[0]), np.fft.rfftfreq(width, sizes[1])
        radius = np.hypot(rows[:, None], columns)
        step = max(1 / (height * sizes[0]), 1 / (width * sizes[1]))
        self._rings = int(min(0.5 / sizes[0], 0.5 / sizes[1]) / step)
        self._ring = np.rint(radius / step).astype(int)
        # Half of the spectrum is given; its columns stand for their mirror images too.
        self._twice = np.full(radius.shape, 2.0)
        self._twice[:, 0] = 1
        if width % 2 == 0:
            self._twice[:, -1] = 1
        self._frequencies = self._summed(radius) / self._summed(np.ones_like(radius))
        self._cross, self._power_o, self._power_p = np.zeros((3, self._rings))

    def add(self, observed: np.ndarray, predicted: np.ndarray) -> None:
        """Add a pair of planes, of numbers alone."""
        raise_if_stopped()
        of_o, of_p = (
            np.fft.rfft2((image - image.mean(dtype=np.float64)) * self._taper)
            for image in (observed, predicted)
        )
        self._cross += self._summed((of_o * of_p.conj()).real)
        self._power_o += self._summed(np.abs(of_o) ** 2)
        self._power_p += self._summed(np.abs(of_p) ** 2)
        self.planes += 1

    def result(self) -> RingCorrelation:
        """Return the correlation of all planes together."""
        power = np.sqrt(self._power_o * self._power_p)
        nothing = np.full(self._rings, np.nan)
        correlation = np.divide(self._cross, power, out=nothing, where=power > 0)
        return RingCorrelation(self._frequencies, correlation)

    def _summed(self, values: np.ndarray) -> np.ndarray:
        total = np.bincount(self._ring.ravel(), (values * self._twice).ravel(), self._rings + 1)
        return total[1 : self._rings + 1]


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
    if (
        observed.shape != predicted.shape
        or observed.ndim != 2
        or min(observed.shape) < RingCounter.LEAST
    ):
        raise VirtualStainError(
            "the spectra of two planes of one size, of 8 × 8 pixels or more, are correlated, and "
            f"these have {times(observed.shape)} and {times(predicted.shape)} pixels."
        )
    if not (np.isfinite(observed).all() and np.isfinite(predicted).all()):
        raise VirtualStainError("a pixel is NaN or infinite, and such a plane has no spectrum.")
    counter = RingCounter(observed.shape, pixel_size)
    counter.add(observed, predicted)
    return counter.result()
