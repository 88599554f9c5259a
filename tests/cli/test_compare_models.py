"""``vstain compare --models``: what is predicted, compared, tested, kept and never replaced."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel

from napari_virtual_stain import evaluation, io
from napari_virtual_stain.cli.several_values import repeated
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import predict
from napari_virtual_stain.model import InputSpec, ModelSpec, NetworkSpec, OutputSpec, StainModel

UM = {"Y": 0.5, "X": 0.5}


@pytest.fixture(autouse=True)
def quick_reports(monkeypatch):
    """Draw nothing for single images, which takes longest and is tested elsewhere."""
    monkeypatch.setattr(evaluation, "figure", lambda comparison: b"drawn")
    monkeypatch.setattr(evaluation, "html", lambda comparison, features=None: "page")


@pytest.fixture(autouse=True)
def models(tmp_path_factory, monkeypatch):
    """Return a model folder with two small random models, and one that takes three channels."""
    folder = tmp_path_factory.mktemp("models")
    monkeypatch.setenv("VSTAIN_MODELS", str(folder))
    for seed, (name, inputs) in enumerate(
        {"one": ["phase"], "two": ["phase"], "triple": ["phase", "DIC", "GFP"]}.items()
    ):
        spec = ModelSpec(
            name=name,
            description="Random weights.",
            network=NetworkSpec(name="gvtnet", options={"filters": 2, "depth": 2}),
            inputs=[InputSpec(name=one) for one in inputs],
            outputs=[OutputSpec(name="DNA", mean=100, std=10)],
            voxel_size=UM,
        )
        torch.manual_seed(seed)
        io.save_model(StainModel(spec.build_network(), spec), folder / f"{name}.safetensors")
    return folder


def wells(folder, names, seed=0):
    """Write images that hold phase and DNA."""
    rng = np.random.default_rng(seed)
    for name in names:
        phase = rng.integers(0, 4000, (24, 32))
        values = np.stack([phase, 100 + phase // 100]).astype(np.uint16)
        image = Image(values, "CYX", UM, channels=("phase", "DNA"), name=name)
        io.write_image(image, folder / f"{name}.ome.tif")
    return folder


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("DATA --models A B --output D", "DATA --models A --models B --output D"),
        ("DATA --models A --models B C -o D", "DATA --models A --models B --models C -o D"),
        ("DATA --input I J --models A", "DATA --input I --input J --models A"),
        ("DATA OTHER --crop X=0:3", "DATA OTHER --crop X=0:3"),
        ("--models A B -- DATA MORE", "--models A --models B -- DATA MORE"),
        ("--json DATA", "--json DATA"),
    ],
)
def test_several_values_follow_one_option(given, expected):
    assert repeated(given.split(), ("--models", "--input")) == expected.split()


def test_two_models_predict_and_are_tested(vstain, models, tmp_path):
    data = wells(tmp_path / "data", "abc")
    out = tmp_path / "out"
    command = ("compare", data, "--models", "one", models / "two.safetensors", "--output", out)
    status, stdout, stderr = vstain(*command, "--json", "--device", "cpu", "--precision", "fp32")
    assert (status, "Traceback" in stderr) == (0, False), stderr
    result = json.loads(stdout)
    assert list(result["models"]) == ["one", "two"]
    assert result["images"] == 3
    with (out / "set.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    r = {
        model: [float(row["pearson_r"]) for row in rows if row["model"] == model]
        for model in ("one", "two")
    }
    (test,) = result["tests"]
    expected = ttest_rel(r["one"], r["two"], alternative="greater")
    assert (test["channel"], test["better"], test["than"]) == ("DNA", "one", "two")
    assert test["p"] == pytest.approx(expected.pvalue)
    # The predictions are kept, and are those of vstain predict.
    kept = io.read_image(out / "two" / "b.predicted.ome.tif")
    again = predict(
        io.load_model("two"), io.read_image(data / "b.ome.tif"), device="cpu", precision="fp32"
    )
    np.testing.assert_allclose(kept.numpy(), again.numpy()[0], rtol=1e-5)
    assert (out / "two" / "b" / "report.html").is_file()
    page = (out / "set.html").read_text(encoding="utf-8")
    assert "Is one better than two?" in page
    assert "How much error must be forgiven" in page
    assert "Pearson r of random pixels" in page
    assert 'href="two/b/report.html"' in page
    drawn = result["random_pixels"]["one"]["DNA"]
    assert (drawn["pixels"], drawn["draws"]) == (3 * 24 * 32, 30)
    # Again: nothing is computed anew, and nothing is refused.
    before = (out / "one" / "a.predicted.ome.tif").stat().st_mtime_ns
    status, stdout, stderr = vstain(*command, "--json", "--device", "cpu", "--precision", "fp32")
    assert status == 0
    assert "6 of 6 images were compared by an earlier run" in stderr
    assert "a was predicted by one before" in stderr
    assert (out / "one" / "a.predicted.ome.tif").stat().st_mtime_ns == before
    again = json.loads(stdout)
    assert again == result
    # Other models in the same place are refused before anything is predicted.
    status, _, stderr = vstain("compare", data, "--models", "one", "triple", "--output", out)
    assert status == 1
    assert "already holds set.html" in stderr
    assert not (out / "triple").exists()


def test_a_prediction_of_something_else_is_not_taken(vstain, models, tmp_path):
    data = wells(tmp_path / "data", "a")
    out = tmp_path / "out"
    (out / "one").mkdir(parents=True)
    (out / "one" / "a.predicted.ome.tif").write_bytes((data / "a.ome.tif").read_bytes())
    status, _, stderr = vstain("compare", data, "--models", "one", "--output", out)
    assert status == 1
    assert "predicted from another image or by another model" in stderr
    status, _, _ = vstain("compare", data, "--models", "one", "--output", out, "--overwrite")
    assert status == 0
    assert io.read_image(out / "one" / "a.predicted.ome.tif").channels == ("DNA",)
    torch.manual_seed(9)
    model = io.load_model("one")
    for parameter in model.network.parameters():
        parameter.data += 0.1
    io.save_model(model, models / "one.safetensors", overwrite=True)
    (out / "set.json").unlink()
    (out / "set.html").unlink()
    (out / "set.csv").unlink()
    status, _, stderr = vstain("compare", data, "--models", "one", "--output", out)
    assert status == 1
    assert "predicted from another image or by another model" in stderr


def test_inputs_of_their_own_are_paired_by_name_or_as_single_files(vstain, tmp_path):
    data = wells(tmp_path / "data", "ab")
    for folder in ("stain", "light"):
        (tmp_path / folder).mkdir()
    for name in "ab":
        image = io.read_image(data / f"{name}.ome.tif")
        io.write_image(image.channel("DNA"), tmp_path / "stain" / f"{name}.ome.tif")
        io.write_image(image.channel("phase"), tmp_path / "light" / f"{name}.ome.tif")
    stain, light = tmp_path / "stain", tmp_path / "light"
    status, stdout, _ = vstain(
        "compare", stain, "--models", "one", "--input", light, "--output", tmp_path / "1"
    )
    assert (status, "one, DNA: Pearson r" in stdout) == (0, True)
    status, _, stderr = vstain(
        *("compare", stain / "a.ome.tif", "--input", light / "b.ome.tif", "--models", "one"),
        *("--crop", "X=8:32", "--output", tmp_path / "2"),
    )
    assert status == 0
    metrics = json.loads((tmp_path / "2" / "a" / "metrics.json").read_text(encoding="utf-8"))
    # The whole image is predicted, as context and statistics are those of all of it.
    assert metrics["shape"] == [1, 24, 24]
    assert io.read_image(tmp_path / "2" / "one" / "a.predicted.ome.tif").shape == (24, 32)
    (light / "b.ome.tif").unlink()
    for arguments, said in (
        ((stain, "--input", light), "holds no image named b, which is to be predicted"),
        ((stain, "--input", light, light), "1 observed and 2 --input were given"),
        ((stain, stain, "--input", light, light), "holds no image named b"),
        ((stain, light, "--input", light), "2 observed and 1 --input were given"),
        ((stain, data / ".." / "stain"), "two data sets are called stain"),
    ):
        status, _, stderr = vstain(
            "compare", *arguments, "--models", "one", "--output", tmp_path / "3"
        )
        assert (status, said in stderr) == (1, True), stderr
        assert not (tmp_path / "3").exists()


def test_models_on_several_data_sets_make_a_matrix(vstain, tmp_path):
    data = [wells(tmp_path / "left", "ab"), wells(tmp_path / "right", "cd", seed=1)]
    out = tmp_path / "out"
    command = ("compare", *data, "--models", "one", "two", "--output", out)
    status, stdout, _ = vstain(*command, "--json")
    assert status == 0
    found = json.loads(stdout)
    assert (found["models"], found["data_sets"]) == (["one", "two"], ["left", "right"])
    cell = found["scores"]["pearson_r"]["DNA"]["two"]["right"]
    rows = list(csv.DictReader((out / "right" / "set.csv").open(encoding="utf-8", newline="")))
    r = [float(row["pearson_r"]) for row in rows if row["model"] == "two"]
    assert (cell["mean"], cell["images"]) == (pytest.approx(np.mean(r)), 2)
    assert cell["interval"][0] <= cell["mean"] <= cell["interval"][1]
    assert (
        json.loads((out / "transfer.json").read_text(encoding="utf-8"))["scores"]
        == (found["scores"])
    )
    page = (out / "transfer.html").read_text(encoding="utf-8")
    assert 'href="right/set.html"' in page
    assert (out / "left" / "one" / "a.predicted.ome.tif").is_file()
    # A run that was stopped goes on.
    (out / "transfer.json").unlink()
    (out / "transfer.html").unlink()
    (out / "transfer.csv").unlink()
    (out / "right" / "set.json").unlink()
    (out / "right" / "set.html").unlink()
    (out / "right" / "set.csv").unlink()
    status, stdout, stderr = vstain(*command, "--json")
    assert (status, json.loads(stdout)["scores"]) == (0, found["scores"])
    assert stderr.count("4 of 4 images were compared by an earlier run") == 2


def test_a_model_that_a_data_set_does_not_suit_leaves_a_gap(vstain, tmp_path):
    left, right = wells(tmp_path / "left", "ab"), tmp_path / "right"
    right.mkdir()
    for name in "cd":
        values = np.random.default_rng(0).integers(0, 4000, (4, 24, 32)).astype(np.uint16)
        image = Image(values, "CYX", UM, channels=("phase", "DIC", "GFP", "DNA"))
        io.write_image(image, right / f"{name}.ome.tif")
    out = tmp_path / "out"
    status, stdout, stderr = vstain(
        "compare", left, right, "--models", "triple", "one", "--output", out, "--json"
    )
    assert status == 1
    assert "error: a by triple: " in stderr
    assert "no image of triple could be compared, so it is left out" in stderr
    scores = json.loads(stdout)["scores"]["pearson_r"]["DNA"]
    assert list(scores["triple"]) == ["right"]
    assert list(scores["one"]) == ["left", "right"]
    assert len(json.loads(stdout)["failures"]) == 2
    assert "–" in (out / "transfer.html").read_text(encoding="utf-8")


def test_arguments_that_make_no_sense_are_bad_ones(vstain, tmp_path):
    data = wells(tmp_path / "data", "a")
    for arguments in (
        (data,),
        (data, data, data),
        (data, data, "--input", data),
        (data, data, "--channel", "phase"),
        (data, "--models", "one", "--against", data),
    ):
        assert vstain("compare", *arguments, "--output", tmp_path / "out")[0] == 2
    status, _, stderr = vstain("compare", data, "--models", "one", "one", "--output", tmp_path)
    assert (status, "two models are called one" in stderr) == (1, True)
    status, _, stderr = vstain("compare", data, "--models", "three", "--output", tmp_path / "out")
    assert (status, "there is no model named 'three'" in stderr) == (1, True)
    (tmp_path / "empty").mkdir()
    status, _, stderr = vstain(
        "compare", tmp_path / "empty", "--models", "one", "--output", tmp_path / "out"
    )
    assert (status, "holds no TIFF file" in stderr) == (1, True)
