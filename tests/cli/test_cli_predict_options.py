"""``vstain predict``: uncertainty, ensembles, statistic and context."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from napari_virtual_stain import io
from napari_virtual_stain.image import Image
from napari_virtual_stain.model import InputSpec, ModelSpec, NetworkSpec, OutputSpec, StainModel

UM = {"Y": 0.5, "X": 0.5}

MODELS = {
    "plain": ("gvtnet", {"filters": 2, "depth": 2}, OutputSpec(name="DAPI", mean=100, std=10)),
    "certain": (
        "fnet",
        {"filters": 2, "depth": 2, "likelihood": "gaussian"},
        OutputSpec(name="DAPI", mean=90, std=20),
    ),
    "classes": (
        "gt-unet",
        {"window": 16, "filters": 2, "growth": 2, "classes": 8},
        OutputSpec(name="DAPI", scaling="unit", low=0, high=255),
    ),
    "actin": ("fnet", {"filters": 2, "depth": 2}, OutputSpec(name="actin")),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, (network, options, output) in MODELS.items():
        spec = ModelSpec(
            name=name,
            network=NetworkSpec(name=network, options=options),
            inputs=[InputSpec(name="phase")],
            outputs=[output],
            voxel_size=UM,
        )
        torch.manual_seed(0)
        io.save_model(StainModel(spec.build_network(), spec), folder / f"{name}.safetensors")
    return folder


@pytest.fixture(autouse=True)
def model_folder(models, monkeypatch):
    monkeypatch.setenv("VSTAIN_MODELS", str(models))


@pytest.fixture
def slide(tmp_path):
    values = np.random.default_rng(0).integers(0, 4000, (40, 50)).astype(np.uint16)
    return io.write_image(Image(values, "YX", UM, name="slide"), tmp_path / "slide.ome.tif")


def read(folder, kind):
    return io.read_image(folder / f"slide.{kind}.ome.tif")


def test_uncertainty_is_written_where_the_model_yields_it(vstain, slide, tmp_path):
    command = ("predict", slide, "--model", "certain", "--output", tmp_path, "--json")
    status, stdout, _ = vstain(*command)
    assert status == 0
    (one,) = json.loads(stdout)["predictions"]
    assert one["uncertainty"] == str(tmp_path / "slide.uncertainty.ome.tif")
    uncertainty, predicted = read(tmp_path, "uncertainty"), read(tmp_path, "predicted")
    assert uncertainty.channels == ("DAPI σ",)
    assert uncertainty.shape == predicted.shape
    assert dict(uncertainty.voxel_size) == UM
    assert uncertainty.provenance["uncertainty"] == ["σ"]
    (tmp_path / "slide.predicted.ome.tif").unlink()
    status, _, stderr = vstain(*command)
    assert status == 1
    assert "slide.uncertainty.ome.tif exists already" in stderr


@pytest.mark.parametrize(
    "arguments", [("--model", "plain"), ("--model", "certain", "--no-uncertainty")]
)
def test_no_uncertainty_is_written_where_there_is_none_or_none_is_wanted(
    vstain, slide, tmp_path, arguments
):
    assert vstain("predict", slide, *arguments, "--output", tmp_path)[0] == 0
    assert not (tmp_path / "slide.uncertainty.ome.tif").exists()


def test_uncertainty_that_a_model_cannot_give_is_refused(vstain, slide, tmp_path):
    status, _, stderr = vstain(
        "predict", slide, "--model", "plain", "--uncertainty", "--output", tmp_path
    )
    assert status == 1
    assert "'plain' yields no uncertainty; predict without it" in stderr
    assert not list(tmp_path.glob("*.predicted.*"))


def test_several_models_give_their_mean_and_spread(vstain, slide, tmp_path):
    for name in ("plain", "certain"):
        folder = tmp_path / name
        assert vstain("predict", slide, "--model", name, "--output", folder)[0] == 0
    both = ("predict", slide, "--model", "plain", "--model", "certain", "--output", tmp_path)
    status, stdout, stderr = vstain(*both, "--json")
    assert status == 0
    assert json.loads(stdout)["model"] == "plain + certain"
    assert "the spread of the predictions alone" in stderr
    parts = [read(tmp_path / name, "predicted").numpy() for name in ("plain", "certain")]
    np.testing.assert_allclose(read(tmp_path, "predicted").numpy(), np.mean(parts, 0), rtol=1e-5)
    spread = read(tmp_path, "uncertainty")
    np.testing.assert_allclose(spread.numpy(), np.std(parts, 0), rtol=1e-3, atol=1e-3)
    assert [one["model"] for one in spread.provenance["ensemble"]] == ["plain", "certain"]


def test_models_of_different_things_are_refused(vstain, slide, tmp_path):
    status, _, stderr = vstain(
        "predict", slide, "--model", "plain", "--model", "actin", "--output", tmp_path
    )
    assert status == 1
    assert "their outputs differ (DAPI; actin)" in stderr


def test_the_statistic_of_classes(vstain, slide, tmp_path):
    for statistic in ("mean", "median"):
        command = ("predict", slide, "--model", "classes", "--statistic", statistic)
        assert vstain(*command, "--output", tmp_path / statistic)[0] == 0
    mean, median = (read(tmp_path / one, "predicted") for one in ("mean", "median"))
    assert median.provenance["statistic"] == "median"
    assert np.abs(mean.numpy() - median.numpy()).max() > 1
    assert read(tmp_path / "mean", "uncertainty").channels == ("DAPI σ", "DAPI entropy")
    bad = vstain("predict", slide, "--model", "classes", "--statistic", "mode", "--output", "x")
    assert bad[0] == 2


def test_the_context_of_attention(vstain, slide, tmp_path):
    for context in ("8", "1000"):
        command = ("predict", slide, "--model", "plain", "--context", context)
        assert vstain(*command, "--output", tmp_path / context)[0] == 0
    assert vstain("predict", slide, "--model", "plain", "--output", tmp_path)[0] == 0
    whole, limited = read(tmp_path, "predicted"), read(tmp_path / "8", "predicted")
    assert limited.provenance["context"] == 8
    assert np.abs(limited.numpy() - whole.numpy()).max() > 1e-4 * whole.numpy().std()
    np.testing.assert_array_equal(read(tmp_path / "1000", "predicted").numpy(), whole.numpy())
    status, _, stderr = vstain(
        "predict", slide, "--model", "certain", "--context", "8", "--output", tmp_path / "c"
    )
    assert status == 0
    assert "no global operators: the context changes nothing" in stderr
    assert vstain("predict", slide, "--model", "plain", "--context", "0", "--output", "x")[0] == 2
