"""Cells as numbers: what every drawn specimen keeps to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain.simulate.camera import Camera
from napari_virtual_stain.simulate.cells import draw_cells
from napari_virtual_stain.simulate.grid import HEIGHTS, Grid, in_slices, texture
from napari_virtual_stain.simulate.layout import MARGIN


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.floats(20, 200), st.floats(20, 200))
def test_cells_are_of_believable_size_and_their_nuclei_apart(seed, height, width):
    cells, count = draw_cells(np.random.SeedSequence(seed), (height, width), None)
    assert count == max(1, round(height * width / 620))
    for number, cell in enumerate(cells):
        within = 0 <= cell.y <= height and 0 <= cell.x <= width
        assert within == (number < count)
        assert -MARGIN <= cell.y <= height + MARGIN
        diameter = 2 * np.sqrt(np.mean(cell.radii**2))
        assert 10 < diameter < 40
        assert 0.85 <= cell.dna <= 1.15
        assert 0.85 <= cell.dye <= 1.15
        if not cell.plates:
            assert 5.5 < 2 * cell.semi_axes[1] <= 2 * cell.semi_axes[0] < 12.5
            assert cell.radii.min() > cell.semi_axes[1]
        for other in cells[:number]:
            assert np.hypot(cell.y - other.y, cell.x - other.x) >= 14


def test_texture_is_a_function_of_place():
    place = np.arange(100) * 0.2
    whole = texture(np.random.default_rng(1), Grid(place, place), 1, 5)
    part = texture(np.random.default_rng(1), Grid(place[10:90:2], place[::4]), 1, 5)
    np.testing.assert_allclose(part, whole[10:90:2, ::4], atol=1e-4)
    place = np.arange(400) * 0.4
    large = texture(np.random.default_rng(1), Grid(place, place), 1, 5)
    assert abs(large.mean()) < 0.05
    assert large.std() == pytest.approx(1, abs=0.1)


def test_slices_hold_the_whole_thickness():
    bottom, top = np.array([[-2.3, 0.1, 1.0]]), np.array([[5.7, 0.4, 0.5]])
    filled = in_slices(bottom, top)
    assert filled.shape == (len(HEIGHTS), 1, 3)
    np.testing.assert_allclose(filled.sum(axis=0), [[8.0, 0.3, 0.0]], atol=1e-6)


def test_camera_noise_is_that_of_photons_and_reading():
    camera = Camera(electrons=1000, background=50, counts=2, offset=100, read_noise=3)
    recorded = camera.record(np.full((300, 300), 0.5), np.random.default_rng(0), 1.0)
    electrons = (recorded - 100.0) / 2
    assert electrons.mean() == pytest.approx(550, rel=0.002)
    assert electrons.var() == pytest.approx(550 + 9, rel=0.03)
    assert camera.record(np.full((2, 2), 1e6), np.random.default_rng(0), 0.0).max() == 65535
