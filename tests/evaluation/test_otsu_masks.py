import numpy as np
import pytest
from numpy.testing import assert_array_equal
from skimage.filters import threshold_otsu

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.masks import clip_to_mask, otsu_mask, otsu_threshold


@pytest.fixture
def volume() -> np.ndarray:
    rng = np.random.default_rng(0)
    dim = rng.normal(100, 5, (20, 30)) + 60 * (rng.random((20, 30)) < 0.2)
    bright = rng.normal(1000, 50, (20, 30)) + 600 * (rng.random((20, 30)) < 0.2)
    return np.stack([dim, bright])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_a_mask_is_scikit_images(volume, dtype):
    volume = (volume / 8).astype(dtype)
    found = otsu_mask(volume)
    assert found.thresholds == (threshold_otsu(volume),)
    assert found.mask.dtype == bool
    assert_array_equal(found.mask, volume > threshold_otsu(volume))


def test_a_threshold_for_the_volume_or_for_each_plane(volume):
    whole, by_plane = otsu_mask(volume), otsu_mask(volume, "plane")
    assert whole.mask[0].mean() < 0.02 < 0.1 < by_plane.mask[0].mean()
    assert by_plane.thresholds == tuple(threshold_otsu(plane) for plane in volume)
    for plane, mask in zip(volume, by_plane.mask, strict=True):
        assert_array_equal(mask, plane > threshold_otsu(plane))


def test_a_single_plane_is_the_same_either_way(volume):
    assert_array_equal(otsu_mask(volume[0], "plane").mask, otsu_mask(volume[0]).mask)


@pytest.mark.parametrize("value", [0, 7, 0.1])
def test_a_constant_image_has_an_empty_mask(value):
    mask, thresholds = otsu_mask(np.full((3, 4), value))
    assert not mask.any()
    assert thresholds == (value,)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (bool, 0, 1),
        (np.uint32, 5, 4_000_000_000),
        (np.int64, -(2**40), 2**40),
        (np.float16, -60000, 60000),
        (np.float32, 1, np.nextafter(np.float32(1), np.float32(2))),
        (np.float64, 1, np.nextafter(1, 2)),
    ],
)
def test_two_values_are_told_apart_in_any_dtype(dtype, low, high):
    image = np.full((4, 4), low, dtype)
    image[1:3, 1:3] = high
    mask, _ = otsu_mask(image)
    assert_array_equal(mask, image == image[1, 1])


@pytest.mark.filterwarnings("error")
def test_a_narrow_stack_is_not_taken_for_rgb():
    assert otsu_threshold(np.arange(2 * 5 * 3).reshape(2, 5, 3)) > 0


def test_outside_the_mask_there_is_the_observed_minimum():
    observed = np.array([[9, 4], [6, 7]], np.uint16)
    clipped = clip_to_mask(observed, np.array([[True, False], [False, True]]))
    assert clipped.dtype == np.uint16
    assert_array_equal(clipped, [[9, 4], [4, 7]])


def test_anything_but_volume_and_plane_is_refused():
    with pytest.raises(VirtualStainError, match="per 'slice'; choose 'volume'"):
        otsu_mask(np.zeros((2, 2)), "slice")
