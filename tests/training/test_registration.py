"""Shifts are measured across contrasts, with their sign, or it is said that they cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_virtual_stain.training.registration import Shift, measured_shift

SIZE = (160, 192)


def cells(shape=SIZE, seed=0, density=0.004, size=3.0):
    """Return the density of a stain: blobs of different brightness."""
    rng = np.random.default_rng(seed)
    points = np.where(rng.random(shape) < density / size, rng.uniform(0.5, 2, shape), 0)
    return ndimage.gaussian_filter(points, size) * 40


def moved(values, by):
    """Return what a camera sees that is displaced: what was at p is at p + by."""
    return np.roll(values, by, range(values.ndim))


def phase(stain, seed=1):
    """Return another contrast: dark bodies, bright outlines, texture; brightness tells little."""
    rng = np.random.default_rng(seed)
    edges = ndimage.gaussian_gradient_magnitude(stain, 1)
    texture = rng.normal(size=stain.shape) * np.minimum(stain, 1)
    body = -0.3 * np.minimum(stain, 0.5)
    noise = rng.normal(0, 0.05, stain.shape)
    return 1000 * (2 + body + edges + 0.3 * texture + noise)


def fluorescence(stain, seed=2):
    rng = np.random.default_rng(seed)
    return rng.poisson(100 + 400 * stain).astype(np.uint16)


@pytest.mark.parametrize("by", [(0, 0), (5, 0), (0, -3), (-8, 13), (20, -20)])
def test_a_shift_is_found_between_contrasts_with_its_sign(by):
    stain = cells()
    found = measured_shift(phase(moved(stain, by)), fluorescence(stain))
    assert found.is_told
    assert found.pixels == pytest.approx(by, abs=0.6)
    assert found.length == pytest.approx(np.hypot(*by), abs=0.8)


def test_what_it_costs_grows_with_the_shift():
    stain = cells()
    costs = [
        measured_shift(phase(moved(stain, (0, by))), fluorescence(stain)).cost for by in (0, 2, 8)
    ]
    assert costs[0] < 0.1 < costs[1] < 0.9 < costs[2] <= 1


def test_the_contrast_may_be_inverted_and_the_images_are_not_changed():
    stain = cells()
    source, target = 4000 - fluorescence(moved(stain, (3, -4))), fluorescence(stain)
    before = source.copy(), target.copy()
    found = measured_shift(source, target)
    assert found.pixels == pytest.approx((3, -4), abs=0.3)
    assert np.array_equal(source, before[0])
    assert np.array_equal(target, before[1])


def test_several_planes_tell_together():
    stain = cells()
    one = phase(moved(stain, (4, 4)))
    noise = np.random.default_rng(5).normal(size=(2, *SIZE))
    found = measured_shift(np.stack([noise[0], one, noise[1]]), fluorescence(stain))
    assert found.is_told
    assert found.pixels == pytest.approx((4, 4), abs=0.6)


def test_a_stack_is_measured_along_z_too():
    stain = cells((16, 96, 96), density=0.01, size=2)
    found = measured_shift(phase(moved(stain, (2, -3, 5))), fluorescence(stain))
    assert found.is_told
    assert found.pixels == pytest.approx((2, -3, 5), abs=0.6)


def test_what_has_nothing_in_common_cannot_be_told():
    for seed in range(3):
        found = measured_shift(phase(cells(seed=10 + seed)), fluorescence(cells(seed=20 + seed)))
        assert not found.is_told


def test_a_pattern_that_repeats_cannot_be_told():
    points = np.zeros((192, 192))
    points[8::16, 8::16] = 1
    pattern = ndimage.gaussian_filter(points, 2) * 20
    found = measured_shift(phase(moved(pattern, (0, 5))), fluorescence(pattern))
    assert not found.is_told


def test_light_from_one_side_looks_like_a_shift_and_is_not_told():
    stain = cells(density=0.012)
    shaded = ndimage.gaussian_filter(stain, 1, order=(0, 1))
    noise = np.random.default_rng(0).normal(0, 0.05, SIZE)
    found = measured_shift(1000 + 500 * (shaded + noise), fluorescence(stain))
    assert not found.is_told


@pytest.mark.parametrize("constant", ["source", "target"])
def test_a_constant_image_tells_nothing(constant):
    stain = cells()
    images = {"source": phase(stain), "target": fluorescence(stain)}
    images[constant] = np.full(SIZE, 7, np.uint16)
    assert measured_shift(**images) == Shift((0.0, 0.0), 0.0, 0.0)


def test_small_images_tell_nothing():
    stain = cells((160, 63))
    assert measured_shift(phase(stain), fluorescence(stain)).confidence == 0


def test_a_zeroed_block_does_not_pull():
    stain = cells()
    target = fluorescence(stain)
    target[20:60, 100:170] = 0
    found = measured_shift(phase(moved(stain, (-2, 6))), target)
    assert found.is_told
    assert found.pixels == pytest.approx((-2, 6), abs=0.7)


@pytest.mark.data
class TestRealImages:
    def read(self, data_folder, name):
        from napari_virtual_stain.io import read_image

        return read_image(data_folder / name)

    @pytest.mark.parametrize(("stain", "by"), [("membrane", (1, 5)), ("DNA", (2, 6))])
    def test_the_misregistered_image_is_caught(self, data_folder, stain, by):
        image = self.read(data_folder, "maicrobe_saureus_misregistered/fov.ome.tif")
        source, target = image.channel("phase").numpy(), image.channel(stain).numpy()
        found = measured_shift(source, target)
        assert found.is_told
        assert found.pixels == pytest.approx(by, abs=1)
        assert found.cost > 0.7

    @pytest.mark.parametrize(
        ("name", "channels"),
        [
            ("colicoords_ecoli/ds1_00001.ome.tif", (0, 1)),
            ("yeastvision_timelapse/movie.ome.tif", (0, 1)),
        ],
    )
    @pytest.mark.parametrize("by", [(0, 0), (-6, 3)])
    def test_registered_images_are_and_known_shifts_are_found(
        self, data_folder, name, channels, by
    ):
        image = self.read(data_folder, name)
        image = image.select("T", 0) if "T" in image.axes else image
        source, target = (image.channel(channel).numpy()[:400, :400] for channel in channels)
        source = source[max(0, -by[0]) : 400 - max(0, by[0]), max(0, -by[1]) : 400 - max(0, by[1])]
        target = target[max(0, by[0]) : 400 + min(0, by[0]), max(0, by[1]) : 400 + min(0, by[1])]
        found = measured_shift(source, target)
        assert found.is_told
        assert found.pixels == pytest.approx(by, abs=0.7)
