"""How much is noise, and whether a comparison says how large r can become."""

from __future__ import annotations

import math

import dask.array as da
import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation import compare, noise_ceiling, noise_variances
from napari_virtual_stain.image import Image


def test_an_image_of_nothing_has_the_variance_of_its_pixels():
    rng = np.random.default_rng(0)
    dark = rng.poisson(100, (2, 64, 64)).astype(np.uint16)
    found = noise_variances(Image(dark, "CYX", channels=("DAPI", "ER")), ("er", "dapi"))
    assert found == pytest.approx([dark[1].var(), dark[0].var()], rel=1e-10)
    broken = dark[0].astype(np.float32)
    broken[:3] = np.nan
    (found,) = noise_variances(Image(broken, "YX"), ("DAPI",))
    assert found == pytest.approx(dark[0, 3:].var(), rel=1e-6)


@pytest.mark.parametrize("form", [np.asarray, da.from_array])
def test_a_field_taken_again_has_the_variance_over_time_whatever_its_light(form):
    rng = np.random.default_rng(0)
    light = 1e5 + 300 * rng.random((50, 60))
    movie = light + rng.normal(0, 5, (12, 50, 60))
    (found,) = noise_variances(Image(form(movie), "TYX"), ("DAPI",))
    assert found == pytest.approx(movie.var(axis=0, ddof=1).mean(), rel=1e-10)
    assert found == pytest.approx(25, rel=0.05)
    movie[3, 10] = np.nan
    (found,) = noise_variances(Image(movie, "TYX"), ("DAPI",))
    rest = np.delete(movie, 10, axis=1)
    assert found == pytest.approx(rest.var(axis=0, ddof=1).mean(), rel=1e-10)


def test_which_channel_of_noise_belongs_to_which():
    dark = np.random.default_rng(0).normal(0, [[[1]], [[2]]], (2, 40, 40))
    first, second = dark[0].var(), dark[1].var()
    one = Image(dark[0], "YX", channels=("dark",))
    assert noise_variances(one, ("DAPI", "ER")) == pytest.approx([first] * 2)
    nameless = Image(dark, "CYX", name="dark")
    assert noise_variances(nameless, ("DAPI", "ER")) == pytest.approx([first, second])
    named = nameless.replace(channels=("ER", "GFP"))
    with pytest.raises(VirtualStainError, match="dark has the channels 'ER', 'GFP', and noise of"):
        noise_variances(named, ("DAPI", "ER"))
    with pytest.raises(VirtualStainError, match="of 'a', 'b', 'c' is wanted"):
        noise_variances(nameless, ("a", "b", "c"))


@pytest.mark.parametrize("value", [7, np.nan])
def test_noise_that_does_not_vary_is_refused(value):
    for axes, shape in (("YX", (9, 9)), ("TYX", (4, 9, 9))):
        with pytest.raises(VirtualStainError, match="the image of noise is constant"):
            noise_variances(Image(np.full(shape, value, np.float32), axes), ("DAPI",))


def test_a_comparison_says_how_large_r_can_become():
    rng = np.random.default_rng(0)
    truth = rng.normal(1000, 30, (200, 200))
    observed = truth + rng.normal(0, 20, truth.shape)
    dark = Image(rng.normal(100, 20, (300, 300)), "YX", name="dark")
    found = compare(Image(observed, "YX"), Image(truth, "YX"), noise=dark).metrics["channel 1"]
    assert found["noise_variance"] == pytest.approx(400, rel=0.02)
    ceiling = noise_ceiling(found["noise_variance"], observed.var())
    assert found["noise_ceiling"] == pytest.approx(ceiling, rel=1e-12)
    assert found["pearson_r"] == pytest.approx(found["noise_ceiling"], abs=0.01)
    mask = np.zeros(truth.shape)
    mask[:50] = 1
    cut = compare(Image(observed, "YX"), Image(truth, "YX"), noise=dark, mask=Image(mask, "YX"))
    ceiling = cut.metrics["channel 1"]["noise_ceiling"]
    assert ceiling == pytest.approx(noise_ceiling(found["noise_variance"], observed[:50].var()))
    assert "noise_ceiling" not in compare(Image(observed, "YX"), Image(truth, "YX")).metrics


def test_without_a_signal_nothing_can_be_reached():
    assert noise_ceiling(4, 3) == 0
    assert not math.isnan(noise_ceiling(0, 4))
