"""``vstain train``: pairs of images → a model file."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from napari_virtual_stain.cli import train_arguments as arg
from napari_virtual_stain.cli.arguments import (
    AsJson,
    DeviceName,
    Overwrite,
    PrecisionName,
    as_bad_arguments,
    model_file,
    regions,
)
from napari_virtual_stain.cli.assignments import assignments, changed, sizes
from napari_virtual_stain.cli.output import drive, finish
from napari_virtual_stain.cli.train_choices import check_recipe, check_used
from napari_virtual_stain.cli.train_config import save_options
from napari_virtual_stain.cli.train_pairs import PairSource
from napari_virtual_stain.cli.train_session import (
    check_unfinished,
    checked,
    kept_when_interrupted,
    left_by_interrupt,
    logged,
    once_begun,
    output_names,
)
from napari_virtual_stain.events import run as run_work

if TYPE_CHECKING:
    from napari_virtual_stain.training.options import Pair


def command(
    context: typer.Context,
    pairs: arg.Pairs,
    output: arg.ModelFile,
    preset: arg.PresetName = "best",
    input_: arg.Input = None,
    target: arg.Target = None,
    voxel_size: arg.VoxelSize = None,
    train_crop: arg.TrainCrop = None,
    validation_crop: arg.ValidationCrop = None,
    validation: arg.Validation = None,
    autofocus: arg.Autofocus = False,
    leave_out: arg.LeaveOut = None,
    focused_plane: arg.FocusedPlane = None,
    check: arg.Check = False,
    correct: arg.Correct = False,
    steps: arg.Steps = None,
    batch: arg.Batch = None,
    learning_rate: arg.LearningRate = None,
    option: arg.NetworkOption = None,
    adversarial: arg.Adversarial = None,
    equalize: arg.Equalize = False,
    turns: arg.Turns = True,
    augment: arg.Augment = None,
    loss: arg.Loss = None,
    averaging: arg.Averaging = None,
    foreground: arg.Foreground = None,
    patience: arg.Patience = None,
    start: arg.Start = None,
    freeze: arg.Freeze = None,
    seed: arg.Seed = 0,
    validate_every: arg.ValidateEvery = 100,
    half: arg.Half = False,
    name: arg.Name = "",
    description: arg.Description = "",
    data: arg.Data = "",
    licence: arg.Licence = "",
    attribution: arg.Attribution = "",
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
    devices: arg.Devices = 1,
    nodes: arg.Nodes = 1,
    strategy: arg.Strategy = "auto",
    log: arg.LogAs = None,
    log_folder: arg.LogFolder = None,
    config: arg.Config = None,
    save_config: arg.SaveConfig = None,
    resume: arg.Resume = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train a model on pairs of images.

    It is kept as it goes, beside the model as NAME.vstain-run, and the same command with --resume
    goes on where it was stopped.
    """
    check_used(context.params)
    chosen: dict[str, Any] = {
        "train_crop": regions(train_crop, "--train-crop"),
        "validation_crop": regions(validation_crop, "--validation-crop"),
        "network_options": assignments(option),
        "voxel_size": sizes(voxel_size, "--voxel-size"),
    }

    from napari_virtual_stain.io import RunFile, check_writable, load_model, run_file, save_model
    from napari_virtual_stain.training import Control, TrainOptions, train_events
    from napari_virtual_stain.training import preset as preset_named
    from napari_virtual_stain.training.parallel import is_first_process

    with as_bad_arguments("--preset"):
        recipe = preset_named(preset)
    if augment:
        chosen["augmentation"] = changed(recipe.augmentation, augment, "--augment", "rotation=10")
    if loss:
        chosen["loss"] = changed(recipe.loss, loss, "--loss", "ssim=0.5")
    target_file = model_file(output)
    run, first = RunFile(run_file(target_file), anew=not resume), is_first_process()
    if first:
        check_unfinished(run, target_file, resume=resume, overwrite=overwrite)
    if start is not None:
        chosen["start"] = load_model(start)
    with as_bad_arguments():
        options = TrainOptions(
            preset=preset,
            steps=steps,
            batch=batch,
            learning_rate=learning_rate,
            adversarial=adversarial,
            equalize=equalize,
            turns=turns,
            averaging=averaging,
            foreground=foreground,
            patience=patience,
            freeze=tuple(freeze or ()),
            devices=devices,
            nodes=nodes,
            strategy=strategy,
            seed=seed,
            device=device,
            precision=precision,
            validate_every=validate_every,
            half=half,
            name=name or target_file.stem,
            description=description,
            data=data,
            licence=licence,
            attribution=attribution,
            command=shlex.join(["vstain", *sys.argv[1:]]),
            **chosen,
        )
    check_recipe(options, loss)
    source = PairSource(input_, target, autofocus, leave_out, focused_plane)
    if validation is not None:
        options = replace(options, validation=source.read(validation))
    found = source.read(pairs)
    learned: Sequence[Pair] = found
    if check or correct:
        learned, options = checked(found, options, correct=correct, speak=first)
    control = Control()
    work = train_events(learned, options, control=control, keeper=run)
    if not first:
        # The first process says and saves what there is to say and save.
        run_work(work, lambda event: None)
        return
    goes_on = resume and run.exists
    check_writable(target_file, overwrite)
    if save_config is not None:
        replaces = overwrite or goes_on
        check_writable(save_config, replaces)
        work = once_begun(work, partial(save_options, context, save_config, replaces))
    if log is not None:
        from napari_virtual_stain.io import TrainingLog

        folder = log_folder or target_file.with_name(f"{target_file.stem}.logs")
        names = output_names(found)
        work = logged(work, TrainingLog(folder, log, names, resumes=goes_on, overwrite=overwrite))
    with kept_when_interrupted(run), left_by_interrupt(control) as at_the_first_step:
        # Of several processes, one that leaves would be waited for by the others.
        alone = devices * nodes == 1
        model = drive(once_begun(work, at_the_first_step) if alone else work, "Training")
    path = save_model(model, target_file, half=half, overwrite=overwrite)
    run.done()
    scores = model.spec.provenance.scores
    lines = [str(path), *(f"{c}: r {s['validation_pearson_r']:.3f}" for c, s in scores.items())]
    finish({"model": path, "scores": scores, "steps": model.spec.provenance.steps}, lines, as_json)
