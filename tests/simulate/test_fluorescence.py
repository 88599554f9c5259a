"""Widefield image formation."""

import numpy as np

from napari_virtual_stain.simulate.fluorescence import optical_transfer, widefield


def test_in_focus_it_is_the_transfer_function_of_a_clear_circular_pupil():
    nu = np.linspace(0, 1, 512)
    expected = 2 / np.pi * (np.arccos(nu) - nu * np.sqrt(1 - nu**2))
    np.testing.assert_allclose(optical_transfer(0.5, 0.52, 0.0), expected, atol=1e-3)


def test_defocus_only_loses_contrast():
    focused = optical_transfer(0.5, 0.52, 0.0)
    for defocus in (1.0, 4.0, 15.0):
        assert (abs(optical_transfer(0.5, 0.52, defocus)) <= focused + 1e-3).all()


def test_light_is_conserved_and_spreads_with_defocus():
    place = (np.arange(128) - 64) * 0.3
    squared = place[:, None] ** 2 + place**2
    dye = np.exp(-squared / (2 * 0.5**2))[None]
    dye /= dye.sum()
    stack = widefield(dye, [0.0], [0, 2, 6, 12], (0.3, 0.3), 0.5, 0.52)
    np.testing.assert_allclose(stack.sum(axis=(1, 2)), 1, atol=1e-3)
    peaks = stack.max(axis=(1, 2))
    assert (np.diff(peaks) < 0).all()
    # Far from focus a point becomes the evenly lit disc of geometrical optics, of radius z NA / n.
    radius = 12 * 0.5 / 1.337
    within = [stack[3][squared < (part * radius) ** 2].sum() for part in (0.5, 0.7, 1.2)]
    np.testing.assert_allclose(within, [0.25, 0.49, 1.0], atol=0.1)
