"""Statistics are those of NumPy, whatever the chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.normalization import (
    Scaling,
    Statistics,
    normalize,
    pooled,
    statistics,
)


def z_scores(values):
    by = statistics(values, "image")
    return normalize(values, Scaling(by.mean, by.std))


@settings(deadline=None)
@given(
    hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=4, max_side=6)),
    st.integers(1, 40),
)
def test_chunks_make_no_difference(values, chunk):
    if np.ptp(values) == 0:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_virtual_stain.normalization.moments.CHUNK_PIXELS", chunk)
        found = statistics(values, "image")
    assert np.isclose(found.mean, values.mean(), rtol=1e-12)
    assert np.isclose(found.std, values.std(), rtol=1e-9)


def test_large_offsets_lose_nothing():
    values = np.random.default_rng(0).normal(size=(50, 50)) + 1e9
    assert np.isclose(statistics(values, "image").std, values.std(), rtol=1e-9)


@pytest.mark.parametrize(
    ("dtype", "offset"), [(np.uint32, 4_000_000_000), (np.int64, 10**12), (np.float64, 1e9)]
)
def test_an_offset_changes_no_z_score(dtype, offset):
    plain = np.random.default_rng(0).integers(0, 200, (30, 30))
    moved = (plain + np.array(offset, np.float64)).astype(dtype)
    assert np.allclose(z_scores(moved), z_scores(plain), atol=1e-4)


@pytest.mark.parametrize("scale", [1e300, 1e-200])
def test_values_beyond_all_scales_are_refused(scale):
    values = np.random.default_rng(0).normal(size=(9, 9)) * scale
    with pytest.raises(VirtualStainError, match="cannot be scaled"):
        statistics(values, "image")


def test_pooled_statistics_are_those_of_all_pixels():
    a, b = np.random.default_rng(0).normal([[1.0]], 2, (20, 20)), np.full((20, 20), 5.0)
    b[0, 0] = 6
    both = pooled([statistics(a, "a"), statistics(b, "b")])
    assert np.isclose(both.std, np.stack([a, b]).std())
    assert both != Statistics(0, 1)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.array([[1.0, np.nan]]), "image contains NaN"),
        (np.array([[1.0, -np.inf]]), "infinite pixels"),
        (np.full((3, 3), 0.1), "constant: every pixel is 0.1"),
    ],
)
def test_refused(values, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        statistics(values, "image")
