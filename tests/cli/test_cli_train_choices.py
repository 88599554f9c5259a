"""``vstain train``: choices that are wrong, or would do nothing, are bad arguments."""

from __future__ import annotations

import re

import pytest

SMALL = ["--preset", "gvtnet-2d-small", "--option", "filters=2"]
LIKELIHOOD = ["--preset", "fnet-2d", "--option", "likelihood=gaussian"]


@pytest.fixture
def refused(vstain, tmp_path):
    """Train on what is not there; returns the sentence, which comes before anything is read."""

    def run(*more, status=2):
        model = tmp_path / "m.safetensors"
        found, _, stderr = vstain("train", tmp_path / "none", "--output", model, *more)
        assert "Traceback" not in stderr
        assert found == status, stderr
        # Versions of Typer differ in frames, and in quotes around options.
        return re.sub("'(--[a-z-]+)'", r"\1", " ".join(re.sub("[│╭╮╰╯─]", " ", stderr).split()))

    return run


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--preset", "gvtnet-2"], "Did you mean 'gvtnet-2d'?"),
        (["--option", "drop=0"], "has no option 'drop'; it has ndim"),
        (["--option", "ndim=3"], "'ndim' follows from the preset and the pairs"),
        (
            ["--preset", "fnet-2d", "--option", "filters=many"],
            "takes a whole number from 1 to 1024 for 'filters'",
        ),
        (["--learning-rate", "-1"], "the learning rate is a number above 0, not -1"),
        (["--averaging", "1.5"], "to below 1, such as 0.999, not 1.5"),
        (["--train-crop", "X=50:10"], "the crop X=50:10 is empty"),
        (["--devices", "2", "--strategy", "ddp_spawn"], "'ddp_spawn' cannot train here"),
        (["--voxel-size", "YX=0"], "the voxel size to train at is a number of µm"),
        (["--seed", str(2**63)], "the seed must not be huge"),
        ([*SMALL, "--freeze", "nonsense"], "has no part 'nonsense' that could be frozen; it has"),
        (["--input", "bf", "--input", "bf"], "--input: bf is given twice"),
    ],
)
def test_what_is_chosen_wrongly(refused, more, sentence):
    assert sentence in refused(*more)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--leave-out", "2"], "--leave-out: it goes with --autofocus"),
        (["--focused-plane", "3"], "--focused-plane: it goes with --autofocus"),
        (["--log-folder", "logs"], "--log-folder: it goes with --log"),
        (["--autofocus", "--target", "DNA"], "the target is the plane in focus"),
        ([*SMALL, "--voxel-size", "Z=1"], "'gvtnet-2d-small' is 2D, and its models have no size"),
        ([*LIKELIHOOD, "--loss", "value=mae"], "'fnet' learns a likelihood in the place of"),
        (["--preset", "gt-unet", "--loss", "value=mse"], "'gt-unet' learns classes"),
        (["--preset", "gvtnet-denoise", "--loss", "value=mae"], "learns a likelihood"),
    ],
)
def test_what_would_do_nothing(refused, more, sentence):
    assert sentence in refused(*more)


@pytest.mark.parametrize(
    "more",
    [
        ["--autofocus", "--leave-out", "2", "--focused-plane", "3"],
        ["--loss", "value=mae"],
        [*LIKELIHOOD, "--loss", "ssim=1"],
        ["--preset", "gvtnet", "--voxel-size", "Z=1"],
        ["--freeze", "encoders"],
        ["--preset", "gvtnet-projection"],
        ["--preset", "virfluonet"],
    ],
)
def test_what_fits_is_read(refused, more):
    assert "none" in refused(*more, status=1)
