"""The simulated specimen as a user gets it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.simulate import specimen

SMALL = {"size": (160, 144), "planes": 3}


def correlation(a, b):
    return np.corrcoef(np.ravel(a).astype(float), np.ravel(b).astype(float))[0, 1]


def binned(image, factor):
    *rest, height, width = image.shape
    parts = image.reshape(*rest, height // factor, factor, width // factor, factor)
    return parts.mean(axis=(-3, -1))


def test_two_dimensions():
    brightfield, fluorescence = specimen(size=(96, 80), planes=5, seed=4)
    assert (brightfield.axes, brightfield.shape) == ("ZYX", (5, 96, 80))
    assert (fluorescence.axes, fluorescence.shape) == ("CYX", (2, 96, 80))
    assert brightfield.dtype == fluorescence.dtype == np.uint16
    assert brightfield.channels == ("brightfield",)
    assert fluorescence.channels == ("nuclei", "cytoplasm")
    assert dict(brightfield.voxel_size) == {"Z": 1.0, "Y": 0.325, "X": 0.325}
    assert dict(fluorescence.voxel_size) == {"Y": 0.325, "X": 0.325}


def test_three_dimensions():
    voxel_size = {"Z": 0.7, "Y": 0.4, "X": 0.4}
    brightfield, fluorescence = specimen(size=(72, 80), planes=9, ndim=3, voxel_size=voxel_size)
    assert (brightfield.axes, brightfield.shape) == ("ZYX", (9, 72, 80))
    assert (fluorescence.axes, fluorescence.shape) == ("CZYX", (2, 9, 72, 80))
    assert dict(fluorescence.voxel_size) == voxel_size


def test_fluorescence_is_sharpest_near_the_middle_plane():
    _, fluorescence = specimen(size=(192, 192), planes=13, ndim=3, noise=0)
    sharpness = np.diff(fluorescence.numpy().astype(float), axis=3).std(axis=(2, 3))
    assert (abs(sharpness.argmax(axis=1) - 6) <= 1).all()
    assert (sharpness[:, [0, -1]] < 0.7 * sharpness.max(axis=1, keepdims=True)).all()


def test_plane_of_two_dimensions_is_the_middle_plane_of_three():
    _, plane = specimen(**SMALL, noise=0)
    _, stack = specimen(**SMALL, noise=0, ndim=3)
    np.testing.assert_array_equal(plane.numpy(), stack.numpy()[:, 1])


def test_it_says_that_it_is_simulated():
    for image in specimen(size=(64, 64), planes=1, seed=12):
        assert image.name.startswith("simulated cells, seed 12: ")
        assert image.provenance["simulated"] is True
        assert image.provenance["seed"] == 12
        assert image.provenance["voxel_size"] == {"Z": 1.0, "Y": 0.325, "X": 0.325}
        assert json.loads(json.dumps(dict(image.provenance))) == dict(image.provenance)


def test_one_seed_gives_one_specimen():
    for first, second in zip(specimen(**SMALL, seed=3), specimen(**SMALL, seed=3), strict=True):
        np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_seeds_differ():
    for first, second in zip(specimen(**SMALL, seed=0), specimen(**SMALL, seed=1), strict=True):
        assert correlation(first.numpy(), second.numpy()) < 0.5


def test_noise_changes_nothing_but_the_noise():
    clean, noisy = specimen(**SMALL, noise=0), specimen(**SMALL, noise=1)
    noisier = specimen(**SMALL, noise=3)
    for without, once, thrice in zip(clean, noisy, noisier, strict=True):
        deviation = once.numpy() - without.numpy().astype(float)
        assert 0 < abs(deviation.mean()) < 0.1 * deviation.std()
        assert (thrice.numpy() - without.numpy().astype(float)).std() == pytest.approx(
            3 * deviation.std(), rel=0.02
        )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_leaves_the_structure_predictable(seed):
    _, clean = specimen(size=(256, 256), planes=1, seed=seed, noise=0)
    _, noisy = specimen(size=(256, 256), planes=1, seed=seed)
    for channel in range(2):
        assert correlation(clean.numpy()[channel], noisy.numpy()[channel]) >= 0.985


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_counts_are_those_of_a_good_exposure(seed):
    brightfield, fluorescence = specimen(size=(256, 256), seed=seed)
    transmitted = brightfield.numpy()
    assert 10_000 < transmitted.mean() < 30_000
    assert transmitted.min() > 100
    assert transmitted.max() < 60_000
    for channel in fluorescence.numpy():
        assert 150 < np.percentile(channel, 1) < 600
        assert 2_500 < np.percentile(channel, 99.9) < 30_000


def test_brightfield_contrast_is_least_in_focus():
    brightfield, _ = specimen(size=(256, 256), noise=0)
    contrast = brightfield.numpy().astype(float).std(axis=(1, 2))
    assert contrast.argmin() == 3
    assert contrast[[0, 6]].min() > 1.3 * contrast[3]


@pytest.mark.parametrize(
    ("fine", "coarse", "factor"),
    [(0.1625, 0.325, 2), (0.325, 0.65, 2), (0.325, 0.975, 3)],
)
def test_another_sampling_shows_the_same_cells(fine, coarse, factor):
    side = 288 if fine < 0.3 else 192
    options = {"planes": 3, "seed": 5, "noise": 0, "ndim": 3}
    dense = specimen(size=(side, side), voxel_size={"Y": fine, "X": fine}, **options)
    sparse = specimen(
        size=(side // factor, side // factor), voxel_size={"Y": coarse, "X": coarse}, **options
    )
    for one, other in zip(dense, sparse, strict=True):
        small, large = other.numpy(), binned(one.numpy().astype(float), factor)
        for plane in np.ndindex(small.shape[:-2]):
            assert correlation(large[plane], small[plane]) > 0.97


@pytest.mark.parametrize("size", [(48, 40), (33, 67), (1, 1), (5, 200)])
@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("ndim", [2, 3])
def test_any_size(size, planes, ndim):
    brightfield, fluorescence = specimen(size=size, planes=planes, ndim=ndim)
    assert brightfield.shape == (planes, *size)
    assert fluorescence.shape == ((2, planes, *size) if ndim == 3 else (2, *size))


def test_pixels_need_not_be_square():
    brightfield, fluorescence = specimen(size=(64, 128), voxel_size={"Y": 0.65, "X": 0.325})
    assert brightfield.voxel_size["Y"] == 0.65
    square, _ = specimen(size=(128, 128))
    assert fluorescence.provenance["cells"] == square.provenance["cells"]


def test_number_of_cells():
    from scipy import ndimage

    _, fluorescence = specimen(size=(400, 400), planes=1, cells=6, noise=0, seed=2)
    nuclei = fluorescence.channel("nuclei").numpy()
    _, seen = ndimage.label(nuclei > 0.3 * nuclei.max())
    # Nuclei of cells outside may reach into the field, and a dividing cell has two plates.
    assert 6 <= seen <= 10
    assert fluorescence.provenance["cells"] == 6


def test_nuclei_lie_in_cytoplasm():
    _, fluorescence = specimen(size=(300, 300), planes=1, noise=0)
    nuclei, cytoplasm = fluorescence.numpy().astype(float)
    stained = nuclei > 0.3 * nuclei.max()
    assert 0.02 < stained.mean() < 0.3
    assert cytoplasm[stained].min() > 2 * np.percentile(cytoplasm, 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"size": (0, 10)}, r"the height is 0; give a whole number of at least 1\."),
        ({"size": (10, 2.5)}, r"the width is 2\.5; give a whole number"),
        ({"size": 512}, r"the size 512 is not a height and a width"),
        ({"size": (30_000, 30_000)}, r"30000 × 30000 pixels .* too large .* a smaller one\."),
        ({"planes": 0}, r"the number of planes is 0; give a whole number of at least 1\."),
        ({"ndim": 4}, r"ndim is 4; give 2 for a plane of fluorescence, 3 for all\."),
        ({"seed": -1}, r"the seed is -1; give a whole number of at least 0\."),
        ({"seed": "a"}, r"the seed is 'a'; give a whole number"),
        ({"cells": 0}, r"the number of cells is 0; give a whole number of at least 1\."),
        ({"noise": -1}, r"the noise is -1; give a number of at least 0\."),
        ({"noise": float("nan")}, r"the noise is nan; give a number"),
        ({"voxel_size": {"T": 1}}, r"for the axis 'T'; a specimen has Z, Y and X\."),
        ({"voxel_size": {"Z": 0}}, r"voxel size 0 µm along Z is not positive; give it in µm\."),
        ({"voxel_size": {"X": 0.01}}, r"0\.01 µm along X cannot be simulated; give 0\.05 to"),
        ({"voxel_size": {"Y": "?"}}, r"the voxel size along Y is '\?'; give a number\."),
    ],
)
def test_bad_arguments_get_a_sentence(arguments, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        specimen(**{"size": (32, 32), "planes": 1, **arguments})


def test_too_many_cells_get_the_number_that_fits():
    with pytest.raises(VirtualStainError, match="200 cells do not fit into a field of 32 × 32 µm"):
        specimen(size=(100, 100), planes=1, cells=200)
    with pytest.raises(VirtualStainError) as error:
        specimen(size=(100, 100), planes=1, cells=200)
    most = int(str(error.value).split("at most ")[1].split()[0])
    _, fluorescence = specimen(size=(100, 100), planes=1, cells=most)
    assert fluorescence.provenance["cells"] == most


def test_importing_is_light():
    code = "import sys, napari_virtual_stain.simulate; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"scipy", "torch", "napari", "matplotlib"} & set(loaded)
