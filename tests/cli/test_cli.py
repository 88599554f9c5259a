"""The command line end to end, in process: files in, files out, statuses and sentences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_virtual_stain import io
from napari_virtual_stain.cli import main
from napari_virtual_stain.image import Image
from napari_virtual_stain.model import InputSpec, ModelSpec, NetworkSpec, OutputSpec, StainModel

UM = {"Y": 0.5, "X": 0.5}


@pytest.fixture(autouse=True)
def model_folder(tmp_path_factory, monkeypatch):
    """A model folder with one small random model, ``tiny``."""
    folder = tmp_path_factory.mktemp("models")
    monkeypatch.setenv("VSTAIN_MODELS", str(folder))
    spec = ModelSpec(
        name="tiny",
        description="Random weights.",
        network=NetworkSpec(name="gvtnet", options={"filters": 2, "depth": 2}),
        inputs=[InputSpec(name="phase")],
        outputs=[OutputSpec(name="DNA", mean=100, std=10), OutputSpec(name="actin")],
        voxel_size=UM,
    )
    torch.manual_seed(0)
    io.save_model(StainModel(spec.build_network(), spec), folder / "tiny.safetensors")
    return folder


@pytest.fixture
def slide(tmp_path):
    values = np.random.default_rng(0).integers(0, 4000, (2, 40, 50)).astype(np.uint16)
    image = Image(values, "CYX", UM, channels=("DIC", "phase"), name="slide")
    return io.write_image(image, tmp_path / "slide é.ome.tif")


def test_predict_writes_named_channels_on_the_grid_of_the_input(vstain, slide, tmp_path):
    out = tmp_path / "out"
    status, stdout, stderr = vstain(
        "predict", slide, "--model", "tiny", "--output", out, "--channel", "phase", "--masks"
    )
    assert (status, stderr.count("Traceback")) == (0, 0)
    assert "CPU" in stderr or "GPU" in stderr
    predicted = io.read_image(out / "slide é.predicted.ome.tif")
    assert str(out / "slide é.predicted.ome.tif") in stdout
    assert (predicted.axes, predicted.shape) == ("CYX", (2, 40, 50))
    assert predicted.channels == ("DNA", "actin")
    assert dict(predicted.voxel_size) == UM
    assert predicted.provenance["model"] == "tiny"
    masks = io.read_image(out / "slide é.masks.ome.tif")
    assert masks.dtype == np.uint8
    assert set(np.unique(masks.numpy())) == {0, 1}
    assert masks.channels == predicted.channels


def test_a_crop_and_a_tile_change_what_they_should(vstain, slide, tmp_path):
    common = ["predict", slide, "--model", "tiny", "--channel", "phase"]
    assert vstain(*common, "--output", tmp_path / "a", "--crop", "X=10:42")[0] == 0
    assert vstain(*common, "--output", tmp_path / "b", "--tile", "8")[0] == 0
    assert vstain(*common, "--output", tmp_path / "c")[0] == 0
    cropped, tiled, whole = (
        io.read_image(tmp_path / folder / "slide é.predicted.ome.tif") for folder in "abc"
    )
    assert cropped.shape == (2, 40, 32)
    assert np.abs(tiled.numpy() - whole.numpy()).max() < 1e-4 * whole.numpy().std()


def test_results_are_not_overwritten_unless_asked(vstain, slide, tmp_path):
    command = ["predict", slide, "--model", "tiny", "--output", tmp_path, "--channel", "phase"]
    assert vstain(*command)[0] == 0
    file = tmp_path / "slide é.predicted.ome.tif"
    before = file.read_bytes()
    status, _, stderr = vstain(*command)
    assert status == 1
    assert stderr.count("\n") == 1
    assert "exists already and is left as it is" in stderr
    assert file.read_bytes() == before
    assert vstain(*command, "--overwrite")[0] == 0


def test_a_batch_goes_on_with_what_is_missing(vstain, slide, tmp_path):
    other = io.write_image(io.read_image(slide), tmp_path / "other.ome.tif")
    common = ["--model", "tiny", "--output", tmp_path, "--channel", "phase", "--json"]
    for form, ending in (("ome-zarr", "zarr"), ("ome-tiff", "tif")):
        assert vstain("predict", slide, "--format", form, *common)[0] == 0
        status, stdout, stderr = vstain("predict", slide, other, "--format", form, *common)
        assert status == 0
        assert "1 of 2 images are predicted already and left as they are" in stderr
        assert [Path(one).name for one in json.loads(stdout)["left"]] == ["slide é.ome.tif"]
        first, second = (
            io.read_image(tmp_path / f"{name}.predicted.ome.{ending}")
            for name in ("slide é", "other")
        )
        np.testing.assert_array_equal(first.numpy(), second.numpy())
        assert first.channels == second.channels


def test_masks_that_a_killed_run_did_not_write_are_made_of_its_prediction(vstain, slide, tmp_path):
    command = ["predict", slide, "--model", "tiny", "--output", tmp_path, "--channel", "phase"]
    assert vstain(*command)[0] == 0
    before = (tmp_path / "slide é.predicted.ome.tif").read_bytes()
    assert vstain(*command, "--masks")[0] == 0
    assert (tmp_path / "slide é.predicted.ome.tif").read_bytes() == before
    assert io.read_image(tmp_path / "slide é.masks.ome.tif").dtype == np.uint8


def test_a_plan_is_said_and_nothing_predicted(vstain, slide, tmp_path):
    command = ["predict", slide, "--model", "tiny", "--channel", "phase", "--plan"]
    status, stdout, _ = vstain(*command, "--output", tmp_path / "out", "--tile", "16")
    assert status == 0
    assert "voxels computed ÷ kept" in stdout
    assert "halo" in stdout
    assert not (tmp_path / "out").exists()
    status, stdout, _ = vstain(*command, "--output", tmp_path / "out", "--json")
    (plan,) = json.loads(stdout)["plans"]
    assert plan["tiles"] == 1
    assert plan["memory_needed"] < plan["memory_allowed"]


def test_augmentation_writes_its_spread(vstain, slide, tmp_path):
    command = ["predict", slide, "--model", "tiny", "--output", tmp_path, "--channel", "phase"]
    assert vstain(*command, "--tta")[0] == 0
    spread = io.read_image(tmp_path / "slide é.uncertainty.ome.tif")
    assert all(name.endswith(" σ") for name in spread.channels)
    assert spread.numpy().min() >= 0


def test_compare_writes_scores_and_maps(vstain, slide, tmp_path):
    observed = io.read_image(slide)
    noisy = observed.replace(
        data=observed.numpy() + np.float32(300) * np.sin(np.arange(50, dtype=np.float32))
    )
    predicted = io.write_image(noisy, tmp_path / "predicted.ome.tif")
    status, stdout, _ = vstain(
        "compare", slide, predicted, "--output", tmp_path / "out", "--crop", "X=5:45", "--json"
    )
    assert status == 0
    stored = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert json.loads(stdout)["channels"] == stored["channels"]
    for channel in (0, 1):
        expected = np.corrcoef(
            observed.numpy()[channel, :, 5:45].ravel(), noisy.numpy()[channel, :, 5:45].ravel()
        )[0, 1]
        name = observed.channels[channel]
        assert np.isclose(stored["channels"][name]["pearson_r"], expected, atol=1e-6)
    error = io.read_image(tmp_path / "out" / "observed_minus_predicted.ome.tif")
    assert error.shape == (2, 40, 40)


def test_train_then_predict_from_what_simulate_wrote(vstain, tmp_path):
    """The three commands of a method developer, on simulated cells."""
    data = tmp_path / "data"
    small = ["--size", "96", "--planes", "3", "--count", "2"]
    assert vstain("simulate", "--output", data, *small)[0] == 0
    model = tmp_path / "m.safetensors"
    status, stdout, stderr = vstain(
        *["train", data, "--output", model, "--input", "brightfield", "--target", "fluorescence"],
        *["--preset", "gvtnet-2d-small", "--steps", "2", "--batch", "1", "--half", "--json"],
    )
    assert status == 0, stderr
    assert set(json.loads(stdout)["scores"]) == {"nuclei", "cytoplasm"}
    spec = io.read_spec(model)
    assert spec.name == "m"
    assert spec.inputs[0].planes == 3
    assert spec.provenance.command.startswith("vstain train")
    image = data / "brightfield" / "simulated_0000.ome.tif"
    assert vstain("predict", image, "--model", model, "--output", tmp_path)[0] == 0
    predicted = io.read_image(tmp_path / "simulated_0000.predicted.ome.tif")
    assert predicted.channels == ("nuclei", "cytoplasm")
    status, _, stderr = vstain(
        *["train", data, "--output", model, "--input", "brightfield", "--target", "fluorescence"],
    )
    assert (status, "exists" in stderr, "Training on" in stderr) == (1, True, False)


def test_one_bad_image_does_not_stop_the_others(vstain, slide, tmp_path):
    (tmp_path / "bad.tif").write_text("not an image")
    status, stdout, stderr = vstain(
        *["predict", tmp_path / "bad.tif", slide, "--model", "tiny", "--channel", "phase"],
        *["--output", tmp_path / "out", "--json"],
    )
    assert status == 1
    assert "1 of 2 images could not be predicted" in stderr
    result = json.loads(stdout)
    assert len(result["predictions"]) == len(result["failures"]) == 1
    assert (tmp_path / "out" / "slide é.predicted.ome.tif").exists()


def test_an_output_that_cannot_be_written_is_found_before_the_work(vstain, tmp_path):
    (tmp_path / "file").touch()
    data = tmp_path / "data"
    vstain("simulate", "--output", data, "--size", "64", "--planes", "2")
    status, _, stderr = vstain(
        *["train", data, "--input", "brightfield", "--target", "fluorescence"],
        *["--output", tmp_path / "file" / "m.safetensors"],
    )
    assert status == 1
    assert "Training on" not in stderr
    assert "could not be written: a part of the folder's path is a file" in stderr


def test_ctrl_c_is_said_and_has_a_status_of_its_own(vstain, slide, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_virtual_stain.io.images.read_image", interrupted)
    status, _, stderr = vstain(
        "predict", slide, "--model", "tiny", "--output", tmp_path / "out", "--channel", "phase"
    )
    assert status == 130, stderr
    assert "stopped; nothing is left half-written" in stderr
    assert not list((tmp_path / "out").iterdir())


def test_a_pipe_of_another_code_page_gets_utf_8(model_folder):
    run = subprocess.run(
        [sys.executable, "-m", "napari_virtual_stain.cli", "models", "list"],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=True,
    )
    assert "phase → DNA" in run.stdout.decode("utf-8")


def test_models(vstain, model_folder):
    status, stdout, _ = vstain("models", "list")
    assert status == 0
    assert "tiny" in stdout
    assert "2D: phase → DNA, actin at 0.5 × 0.5 µm" in stdout
    status, stdout, _ = vstain("models", "info", "tiny", "--json")
    assert json.loads(stdout)["spec"]["outputs"][0]["mean"] == 100
    assert "Random weights." in vstain("models", "info", model_folder / "tiny.safetensors")[1]
    assert "gvtnet" in vstain("models", "architectures")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict",),
        ("predict", "SLIDE", "--model", "tiny"),
        ("predict", "SLIDE", "--model", "tiny", "--output", "OUT", "--crop", "640"),
        ("predict", "SLIDE", "--model", "tiny", "--output", "OUT", "--tile", "big"),
        ("predict", "SLIDE", "--model", "tiny", "--output", "OUT", "--device", "tpu"),
        ("predict", "SLIDE", "SLIDE", "--model", "tiny", "--output", "OUT"),
        ("train", "OUT", "--output", "OUT", "--steps", "0"),
        ("compare", "SLIDE", "SLIDE", "--output", "OUT", "--match", "best"),
        (
            *("predict", "SLIDE", "--model", "tiny", "--output", "OUT"),
            *("--crop", "X=0:5", "--crop", "X=9:20"),
        ),
        ("paint",),
    ],
)
def test_bad_arguments_exit_with_2(vstain, slide, tmp_path, arguments):
    places = {"SLIDE": slide, "OUT": tmp_path / "out"}
    status, _, stderr = vstain(*(places.get(argument, argument) for argument in arguments))
    assert status == 2
    assert "Traceback" not in stderr
    assert not (tmp_path / "out").exists()


def bad_inputs(folder):
    """Write one file for each kind of image that cannot be predicted."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 99, (40, 50)).astype(np.uint16)
    tifffile.imwrite(folder / "rgb.tif", rng.integers(0, 255, (40, 50, 3)).astype(np.uint8))
    tifffile.imwrite(folder / "nan.tif", np.where(noise > 90, np.nan, noise).astype(np.float32))
    tifffile.imwrite(folder / "constant.tif", np.full((40, 50), 3, np.uint8))
    tifffile.imwrite(folder / "four.tif", rng.integers(0, 99, (2, 6, 40, 50)).astype(np.uint16))
    tifffile.imwrite(folder / "whole.tif", noise)
    content = (folder / "whole.tif").read_bytes()
    (folder / "truncated.tif").write_bytes(content[: len(content) // 2])
    (folder / "foreign.tif").write_text("not an image")
    (folder / "empty.tif").touch()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("rgb.tif", "rgb.tif"),
        ("nan.tif", "contains NaN or infinite pixels; replace them"),
        ("constant.tif", "is constant: every pixel is 3"),
        ("four.tif", "CZYX"),
        ("truncated.tif", "truncated"),
        ("foreign.tif", "foreign.tif"),
        ("empty.tif", "empty.tif"),
        ("missing.tif", "missing.tif"),
    ],
)
def test_bad_images_are_refused_in_one_sentence(vstain, tmp_path, name, sentence):
    bad_inputs(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    status, stdout, stderr = vstain(
        "predict", tmp_path / name, "--model", "tiny", "--output", tmp_path / "out"
    )
    assert (status, stdout) == (1, "")
    errors = [line for line in stderr.splitlines() if line.startswith("vstain: error:")]
    assert len(errors) == 1
    assert sentence in errors[0]
    assert "Traceback" not in stderr
    assert not list(tmp_path.glob("out/*"))
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


def test_a_3d_tiff_without_axes_is_a_stack_and_says_so(vstain, tmp_path):
    values = np.random.default_rng(0).integers(0, 99, (5, 24, 24)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "plain.tif", values, metadata=None)
    status, _, stderr = vstain(
        "predict", tmp_path / "plain.tif", "--model", "tiny", "--output", tmp_path
    )
    assert status == 0
    assert "stack" in stderr
    assert io.read_image(tmp_path / "plain.predicted.ome.tif").axes == "CZYX"
    status, _, stderr = vstain(
        *["predict", tmp_path / "plain.tif", "--model", "tiny", "--axes", "TYX"],
        *["--output", tmp_path / "movie"],
    )
    assert status == 0
    assert io.read_image(tmp_path / "movie" / "plain.predicted.ome.tif").axes == "TCYX"


def test_unknown_models_and_unexpected_failures_are_one_sentence(vstain, slide, tmp_path):
    command = ["predict", slide, "--output", tmp_path / "out", "--channel", "phase"]
    status, _, stderr = vstain(*command, "--model", "huge")
    assert (status, stderr.count("\n")) == (1, 1)
    assert "no model named 'huge'" in stderr
    (tmp_path / "out").write_text("a file where a folder should be")
    status, _, stderr = vstain(*command, "--model", "tiny")
    assert status == 1
    assert "Traceback" not in stderr


def test_debug_shows_the_traceback(monkeypatch, slide, tmp_path):
    arguments = ["predict", slide, "--model", "huge", "--output", tmp_path / "out", "--debug"]
    monkeypatch.setattr(sys, "argv", ["vstain", *map(str, arguments)])
    with pytest.raises(ValueError, match="no model named"):
        main()


def test_no_bar_where_there_is_no_terminal(vstain, slide, tmp_path):
    _, _, stderr = vstain(
        "predict", slide, "--model", "tiny", "--output", tmp_path, "--channel", "phase"
    )
    assert "\r" not in stderr
    assert "\x1b" not in stderr
