"""Resampling keeps constants and ramps, does not alias, and comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_virtual_stain.inference.resampling import resample, resampled_size


@given(st.integers(1, 60), st.floats(0.1, 8))
def test_a_constant_stays_constant(size, zoom):
    new = resampled_size(size, zoom)
    values = resample(np.full((2, size), 3.0), [new], [zoom])
    assert values.shape == (2, new)
    assert np.allclose(values, 3)


def test_a_ramp_stays_a_ramp_away_from_the_borders():
    ramp = np.arange(40.0)
    for zoom in (0.5, 1.7, 3.0):
        new = resampled_size(40, zoom)
        expected = (np.arange(new) + 0.5) / zoom - 0.5
        inside = slice(int(2 * zoom) + 2, -int(2 * zoom) - 2)
        assert np.allclose(resample(ramp, [new], [zoom])[inside], expected[inside], atol=1e-4)


def test_shrinking_does_not_fold_detail_back():
    stripes = np.tile([0.0, 1.0], 100)
    assert np.ptp(resample(stripes, [50], [0.25])[2:-2]) < 1e-6


def test_doubling_interpolates_linearly_between_pixel_centres():
    assert np.allclose(resample(np.array([0.0, 4.0]), [4], [2.0]), [0, 1, 3, 4])


@pytest.mark.parametrize("zoom", [0.5, 0.7, 1.3, 2.0])
def test_there_and_back(zoom):
    y, x = np.mgrid[0:50, 0:64]
    values = np.sin(y / 7) + np.cos(x / 6)
    sizes = [resampled_size(n, zoom) for n in values.shape]
    there = resample(values, sizes, [zoom, zoom])
    back = resample(there, values.shape, [1 / zoom, 1 / zoom])
    assert np.corrcoef(back.ravel(), values.ravel())[0, 1] > 0.999
