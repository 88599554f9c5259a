"""``vstain train``: what is chosen of the network and of its training, and how it is refused."""

from __future__ import annotations

import numpy as np
import pytest
import typer
from scipy import ndimage

from napari_virtual_stain import io
from napari_virtual_stain.cli.assignments import assignments, changed, sizes
from napari_virtual_stain.image import Image
from napari_virtual_stain.training import Augmentation, LossOptions


@pytest.fixture
def slide(tmp_path):
    values = np.random.default_rng(0).integers(0, 4000, (2, 40, 50)).astype(np.uint16)
    image = Image(values, "CYX", {"Y": 0.5, "X": 0.5}, channels=("phase", "DNA"), name="slide")
    return io.write_image(image, tmp_path / "slide.ome.tif")


SMALL = ["--preset", "gvtnet-2d-small", "--option", "filters=2"]


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


def test_what_does_not_fit_the_images_is_one_sentence(vstain, slide, tmp_path):
    model = tmp_path / "m.safetensors"
    status, _, stderr = vstain(*arguments(slide, model, "--preset", "gvtnet-projection"))
    assert status == 1
    assert "turns a z-stack into one plane" in stderr
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


def test_choices_take_the_place_of_the_presets():
    preset = Augmentation(rotation=5, noise=0.5)
    found = changed(preset, ["rotation=10", "channel-dropout=0.25", "turns=false"], "--augment", "")
    assert found == Augmentation(turns=False, rotation=10, noise=0.5, channel_dropout=0.25)
    loss = changed(LossOptions(), ["value=mae", "ssim=0.5"], "--loss", "")
    assert loss == LossOptions(value="mae", ssim=0.5)
    assert changed(preset, None, "--augment", "") == preset


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["rotate=10"], "there is no 'rotate'. Did you mean 'rotation'"),
        (["qqq=10"], "there is no 'qqq'. Known: turns, scale"),
        (["rotation=999"], "rotation of an augmentation is a number from 0 to 180"),
        (["rotation=much"], "not 'much'"),
        (["rotation"], "such as blur=1"),
    ],
)
def test_choices_that_there_are_not(texts, said):
    with pytest.raises(typer.BadParameter, match=said):
        changed(Augmentation(), texts, "--augment", "blur=1")


def test_sizes_of_several_axes():
    assert sizes(["Z=0.5", "YX=0.29"], "--voxel-size") == {"Z": 0.5, "Y": 0.29, "X": 0.29}
    assert sizes(None, "--voxel-size") == {}


@pytest.mark.parametrize("text", ["T=1", "X=", "X=wide", "XX=1", "X=1,2", "X=true"])
def test_sizes_that_are_none(text):
    with pytest.raises(typer.BadParameter):
        sizes([text], "--voxel-size")


def test_what_is_done_to_patches_and_minimized_is_chosen(vstain, slide, tmp_path):
    model = tmp_path / "m.safetensors"
    patches = ["--augment", "rotation=10", "--augment", "noise=0.1", "--foreground", "0.5"]
    more = ["--loss", "value=mae", "--loss", "ssim=0.5", "--averaging", "0.9", "--patience", "3"]
    status, _, stderr = vstain(*arguments(slide, model, *patches, *more, *SMALL))
    assert (status, stderr.count("Traceback")) == (0, 0), stderr
    assert io.load_model(model).spec.network.options["filters"] == 2


