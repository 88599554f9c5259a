"""Otsu masks of whole images: a threshold for each channel and time point, on the same grid."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.filters import threshold_otsu

from napari_virtual_stain.evaluation.mask_image import mask_image
from napari_virtual_stain.image import Image


@pytest.fixture
def movie() -> Image:
    values = np.random.default_rng(0).gamma(2, 50, (2, 3, 4, 16, 20)).astype(np.float32)
    return Image(values, "TCZYX", {"Z": 2.0, "Y": 0.5, "X": 0.5}, channels=("a", "b", "c"))


def test_one_threshold_for_each_channel_and_time_point(movie):
    masks = mask_image(movie)
    assert (masks.axes, masks.shape, masks.dtype) == (movie.axes, movie.shape, np.uint8)
    assert masks.channels == movie.channels
    assert masks.voxel_size == movie.voxel_size
    for t, c in np.ndindex(2, 3):
        threshold = threshold_otsu(movie.data[t, c])
        assert np.array_equal(masks.data[t, c], movie.data[t, c] > threshold)
        assert np.allclose(masks.provenance["otsu_thresholds"][movie.channels[c]][t], threshold)
    assert masks.provenance["labels"] is True


def test_one_threshold_for_each_plane(movie):
    masks = mask_image(movie, per="plane")
    plane = movie.data[1, 2, 3]
    assert np.array_equal(masks.data[1, 2, 3], plane > threshold_otsu(plane))
    assert len(masks.provenance["otsu_thresholds"]["c"][1]) == 4


def test_a_single_plane_without_channels():
    values = np.zeros((8, 8))
    values[2:5, 3:6] = 1
    assert np.array_equal(mask_image(Image(values, "YX")).data, values)
