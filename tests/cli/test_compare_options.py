"""``vstain compare`` with a mask, an image of noise, and an uncertainty beside the prediction."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_virtual_stain import io
from napari_virtual_stain.evaluation import noise_ceiling, pearson_r
from napari_virtual_stain.image import Image


@pytest.fixture
def pair(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 1000, (24, 32)).astype(np.float32)
    guess = values + rng.normal(0, 100, values.shape).astype(np.float32)
    paths = [tmp_path / "observed" / "a.ome.tif", tmp_path / "made" / "a.predicted.ome.tif"]
    for path, pixels in zip(paths, (values, guess), strict=True):
        io.write_image(Image(pixels, "YX", channels=("DAPI",)), path)
    return paths, values, guess


def scores(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["channels"]["DAPI"]


def test_a_mask_says_what_counts_and_is_cropped_too(vstain, pair, tmp_path):
    paths, values, guess = pair
    labels = np.zeros((24, 32), np.uint16)
    labels[:, 4:10], labels[12:, 20:] = 3, 9
    mask = io.write_image(Image(labels, "YX"), tmp_path / "masks" / "a.ome.tif")
    out = tmp_path / "out"
    status, _, stderr = vstain(
        *("compare", *paths, "--mask", mask, "--crop", "X=0:16", "--output", out)
    )
    assert status == 0
    assert "240 of 384 pixels (62.5%) lie outside the mask a and do not count" in stderr
    inside = labels[:, :16] > 0
    expected = pearson_r(values[:, :16][inside], guess[:, :16][inside])
    assert scores(out)["pearson_r"] == pytest.approx(expected, abs=1e-6)
    assert scores(out)["pixels"] == 144
    # Of folders, a folder of masks; where one lacks, the image is named.
    folders = [path.parent for path in paths]
    status, _, _ = vstain(
        "compare", *folders, "--mask", mask.parent, "--output", tmp_path / "set", "--json"
    )
    assert status == 0
    assert scores(tmp_path / "set" / "a")["pixels"] == (labels > 0).sum()
    mask.rename(mask.with_name("b.ome.tif"))
    status, _, stderr = vstain(
        "compare", *folders, "--mask", mask.parent, "--output", tmp_path / "again"
    )
    assert (status, "holds no mask named a, as the image is" in stderr) == (1, True)


def test_an_image_of_noise_says_how_large_r_can_become(vstain, pair, tmp_path):
    paths, values, _ = pair
    dark = np.random.default_rng(1).normal(100, 200, (64, 64)).astype(np.float32)
    noise = io.write_image(Image(dark, "YX"), tmp_path / "dark.ome.tif")
    status, stdout, _ = vstain("compare", *paths, "--noise", noise, "--output", tmp_path / "out")
    found = scores(tmp_path / "out")
    expected = noise_ceiling(dark.astype(float).var(), values.astype(float).var())
    assert found["noise_ceiling"] == pytest.approx(expected, rel=1e-6)
    assert (status, f"(at most {expected:.3f})" in stdout) == (0, True)


def test_an_uncertainty_beside_the_prediction_is_calibrated(vstain, pair, tmp_path):
    paths, values, guess = pair
    sigma = np.full((24, 32), 50, np.float32)
    beside = paths[1].with_name("a.uncertainty.ome.tif")
    io.write_image(Image(sigma, "YX", channels=("DAPI σ",)), beside)
    status, _, _ = vstain("compare", *paths, "--output", tmp_path / "out")
    assert status == 0
    found = scores(tmp_path / "out")["calibration"]
    expected = np.sqrt(np.mean(((values - guess) / 50) ** 2))
    assert found["sigma_scale"] == pytest.approx(expected, rel=1e-5)
    assert found["pixels"] == 24 * 32
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "share of the pixels within the predicted uncertainty" in page


def test_pixels_that_were_not_measured_are_said(vstain, pair, tmp_path):
    paths, values, _ = pair
    values[:6] = np.nan
    io.write_image(Image(values, "YX", channels=("DAPI",)), paths[0], overwrite=True)
    status, _, stderr = vstain("compare", *paths, "--output", tmp_path / "out")
    assert status == 0
    assert "192 of 768 pixels (25.0%) were not measured (NaN or infinite)" in stderr
    assert scores(tmp_path / "out")["pixels"] == 18 * 32
    errors = io.read_image(tmp_path / "out" / "absolute_error.ome.tif").numpy().squeeze()
    assert np.isnan(errors[:6]).all()
    assert np.isfinite(errors[6:]).all()
    values[:] = np.nan
    io.write_image(Image(values, "YX", channels=("DAPI",)), paths[0], overwrite=True)
    status, _, stderr = vstain("compare", *paths, "--output", tmp_path / "none")
    assert (status, "all 768 pixels are NaN or infinite" in stderr) == (1, True)
