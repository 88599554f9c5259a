"""``vstain predict``: images and a model → predictions as OME-TIFF or OME-Zarr."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_virtual_stain.cli.arguments import (
    AsJson,
    Axes,
    Crop,
    DeviceName,
    Output,
    Overwrite,
    PrecisionName,
    regions,
)
from napari_virtual_stain.cli.one_image import Format, OneImage
from napari_virtual_stain.cli.output import finish, say
from napari_virtual_stain.cli.plan_table import plan_lines
from napari_virtual_stain.inference.options import PredictOptions, Statistic, Units
from napari_virtual_stain.io.tiff import LAZY_ABOVE

if TYPE_CHECKING:
    from napari_virtual_stain.image import Image
    from napari_virtual_stain.model import StainModel


def command(
    images: Annotated[list[Path], typer.Argument(help="TIFF or OME-TIFF files, or OME-Zarrs.")],
    model: Annotated[
        list[str],
        typer.Option(
            help="Name or file of the model (vstain models list). Repeated: their mean and spread."
        ),
    ],
    output: Output,
    channel: Annotated[
        list[str] | None,
        typer.Option(help="Channel for each input of the model, by name. May be repeated."),
    ] = None,
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
    memory: Annotated[
        float | None, typer.Option(min=0.001, help="GiB that a prediction may use.")
    ] = None,
    tile: Annotated[
        str, typer.Option(help="auto, or a tile's size in px: changes time and memory only.")
    ] = "auto",
    crop: Crop = None,
    axes: Axes = None,
    units: Annotated[
        Units, typer.Option(help="Grey values of the training target, or the network's own units.")
    ] = "intensity",
    uncertainty: Annotated[
        bool | None,
        typer.Option(
            "--uncertainty/--no-uncertainty",
            help="Write the uncertainty too; by default where there is any.",
        ),
    ] = None,
    statistic: Annotated[
        Statistic, typer.Option(help="Of the classes of a network that classifies.")
    ] = "mean",
    context: Annotated[
        int | None,
        typer.Option(min=1, help="Attention looks at blocks of so many px; by default, at all."),
    ] = None,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Mean and spread of eight turns and flips; 8 times slower."),
    ] = False,
    masks: Annotated[bool, typer.Option("--masks", help="Write Otsu masks too.")] = False,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="ome-zarr is written as it comes, and goes on where an earlier run was killed.",
        ),
    ] = "ome-tiff",
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Say how it would be tiled, and predict nothing.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Predict fluorescence from images."""
    parts = regions(crop)
    core = _tile(tile)

    from napari_virtual_stain.errors import VirtualStainError
    from napari_virtual_stain.inference import uncertainty_kinds
    from napari_virtual_stain.io import load_model, read_image
    from napari_virtual_stain.io._names import image_name

    stems = [image_name(path) for path in images]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise typer.BadParameter(
            f"two images are named {twice!r}, and their results would have one name; predict "
            "them into different folders",
            param_hint="IMAGES",
        )
    members = [load_model(name) for name in model]
    options = PredictOptions(
        channels=channel,
        device=device,
        precision=precision,
        memory=memory,
        tile=core,
        crop=parts,
        units=units,
        uncertainty=bool(uncertainty_kinds(members, tta)) if uncertainty is None else uncertainty,
        statistic=statistic,
        context=context,
        tta=tta,
    )
    kinds = ["predicted", *["uncertainty"] * options.uncertainty, *["masks"] * masks]
    ending = "zarr" if form == "ome-zarr" else "tif"
    jobs = [
        OneImage(path, {kind: output / f"{stem}.{kind}.ome.{ending}" for kind in kinds}, overwrite)
        for path, stem in zip(images, stems, strict=True)
    ]
    read = partial(read_image, axes=axes)
    if memory is not None:
        # What is read at once counts as well.
        read = partial(read, lazy_above=min(LAZY_ABOVE, int(memory * 2**30 / 16)))
    if only_plan:
        _say_plans([(one.path, read(one.path)) for one in jobs], members, options, form, as_json)
        return
    finished = [one for one in jobs if one.is_finished] if len(jobs) > 1 else []
    if finished:
        # A night that was interrupted goes on with what is missing.
        jobs = [one for one in jobs if one not in finished]
        count = f"{len(finished)} of {len(images)}"
        say(f"note: {count} images are predicted already and left as they are (--overwrite).")
    for one in jobs:
        one.check()
    written: list[dict[str, Any]] = []
    failures: list[str] = []
    for one in jobs:
        try:
            predicted = one.predict(members, read(one.path), options)
        except VirtualStainError as error:
            if len(images) == 1:
                raise
            # The others are predicted all the same; a night is not lost for one bad file.
            failures.append(f"{one.path.name}: {error}")
            say(f"error: {failures[-1]}")
            continue
        written.append(
            {
                "image": one.path,
                **one.files,
                "channels": predicted.channels,
                "shape": predicted.shape,
            }
        )
    lines = [str(one[kind]) for one in written for kind in kinds]
    names = " + ".join(member.spec.name for member in members)
    result = {
        "model": names,
        "predictions": written,
        "left": [one.path for one in finished],
        "failures": failures,
    }
    finish(result, lines, as_json)
    if failures:
        raise VirtualStainError(f"{len(failures)} of {len(images)} images could not be predicted.")


def _say_plans(
    images: Sequence[tuple[Path, Image]],
    members: Sequence[StainModel],
    options: PredictOptions,
    form: Format,
    as_json: bool,
) -> None:
    """Print how each image would be tiled by each model."""
    from napari_virtual_stain.inference import describe_prediction

    plans, lines = [], []
    for path, image in images:
        for said in describe_prediction(members, image, options, streams=form == "ome-zarr"):
            plans.append({"image": path, **said})
            lines += [f"{path.name}, {said['model']}", *plan_lines(said), ""]
    finish({"plans": plans}, lines[:-1], as_json)


def _tile(text: str) -> int | None:
    if text == "auto":
        return None
    try:
        size = int(text)
    except ValueError:
        size = 0
    if size < 1:
        raise typer.BadParameter(f"{text!r} is neither auto nor a size in px", param_hint="--tile")
    return size