def test_a_model_to_start_from_and_parts_that_stay(vstain, slide, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert vstain(*arguments(slide, first, *SMALL))[0] == 0
    status, _, stderr = vstain(*arguments(slide, second, "--start", first, "--freeze", "first"))
    assert status == 0, stderr
    one, other = (io.load_model(path).network.state_dict() for path in (first, second))
    same = {name: bool((one[name] == other[name]).all()) for name in one}
    assert all(equal for name, equal in same.items() if name.startswith("first"))
    assert not all(same.values())


def test_pairs_are_trained_on_at_another_voxel_size(vstain, slide, tmp_path):
    model = tmp_path / "m.safetensors"
    tiny = [*SMALL, "--voxel-size", "YX=0.4"]
    status, _, stderr = vstain(*arguments(slide, model, *tiny))
    assert status == 0, stderr
    assert io.load_model(model).spec.voxel_size == {"Y": 0.4, "X": 0.4}


def test_planes_of_a_stack_and_the_one_in_focus(vstain, tmp_path):
    random = np.random.default_rng(0)
    planes = random.integers(0, 100, (7, 40, 50)).astype(np.uint16)
    planes[3] = np.kron(random.integers(0, 4000, (20, 25)), np.ones((2, 2)))
    stack = Image(planes, "ZYX", {"Z": 1.0, "Y": 0.5, "X": 0.5}, channels=["actin"])
    io.write_image(stack, tmp_path / "stacks" / "a.ome.tif")
    model = tmp_path / "m.safetensors"
    quick = ["--steps", "2", "--batch", "2", "--device", "cpu", *SMALL]
    run = ["train", tmp_path / "stacks", "--output", model, "--autofocus", *quick]
    status, _, stderr = vstain(*run)
    assert status == 0, stderr
    assert [channel.name for channel in io.load_model(model).spec.inputs] == ["actin"]
    status, _, stderr = vstain(*run, "--leave-out", "9", "--overwrite")
    assert status == 1
    assert "no plane is more than 9 µm from the focused one (plane 3 of 7" in stderr


@pytest.fixture
def spoilt(tmp_path):
    """Return a slide whose input lies off its target, of which a block was cut out."""
    rng = np.random.default_rng(0)
    values = ndimage.gaussian_filter(rng.normal(size=(128, 160)), 2)
    values = np.maximum(values / values.std(), 0)
    phase, stain = (rng.poisson(100 + 200 * one) for one in (np.roll(values, 6, 1), values))
    stain[40:80, 30:90] = 0
    image = Image(np.stack([phase, stain]).astype(np.uint16), "CYX", channels=("phase", "DNA"))
    return io.write_image(image, tmp_path / "spoilt.ome.tif")


def weights(model):
    return np.concatenate(
        [w.detach().numpy().ravel() for w in io.load_model(model).network.parameters()]
    )


def test_pairs_are_checked_and_corrected_where_it_is_asked(vstain, spoilt, tmp_path):
    model = tmp_path / "tiny.safetensors"
    status, _, stderr = vstain(*arguments(spoilt, model, *SMALL))
    assert (status, "lies off" in stderr) == (0, False)
    status, _, stderr = vstain(*arguments(spoilt, model, *SMALL, "--check", "--overwrite"))
    assert status == 0
    assert "the input lies off its target (for DNA, +6 px along X)" in stderr
    assert "as if it had been cut out" in stderr
    assert "(corrected)" not in stderr
    uncorrected = weights(model)
    status, _, stderr = vstain(*arguments(spoilt, model, *SMALL, "--correct", "--overwrite"))
    assert status == 0
    assert stderr.count("(corrected)") == 2
    assert not np.array_equal(weights(model), uncorrected)


def test_a_check_that_finds_nothing_says_so(vstain, tmp_path):
    rng = np.random.default_rng(0)
    values = ndimage.gaussian_filter(rng.normal(size=(96, 128)), 2) * 2000 + 1000
    both = np.stack([values, values + rng.normal(0, 5, values.shape)]).clip(0).astype(np.uint16)
    slide = io.write_image(Image(both, "CYX", channels=("phase", "DNA")), tmp_path / "a.ome.tif")
    status, _, stderr = vstain(*arguments(slide, tmp_path / "m.safetensors", *SMALL, "--check"))
    assert status == 0
    assert "nothing was found that would spoil the training" in stderr


def test_what_cannot_be_trained_with_is_refused_by_the_check(vstain, tmp_path):
    empty = np.zeros((2, 40, 50), np.uint16)
    slide = io.write_image(Image(empty, "CYX", channels=("phase", "DNA")), tmp_path / "a.ome.tif")
    model = tmp_path / "m.safetensors"
    status, _, stderr = vstain(*arguments(slide, model, *SMALL, "--check"))
    assert status == 1
    assert "constant" in stderr
    assert not model.exists()
