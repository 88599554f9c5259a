"""``vstain train``: what is chosen of the network and of its training, and how it is refused."""

from __future__ import annotations

import numpy as np
import pytest
import typer

from napari_virtual_stain import io
from napari_virtual_stain.cli.train import assignments
from napari_virtual_stain.image import Image


@pytest.fixture
def slide(tmp_path):
    values = np.random.default_rng(0).integers(0, 4000, (2, 40, 50)).astype(np.uint16)
    image = Image(values, "CYX", {"Y": 0.5, "X": 0.5}, channels=("phase", "DNA"), name="slide")
    return io.write_image(image, tmp_path / "slide.ome.tif")


def arguments(slide, model, *more):
    channels = ["--input", "phase", "--target", "DNA"]
    quick = ["--steps", "2", "--batch", "2", "--device", "cpu"]
    return ["train", slide, "--output", model, *channels, *quick, *more]


def test_options_of_the_network_and_the_training_are_in_the_model(vstain, slide, tmp_path):
    model = tmp_path / "tiny.safetensors"
    small = ["--option", "window=16", "--option", "filters=4", "--option", "growth=2"]
    chosen = ["--preset", "gt-unet", "--option", "dropout=0", "--option", "multi_scale=learned"]
    more = ["--learning-rate", "1e-3", "--adversarial", "--equalize"]
    status, stdout, stderr = vstain(*arguments(slide, model, *small, *chosen, *more))
    assert (status, stderr.count("Traceback")) == (0, 0)
    assert str(model) in stdout
    spec = io.load_model(model).spec
    assert dict(spec.network.options) == {
        "window": 16,
        "filters": 4,
        "growth": 2,
        "dropout": 0,
        "multi_scale": "learned",
    }
    assert spec.normalization.equalize
    assert "--learning-rate 1e-3" in spec.provenance.command
    assert spec.outputs[0].low is not None
    status, _, _ = vstain("predict", slide, "--model", model, "--output", tmp_path / "out")
    assert status == 0


def test_a_gan_may_be_trained_without_its_discriminator(vstain, slide, tmp_path):
    model = tmp_path / "plain.safetensors"
    small = ["--preset", "virfluonet", "--option", "depth=4", "--option", "filters=2"]
    status, _, _ = vstain(*arguments(slide, model, *small, "--no-adversarial"))
    assert status == 0
    assert io.load_model(model).spec.network.options == {"depth": 4, "filters": 2}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--option", "drop=0"], "has no option 'drop'; it has ndim"),
        (["--option", "filters=many"], "takes a whole number from 1 to 1024 for 'filters'"),
        (["--learning-rate", "0"], "the learning rate is a number above 0"),
        (["--preset", "gvtnet-2"], "Did you mean 'gvtnet-2d'?"),
        (["--preset", "gvtnet-projection"], "turns a z-stack into one plane"),
    ],
)
def test_what_does_not_fit_is_one_sentence(vstain, slide, tmp_path, more, sentence):
    model = tmp_path / "m.safetensors"
    status, _, stderr = vstain(*arguments(slide, model, *more))
    assert status == 1
    assert sentence in " ".join(stderr.split())
    assert "Traceback" not in stderr
    assert not model.exists()


@pytest.mark.parametrize("text", ["dropout", "=0", "dropout=", " = "])
def test_a_malformed_option_is_a_bad_argument(vstain, slide, tmp_path, text):
    status, _, stderr = vstain(*arguments(slide, tmp_path / "m.safetensors", "--option", text))
    assert status == 2
    assert "name=value" in " ".join(stderr.split())


def test_an_option_is_given_once(vstain, slide, tmp_path):
    twice = ["--option", "depth=2", "--option", "depth=3"]
    status, _, stderr = vstain(*arguments(slide, tmp_path / "m.safetensors", *twice))
    assert status == 2
    assert "depth is given twice" in " ".join(stderr.split())


def test_values_are_flags_numbers_words_or_lists_of_them():
    found = assignments(
        ["a=true", "b=False", "c=3", "d=-0.5", "e=1e-3", "f=gvto-v1", "g=1,0,0", "h=x, 2.5"]
    )
    assert found == {
        "a": True,
        "b": False,
        "c": 3,
        "d": -0.5,
        "e": 0.001,
        "f": "gvto-v1",
        "g": [1, 0, 0],
        "h": ["x", 2.5],
    }
    assert [type(found[key]) for key in "acd"] == [bool, int, float]
    assert assignments(None) == {}
    with pytest.raises(typer.BadParameter, match="not of the form"):
        assignments(["x"])
