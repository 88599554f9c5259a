"""Brightfield images of a thin, weak specimen under partially coherent light.

The specimen is cut into thin slices of phase and absorption. Each slice scatters
the light once, and the image is linear in what it scatters [1]_: its spectrum is
the sum over slices of their spectra, each times the transfer function for its
distance from the focal plane [2]_, [3]_.

References
----------
.. [1] N. Streibl, "Three-dimensional imaging by a microscope", Journal of the Optical Society of
   America A 2, 121-127 (1985).
.. [2] C. J. R. Sheppard and X. Q. Mao, "Three-dimensional imaging in a microscope", Journal of
   the Optical Society of America A 6, 1260-1269 (1989).
.. [3] L. Tian and L. Waller, "Quantitative differential phase contrast imaging in an LED array
   microscope", Optics Express 23, 11394-11403 (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

MEDIUM_INDEX = 1.337
"""Refractive index of the culture medium."""

_RADII = 512
_SOURCE_POINTS = 256


@dataclass(frozen=True)
class Optics:
    """A microscope's transmitted-light path.

    Parameters
    ----------
    aperture : float
        Numerical aperture of the objective.
    condenser : float
        Numerical aperture of the illumination, above 0 and at most `aperture`. Their ratio is the
        coherence parameter: towards 0 coherent, 1 incoherent.
    wavelength : float
        In vacuum, in µm.
    """

    aperture: float
    condenser: float
    wavelength: float

    @property
    def cutoff(self) -> float:
        """Highest spatial frequency that is imaged, in 1/µm."""
        return (self.aperture + self.condenser) / self.wavelength


@lru_cache(maxsize=2048)
def transfer_functions(optics: Optics, defocus: float) -> tuple[np.ndarray, np.ndarray]:
    r"""Phase and absorption transfer functions of a thin weak object.

    For a source S and a pupil P, both discs, and an object exp(iφ − α) with small φ, α, the
    image is 1 + F⁻¹[H_p F[φ] + H_a F[α]] with (in the form of [3]_)

    .. math::
        H_p(f) = \frac{i}{B} \int S(s) [P^*(s) P(s+f) - P(s) P^*(s-f)] ds, \quad
        H_a(f) = -\frac{1}{B} \int S(s) [P^*(s) P(s+f) + P(s) P^*(s-f)] ds,

    where B is the integral of S. Defocus gives P the phase −πλz|u|²/n (paraxial). The phase of
    P*(s)P(s+f) then depends on s along f only, so that the source points across f are summed
    in closed form, as the length of a chord.

    Parameters
    ----------
    optics : Optics
    defocus : float
        Distance in µm from the object up to the plane in focus, along the light.

    Returns
    -------
    phase, absorption : (512,) arrays
        Over the spatial frequencies from 0 to ``optics.cutoff``, evenly spaced. Real, because
        source and pupil are symmetric. In focus the phase transfer is 0, and it is odd in
        `defocus`. Read-only, for they are cached.
    """
    source, pupil = optics.condenser / optics.wavelength, optics.aperture / optics.wavelength
    frequency = np.linspace(0, optics.cutoff, _RADII)[:, None]
    # Even steps in the angle whose sine is s: they lie dense where the chord changes fast.
    angle = (np.arange(_SOURCE_POINTS) + 0.5) * (np.pi / _SOURCE_POINTS) - np.pi / 2
    s = source * np.sin(angle)
    half_chord = np.minimum(
        source * np.cos(angle), np.sqrt(np.maximum(pupil**2 - (s + frequency) ** 2, 0))
    )
    weight = 2 * half_chord * source * np.cos(angle) * (np.pi / _SOURCE_POINTS)
    weight /= np.pi * source**2
    path = np.pi * optics.wavelength * defocus / MEDIUM_INDEX
    angle_of_p = path * (frequency**2 + 2 * s * frequency)
    phase = 2 * (weight * np.sin(angle_of_p)).sum(axis=1)
    absorption = -2 * (weight * np.cos(angle_of_p)).sum(axis=1)
    phase.flags.writeable = absorption.flags.writeable = False
    return phase, absorption


class Frequencies:
    """The spatial frequencies of an image's real FFT, for looking up radial functions.

    Parameters
    ----------
    shape : (int, int)
        Shape of the image.
    step : (float, float)
        Its pixel size in µm.
    cutoff : float
        Where the radial functions end, in 1/µm.
    """

    def __init__(self, shape: tuple[int, int], step: tuple[float, float], cutoff: float) -> None:
        self.shape = shape
        radius = np.hypot(
            np.fft.fftfreq(shape[0], step[0])[:, None], np.fft.rfftfreq(shape[1], step[1])
        )
        self.passed = radius < cutoff
        position = radius[self.passed] * ((_RADII - 1) / cutoff)
        self._index = position.astype(np.intp)
        self._fraction = (position - self._index).astype(np.float32)

    def forward(self, image: np.ndarray) -> np.ndarray:
        """Spectrum of `image` at the frequencies that pass, shape (..., passed)."""
        import scipy.fft

        spectrum: np.ndarray = scipy.fft.rfft2(image.astype(np.float32, copy=False))
        return spectrum[..., self.passed]

    def inverse(self, spectrum: np.ndarray) -> np.ndarray:
        """Image of a spectrum that :meth:`forward` returned."""
        import scipy.fft

        full = np.zeros(self.passed.shape, np.complex64)
        full[self.passed] = spectrum
        image: np.ndarray = scipy.fft.irfft2(full, s=self.shape)
        return image

    def look_up(self, radial: np.ndarray) -> np.ndarray:
        """Value of a radial function at each frequency that passes."""
        table = radial.astype(np.float32)
        low = table[self._index]
        value: np.ndarray = low + self._fraction * (table[self._index + 1] - low)
        return value


def brightfield(
    phase: np.ndarray,
    absorption: np.ndarray,
    heights: Sequence[float],
    focus: Sequence[float],
    step: tuple[float, float],
    optics: Optics,
) -> np.ndarray:
    """Image a specimen of thin slices at several focal planes.

    Parameters
    ----------
    phase, absorption : (slices, Y, X) arrays
        Of each slice: phase delay in radians and amplitude absorption. Periodic at the borders.
    heights : (slices,) sequence of float
        Where the slices lie, in µm along the light.
    focus : (planes,) sequence of float
        Where the focal planes lie, in µm.
    step : (float, float)
        Pixel size in µm.
    optics : Optics

    Returns
    -------
    (planes, Y, X) float32 array
        Intensity relative to the empty field, never negative.
    """
    shape = (phase.shape[1], phase.shape[2])
    frequencies = Frequencies(shape, step, optics.cutoff)
    spectra = [
        (frequencies.forward(p), frequencies.forward(a))
        for p, a in zip(phase, absorption, strict=True)
    ]
    stack = np.empty((len(focus), *shape), np.float32)
    for plane, z in enumerate(focus):
        total = np.zeros_like(spectra[0][0])
        for height, (of_phase, of_absorption) in zip(heights, spectra, strict=True):
            for_phase, for_absorption = transfer_functions(optics, round(z - height, 6))
            total += frequencies.look_up(for_phase) * of_phase
            total += frequencies.look_up(for_absorption) * of_absorption
        stack[plane] = np.maximum(1 + frequencies.inverse(total), 0)
    return stack
