"""``vstain train``: options from a file, and into one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain import io
from napari_virtual_stain.events import Losses
from napari_virtual_stain.image import Image


@pytest.fixture
def train(vstain, tmp_path):
    """Train a tiny model with some options; returns (status, stderr)."""
    values = np.random.default_rng(0).integers(0, 4000, (2, 40, 50)).astype(np.uint16)
    image = Image(values, "CYX", {"Y": 0.5, "X": 0.5}, channels=("phase", "DNA"))
    slide = io.write_image(image, tmp_path / "slide.ome.tif")

    def run(name, *more):
        status, _, stderr = vstain("train", slide, "--output", tmp_path / name, *more)
        return status, " ".join(stderr.split())

    return run


RECIPE = """
preset: gvtnet-2d-small
input: [phase]
target: DNA
steps: 2
batch: 2
device: cpu
option: {filters: 2, dropout: 0}
train-crop: {X: 0:30}
validation_crop:
  X: 30:50
seed: 7
half: yes
licence: NO
"""


def spec(tmp_path, name):
    return io.read_spec(tmp_path / f"{name}.safetensors")


def test_a_training_is_replayed_from_a_file(train, tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("dropout: 0", "depth: 2"))
    status, stderr = train(
        "one", "--config", tmp_path / "recipe.yaml", "--save-config", tmp_path / "saved.yaml"
    )
    assert status == 0, stderr
    one = spec(tmp_path, "one")
    assert (one.network.options["filters"], one.provenance.seed) == (2, 7)
    assert one.provenance.licence == "NO"

    status, stderr = train("two", "--config", tmp_path / "saved.yaml")
    assert status == 0, stderr
    two = spec(tmp_path, "two")
    assert two.network == one.network
    assert two.provenance.scores == one.provenance.scores
    first, second = (
        (tmp_path / f"{name}.safetensors").read_bytes()[-1000:] for name in ("one", "two")
    )
    assert first == second


def test_the_command_line_goes_before_the_file(train, tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("dropout: 0", "depth: 2"))
    more = ["--seed", "8", "--licence", "MIT", "--option", "filters=3", "--option", "depth=2"]
    status, stderr = train("one", "--config", tmp_path / "recipe.yaml", *more)
    assert status == 0, stderr
    one = spec(tmp_path, "one")
    assert (one.provenance.seed, one.provenance.licence) == (8, "MIT")
    assert one.network.options["filters"] == 3


def test_what_is_saved_is_what_was_chosen(train, tmp_path):
    more = ["--input", "phase", "--target", "DNA", "--steps", "1", "--batch", "2"]
    tiny = ["--preset", "gvtnet-2d-small", "--option", "filters=2", "--device", "cpu"]
    status, stderr = train(
        "one", *more, *tiny, "--augment", "noise=0.1", "--save-config", tmp_path / "saved.yaml"
    )
    assert status == 0, stderr
    text = (tmp_path / "saved.yaml").read_text()
    assert text.startswith("# vstain train PAIRS --output MODEL --config")
    found = io.read_options(
        tmp_path / "saved.yaml", [line.split(":")[0] for line in text.splitlines()]
    )
    assert found["input"] == ["phase"]
    assert found["option"] == ["filters=2"]
    assert found["augment"] == ["noise=0.1"]
    assert (found["steps"], found["turns"], found["half"]) == ("1", "true", "false")
    assert not {"pairs", "output", "config", "save_config", "resume", "overwrite"} & {*found}


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("stepz: 3", 1, "there is no option 'stepz'. Did you mean 'steps'?"),
        ("output: a", 1, "there is no option 'output'"),
        ("steps: many", 2, "'--steps'"),
        ("steps: 0", 2, "'--steps'"),
        ("device: tpu", 2, "'--device'"),
        ("option: {dropout: }", 1, "'dropout' is empty"),
        ("augment: {rotate: 3}", 2, "Did you mean 'rotation'"),
    ],
)
def test_files_that_are_wrong(train, tmp_path, text, status, said):
    (tmp_path / "recipe.yaml").write_text(text)
    found, stderr = train("one", "--config", tmp_path / "recipe.yaml")
    assert (found, said in stderr) == (status, True), stderr
    assert not (tmp_path / "one.safetensors").exists()


def test_an_earlier_file_is_kept(train, tmp_path):
    (tmp_path / "saved.yaml").write_text("steps: 1\n")
    more = ["--input", "phase", "--target", "DNA", "--save-config", tmp_path / "saved.yaml"]
    status, stderr = train("one", *more)
    assert status == 1
    assert "saved.yaml exists already" in stderr
    assert (tmp_path / "saved.yaml").read_text() == "steps: 1\n"


def test_a_training_that_does_not_begin_saves_no_options(train, tmp_path):
    saved = tmp_path / "saved.yaml"
    more = ["--input", "phase", "--target", "DNA", "--steps", "1", "--batch", "2"]
    tiny = ["--preset", "gvtnet-2d-small", "--option", "filters=2", "--save-config", saved]
    status, stderr = train("one", *more, *tiny, "--train-crop", "X=0:500")
    assert status == 1, stderr
    assert not saved.exists()
    status, stderr = train("one", *more, *tiny)
    assert status == 0, stderr
    assert saved.exists()


def test_options_are_saved_with_the_first_step(train, tmp_path, monkeypatch):
    def stop(self, event):
        if isinstance(event, Losses):
            raise KeyboardInterrupt

    saved = tmp_path / "saved.yaml"
    monkeypatch.setattr(io.TrainingLog, "add", stop)
    more = ["--input", "phase", "--target", "DNA", "--batch", "2", "--log", "csv"]
    tiny = ["--preset", "gvtnet-2d-small", "--option", "filters=2", "--save-config", saved]
    assert train("one", *more, *tiny)[0] == 130
    assert saved.exists()
