"""The arguments of ``vstain train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_virtual_stain.cli.train_config import take_config

Texts = list[str] | None


def _option(panel: str, text: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, **settings)


DATA, RECIPE, MODEL, RUN = "Data", "Recipe", "Model", "Run"

Pairs = Annotated[
    Path,
    typer.Argument(
        help="A folder of multi-channel files or OME-Zarrs, a folder with one folder per channel, "
        "a folder of files named after their channels (A1_bf.tif, A1_dapi.tif), a folder of PNG "
        "files named as those of in silico labeling, a CSV with the columns input,target (or those "
        "of pytorch_fnet), or patches of CSBDeep (.npz)."
    ),
]
ModelFile = Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")]

Input = Annotated[Texts, _option(DATA, "Input channel. May be repeated.", "--input")]
Target = Annotated[Texts, _option(DATA, "Target channel. May be repeated.", "--target")]
VoxelSize = Annotated[
    Texts,
    _option(
        DATA,
        "Voxel size in µm to train at, such as YX=0.29; by default the first image's. May be "
        "repeated.",
    ),
]
TrainCrop = Annotated[Texts, _option(DATA, "Part to learn from, such as X=0:640.")]
ValidationCrop = Annotated[Texts, _option(DATA, "Part to score on, such as X=640:800.")]
Validation = Annotated[
    Path | None, _option(DATA, "Pairs to score on, in one of the forms of PAIRS.")
]
Autofocus = Annotated[
    bool,
    _option(
        DATA,
        "PAIRS are z-stacks: learn to predict the plane in focus from the others.",
        "--autofocus",
    ),
]
LeaveOut = Annotated[
    float | None,
    _option(
        DATA,
        "With --autofocus: leave out planes no further than this from the focus (µm); by default "
        "2.",
        min=0,
    ),
]
FocusedPlane = Annotated[
    int | None,
    _option(DATA, "With --autofocus: the plane in focus, from 0; by default the sharpest.", min=0),
]
Check = Annotated[
    bool,
    _option(
        DATA,
        "Look at the pairs first, and say which lie off each other, or have saturated, empty or "
        "blanked targets.",
        "--check",
    ),
]
Correct = Annotated[
    bool,
    _option(
        DATA,
        "As --check, and move inputs onto their targets by whole pixels, and leave out target "
        "pixels that show nothing of the specimen.",
        "--correct",
    ),
]

PresetName = Annotated[str, _option(RECIPE, "Recipe.")]
Steps = Annotated[int | None, _option(RECIPE, "Steps; by default the preset's.", min=1)]
Batch = Annotated[int | None, _option(RECIPE, "Patches in a step.", min=1)]
LearningRate = Annotated[float | None, _option(RECIPE, "Of Adam; by default the preset's.")]
NetworkOption = Annotated[
    Texts,
    _option(
        RECIPE,
        "Option of the network, such as dropout=0 (vstain models architectures). May be repeated.",
    ),
]
Adversarial = Annotated[
    bool | None,
    _option(
        RECIPE,
        "Train the network as the generator of a conditional GAN, or not.",
        "--adversarial/--no-adversarial",
    ),
]
Equalize = Annotated[bool, _option(RECIPE, "Equalize the histogram of the inputs.", "--equalize")]
Turns = Annotated[
    bool, _option(RECIPE, "Flip and turn patches at random, or not.", "--turns/--no-turns")
]
Augment = Annotated[
    Texts,
    _option(
        RECIPE,
        "Change of patches at random, such as rotation=10, scale=0.1, contrast=0.3, "
        "brightness=0.2, blur=1, noise=0.1, illumination=0.3 or channel_dropout=0.1. May be "
        "repeated.",
    ),
]
Loss = Annotated[
    Texts,
    _option(
        RECIPE,
        "Term of the loss: value=mse or value=mae, foreground=1, ssim=0.5, correlation=0.5. May "
        "be repeated.",
    ),
]
Averaging = Annotated[
    float | None,
    _option(
        RECIPE,
        "Decay of the running average of the weights that is kept, such as 0.999; 0 for none.",
        min=0,
    ),
]
Foreground = Annotated[
    float | None,
    _option(RECIPE, "Share of the patches that are drawn around foreground.", min=0, max=1),
]
Patience = Annotated[
    int | None, _option(RECIPE, "End after so many scores without a better one.", min=1)
]
Start = Annotated[str | None, _option(RECIPE, "Name or file of a model to start from.")]
Freeze = Annotated[
    Texts,
    _option(
        RECIPE,
        "Part of the network that stays as it is: how the names of its weights begin. May be "
        "repeated.",
    ),
]
Seed = Annotated[int, _option(RECIPE, "Everything random follows from it.", min=0)]
ValidateEvery = Annotated[int, _option(RECIPE, "Steps between scores.", min=1)]
Half = Annotated[bool, _option(RECIPE, "Store and score the weights in half precision.", "--half")]

Name = Annotated[str, _option(MODEL, "Name of the model; by default the file's.")]
Description = Annotated[str, _option(MODEL, "A sentence for who chooses it.")]
Data = Annotated[str, _option(MODEL, "What it was trained on.")]
Licence = Annotated[str, _option(MODEL, "Licence of the data or the model.")]
Attribution = Annotated[str, _option(MODEL, "Whom to credit.")]

Devices = Annotated[int, _option(RUN, "Devices on each machine.", min=1)]
Nodes = Annotated[int, _option(RUN, "Machines.", min=1)]
Strategy = Annotated[str, _option(RUN, "Of Lightning Fabric, for several devices, such as ddp.")]
LogAs = Annotated[
    Literal["csv", "tensorboard", "both"] | None,
    _option(RUN, "Write the losses of each step.", "--log"),
]
LogFolder = Annotated[
    Path | None, _option(RUN, "Where to; by default beside the model, as NAME.logs.")
]
Config = Annotated[
    Path | None,
    _option(
        RUN,
        "YAML file with options; those of the command line go before.",
        callback=take_config,
        is_eager=True,
    ),
]
SaveConfig = Annotated[Path | None, _option(RUN, "Write the options into a YAML file.")]
Resume = Annotated[bool, _option(RUN, "Go on with a training that was stopped.", "--resume")]
