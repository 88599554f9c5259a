"""``vstain train``: pairs of images → a model file."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_virtual_stain.cli.arguments import (
    AsJson,
    DeviceName,
    Overwrite,
    PrecisionName,
    model_file,
    regions,
)
from napari_virtual_stain.cli.output import drive, finish


def command(
    pairs: Annotated[
        Path,
        typer.Argument(
            help="A folder of multi-channel files, a folder with one folder per channel, or a "
            "CSV with the columns input,target."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")],
    preset: Annotated[str, typer.Option(help="Recipe.")] = "gvtnet-2d-small",
    input_: Annotated[
        list[str] | None, typer.Option("--input", help="Input channel. May be repeated.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="Target channel. May be repeated.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps; by default the preset's.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Patches in a step.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of Adam; by default the preset's.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="Option of the network, such as dropout=0 (vstain models architectures). May be "
            "repeated."
        ),
    ] = None,
    adversarial: Annotated[
        bool | None,
        typer.Option(
            "--adversarial/--no-adversarial",
            help="Train the network as the generator of a conditional GAN, or not.",
        ),
    ] = None,
    equalize: Annotated[
        bool, typer.Option("--equalize", help="Equalize the histogram of the inputs.")
    ] = False,
    turns: Annotated[
        bool, typer.Option("--turns/--no-turns", help="Flip and turn patches at random, or not.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Everything random follows from it.")] = 0,
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
    train_crop: Annotated[
        list[str] | None, typer.Option(help="Part to learn from, such as X=0:640.")
    ] = None,
    validation_crop: Annotated[
        list[str] | None, typer.Option(help="Part to score on, such as X=640:800.")
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="Pairs to score on, in one of the forms of PAIRS.")
    ] = None,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between scores.")] = 100,
    half: Annotated[
        bool, typer.Option("--half", help="Store and score the weights in half precision.")
    ] = False,
    name: Annotated[str, typer.Option(help="Name of the model; by default the file's.")] = "",
    description: Annotated[str, typer.Option(help="A sentence for who chooses it.")] = "",
    data: Annotated[str, typer.Option(help="What it was trained on.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the data or the model.")] = "",
    attribution: Annotated[str, typer.Option(help="Whom to credit.")] = "",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train a model on pairs of images."""
    crops = {
        "train_crop": regions(train_crop, "--train-crop"),
        "validation_crop": regions(validation_crop, "--validation-crop"),
    }
    network_options = assignments(option)

    from napari_virtual_stain.io import check_writable, read_pairs, save_model
    from napari_virtual_stain.training import TrainOptions, train_events

    target_file = model_file(output)
    options: dict[str, Any] = {
        "preset": preset,
        "steps": steps,
        "batch": batch,
        "learning_rate": learning_rate,
        "network_options": network_options,
        "adversarial": adversarial,
        "equalize": equalize,
        "turns": turns,
        "seed": seed,
        "device": device,
        "precision": precision,
        "validate_every": validate_every,
        "half": half,
        "name": name or target_file.stem,
        "description": description,
        "data": data,
        "licence": licence,
        "attribution": attribution,
        "command": shlex.join(["vstain", *sys.argv[1:]]),
        **crops,
    }
    if validation is not None:
        options["validation"] = read_pairs(validation, inputs=input_, targets=target)
    found = read_pairs(pairs, inputs=input_, targets=target)
    check_writable(target_file, overwrite)
    model = drive(train_events(found, TrainOptions(**options)), "Training")
    path = save_model(model, target_file, half=half, overwrite=overwrite)
    scores = model.spec.provenance.scores
    lines = [str(path), *(f"{c}: r {s['validation_pearson_r']:.3f}" for c, s in scores.items())]
    finish({"model": path, "scores": scores, "steps": model.spec.provenance.steps}, lines, as_json)


Value = bool | int | float | str


def assignments(texts: Sequence[str] | None) -> dict[str, Value | list[Value]]:
    """Parse options such as ``dropout=0``; a malformed one is a bad argument (exit status 2).

    A value is true, false, a number or a word, or a list of them, separated by commas.
    """
    found: dict[str, Value | list[Value]] = {}
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise typer.BadParameter(
                f"{text!r} is not of the form name=value, such as dropout=0", param_hint="--option"
            )
        if name in found:
            raise typer.BadParameter(f"{name} is given twice", param_hint="--option")
        values = [_value(part.strip()) for part in value.split(",")]
        found[name] = values if len(values) > 1 else values[0]
    return found


def _value(text: str) -> Value:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text
