"""What a user can choose about a training is refused in the words in which it was chosen."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.training import Augmentation, LossOptions, TrainOptions
from napari_virtual_stain.training.splitting import parts


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"averaging": 1}, r"averaging is a number from 0 \(no average\) to below 1, .* not 1\."),
        ({"foreground": 1.1}, r"foreground is a number from 0 to 1, not 1\.1"),
        ({"train_crop": {"X": slice(50, 10)}}, "the crop X=50:10 is empty"),
        ({"validation_crop": {"Y": slice(None, 0)}}, "the crop Y=0:0 is empty"),
        ({"train_crop": {"X": slice(0, 50, 2)}}, "the crop of X has a step of 2"),
        ({"inputs": ["bf", "bf"]}, "the inputs 'bf', 'bf' name one channel twice"),
        ({"strategy": "ddp_spawn"}, "'ddp_spawn' cannot train here.*choose auto, ddp"),
        ({"strategy": "dp"}, "'dp' cannot train here"),
        ({"strategy": None}, "None cannot train here"),
        ({"loss": "msd"}, "there is no loss 'msd'; choose 'mse'"),
        ({"loss": {"sim": 1}}, "the loss of a training has no 'sim'. Did you mean 'ssim'"),
        ({"loss": 3}, "the parts of the loss are given by name, .*'ssim': 0.5.*not as 3"),
        ({"augmentation": {"rotate": 10}}, "has no 'rotate'. Did you mean 'rotation'"),
        ({"augmentation": {"rotation": 999}}, "rotation of an augmentation is a number from 0"),
        ({"augmentation": True}, "the parts of the augmentation are given by name, .*not as True"),
        ({"start": "model.safetensors"}, r"such as vs\.load_model\('model\.safetensors'\), not"),
        ({"freeze": 3}, r"are names, such as \['encoders'\], not 3"),
        ({"network_options": ["dropout"]}, "options of the network are given by name"),
        ({"voxel_size": 0.3}, "voxel sizes to train at are given by name, .*, not as 0.3"),
    ],
)
def test_choices_that_there_are_not(options, said):
    with pytest.raises(VirtualStainError, match=said):
        TrainOptions(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"averaging": 0},
        {"foreground": 1},
        {"train_crop": {"X": slice(None, None, 1), "Y": slice(3, None)}},
        {"strategy": "ddp_find_unused_parameters_true"},
    ],
)
def test_choices_at_the_edge(options):
    TrainOptions(**options)


def test_choices_may_be_given_in_short():
    chosen = TrainOptions(loss="mae", augmentation={"rotation": 10}, freeze="encoders")
    assert chosen.loss == LossOptions(value="mae")
    assert chosen.augmentation == Augmentation(rotation=10)
    assert chosen.freeze == ("encoders",)
    assert TrainOptions(loss={"ssim": 0.5}).loss == LossOptions(ssim=0.5)


@pytest.mark.parametrize(
    ("train", "validation", "said"),
    [
        ({"X": slice(0, 500)}, {}, r"field: the crop X=0:500 does not lie .* from 0 to 160"),
        ({}, {"X": slice(100, 500)}, "the crop X=100:500 does not lie"),
        ({}, {"X": slice(0, 160)}, "the validation part is all of field, so nothing is left"),
        ({}, {"Y": slice(0, None)}, "the validation part is all of field"),
        ({}, {"Z": slice(0, 2)}, "cannot crop Z; the image has the axes YX"),
    ],
)
def test_parts_that_an_image_does_not_have(train, validation, said):
    with pytest.raises(VirtualStainError, match=said):
        parts(Image(np.zeros((96, 160), np.uint8), "YX", name="field"), train, validation)
