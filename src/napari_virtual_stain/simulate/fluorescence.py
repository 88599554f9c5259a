"""Widefield fluorescence images of a thin specimen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.simulate.transmitted import Frequencies, Optics, transfer_functions


def optical_transfer(aperture: float, wavelength: float, defocus: float) -> np.ndarray:
    """Optical transfer function of a defocused widefield microscope.

    It is the autocorrelation of the defocused pupil [1]_, and thus what an absorbing object sees
    under incoherent light, that is, with a condenser of the objective's aperture.

    Parameters
    ----------
    aperture : float
        Numerical aperture of the objective.
    wavelength : float
        Of the emitted light, in µm.
    defocus : float
        Distance from the dye to the focal plane in µm.

    Returns
    -------
    (512,) array
        From frequency 0, where it is 1, to ``2 * aperture / wavelength``.

    References
    ----------
    .. [1] H. H. Hopkins, "The frequency response of a defocused optical system", Proceedings of
       the Royal Society of London A 231, 91-103 (1955).
    """
    _, absorption = transfer_functions(Optics(aperture, aperture, wavelength), defocus)
    transfer: np.ndarray = absorption / -2
    return transfer


def widefield(
    dye: np.ndarray,
    heights: Sequence[float],
    focus: Sequence[float],
    step: tuple[float, float],
    aperture: float,
    wavelength: float,
) -> np.ndarray:
    """Image a dye in thin slices at several focal planes.

    Parameters
    ----------
    dye : (slices, Y, X) array
        Dye in each slice. Periodic at the borders.
    heights, focus : sequences of float
        Where the slices and the focal planes lie, in µm.
    step : (float, float)
        Pixel size in µm.
    aperture, wavelength : float
        As for :func:`optical_transfer`.

    Returns
    -------
    (planes, Y, X) float32 array
        Light in each pixel, in the units of `dye`, never negative.
    """
    shape = (dye.shape[1], dye.shape[2])
    frequencies = Frequencies(shape, step, 2 * aperture / wavelength)
    spectra = [frequencies.forward(one) for one in dye]
    stack = np.empty((len(focus), *shape), np.float32)
    for plane, z in enumerate(focus):
        total = np.zeros_like(spectra[0])
        for height, spectrum in zip(heights, spectra, strict=True):
            transfer = optical_transfer(aperture, wavelength, round(abs(z - height), 6))
            total += frequencies.look_up(transfer) * spectrum
        stack[plane] = np.maximum(frequencies.inverse(total), 0)
    return stack
