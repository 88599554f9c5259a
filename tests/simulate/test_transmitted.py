"""Image formation: the transfer functions and what they do to a thin object."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain.simulate.transmitted import (
    MEDIUM_INDEX,
    Optics,
    brightfield,
    transfer_functions,
)

OPTICS = Optics(aperture=0.5, condenser=0.25, wavelength=0.55)
STEP = (0.3, 0.3)


def disc(side=96, radius=3.0):
    """A soft disc of the given radius in µm."""
    place = (np.arange(side) - side / 2) * STEP[0]
    return 1 / (1 + np.exp((np.hypot(place[:, None], place) - radius) / 0.3))


def image(phase, absorption, focus):
    return brightfield(phase[None], absorption[None], [0.0], focus, STEP, OPTICS)


def test_a_thin_phase_object_is_invisible_in_focus():
    under, focused, over = image(0.1 * disc(), np.zeros((96, 96)), [-3, 0, 3])
    assert abs(focused - 1).max() < 1e-6
    assert min(abs(under - 1).max(), abs(over - 1).max()) > 0.01


def test_its_contrast_inverts_across_focus():
    under, over = image(0.1 * disc(), np.zeros((96, 96)), [-3, 3])
    np.testing.assert_allclose(under - 1, 1 - over, atol=1e-6)
    # What delays the light focuses it: bright inside above, dark below.
    assert over[48, 48] > 1 > under[48, 48]


def test_absorption_is_seen_in_focus_and_does_not_invert():
    under, focused, over = image(np.zeros((96, 96)), 0.05 * disc(), [-3, 0, 3])
    assert focused[48, 48] == pytest.approx(1 - 2 * 0.05, abs=0.01)
    np.testing.assert_allclose(under, over, atol=1e-6)


def test_weak_slices_agree_with_propagating_the_light():
    """The linear model against every source point's wave through a weak object (Abbe)."""
    side, focus = 64, 4.0
    field = np.fft.fftfreq(side, STEP[0])
    fy, fx = field[:, None], field
    place = np.arange(side) * STEP[0]
    phase, absorption = 0.004 * disc(side, 2.5), 0.002 * disc(side, 4)
    transmission = np.exp(1j * phase - absorption)
    source, pupil = (a / OPTICS.wavelength for a in (OPTICS.condenser, OPTICS.aperture))
    total, points = np.zeros((side, side)), 0
    for sy in field:
        for sx in field:
            if np.hypot(sy, sx) > source:
                continue
            wave = np.exp(2j * np.pi * (sy * place[:, None] + sx * place))
            spread = np.pi * OPTICS.wavelength * focus / MEDIUM_INDEX * (fy**2 + fx**2)
            passed = np.exp(-1j * spread) * (np.hypot(fy, fx) <= pupil)
            total += abs(np.fft.ifft2(np.fft.fft2(transmission * wave) * passed)) ** 2
            points += 1
    expected = total / points - 1
    (found,) = image(phase, absorption, [focus]) - 1
    # The source of the direct sum is a disc of 60 points only.
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999
    assert found.std() == pytest.approx(expected.std(), rel=0.03)


@pytest.mark.parametrize("defocus", [0.0, 1.5, -6.0, 20.0])
def test_transfer_functions_equal_the_sum_over_the_source(defocus):
    phase, absorption = transfer_functions(OPTICS, defocus)
    source, pupil = (a / OPTICS.wavelength for a in (OPTICS.condenser, OPTICS.aperture))
    points = (np.arange(400) + 0.5) / 200 - 1
    sy, sx = np.meshgrid(points * source, points * source, indexing="ij")
    inside = np.hypot(sy, sx) < source
    sy, sx = sy[inside], sx[inside]

    def p(y, x):
        squared = y**2 + x**2
        spread = np.pi * OPTICS.wavelength * defocus / MEDIUM_INDEX * squared
        return np.exp(-1j * spread) * (squared <= pupil**2)

    for index in (0, 40, 170, 333, 450, 511):
        f = index / 511 * OPTICS.cutoff
        plus, minus = p(sy, sx).conj() * p(sy, sx + f), p(sy, sx) * p(sy, sx - f).conj()
        assert phase[index] == pytest.approx((1j * (plus - minus)).mean().real, abs=0.01)
        assert absorption[index] == pytest.approx(-(plus + minus).mean().real, abs=0.01)


@settings(deadline=None, max_examples=25)
@given(st.floats(0.1, 0.9), st.floats(0.05, 1.0), st.floats(0.4, 0.7), st.floats(-30, 30))
def test_laws_of_the_transfer_functions(aperture, coherence, wavelength, defocus):
    optics = Optics(aperture, aperture * coherence, wavelength)
    phase, absorption = transfer_functions(optics, defocus)
    mirrored_phase, mirrored_absorption = transfer_functions(optics, -defocus)
    np.testing.assert_allclose(phase, -mirrored_phase, atol=1e-12)
    np.testing.assert_allclose(absorption, mirrored_absorption, atol=1e-12)
    assert phase[0] == 0
    assert absorption[0] == pytest.approx(-2, abs=1e-3)
    assert abs(phase[-1]) + abs(absorption[-1]) < 1e-6
    assert max(abs(phase).max(), abs(absorption).max()) <= 2 + 1e-3


def test_transfer_functions_are_cached_and_cannot_be_changed():
    phase, _ = transfer_functions(OPTICS, 1.0)
    assert transfer_functions(OPTICS, 1.0)[0] is phase
    with pytest.raises(ValueError, match="read-only"):
        phase[0] = 1
