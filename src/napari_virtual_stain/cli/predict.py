"""``vstain predict``: images and a model → predicted OME-TIFFs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
from napari_virtual_stain.cli.output import drive, finish, say
from napari_virtual_stain.inference.options import PredictOptions, Statistic, Units


def command(
    images: Annotated[list[Path], typer.Argument(help="TIFF or OME-TIFF files.")],
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
    masks: Annotated[bool, typer.Option("--masks", help="Write Otsu masks too.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Predict fluorescence from images."""
    parts = regions(crop)
    core = _tile(tile)

    from napari_virtual_stain.errors import VirtualStainError
    from napari_virtual_stain.evaluation.mask_image import mask_image
    from napari_virtual_stain.inference import predict_events, uncertainty_kinds
    from napari_virtual_stain.io import check_writable, load_model, read_image, write_image
    from napari_virtual_stain.io.tiff import image_name

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
        uncertainty=bool(uncertainty_kinds(members)) if uncertainty is None else uncertainty,
        statistic=statistic,
        context=context,
    )
    kinds = ["predicted", *["uncertainty"] * options.uncertainty, *["masks"] * masks]
    files = [
        (path, {kind: output / f"{stem}.{kind}.ome.tif" for kind in kinds})
        for path, stem in zip(images, stems, strict=True)
    ]
    for _, targets in files:
        for target in targets.values():
            check_writable(target, overwrite)
    written: list[dict[str, Any]] = []
    failures: list[str] = []
    for path, targets in files:
        try:
            image = read_image(path, axes=axes)
            result = drive(predict_events(members, image, options), path.name)
            predicted = result.predicted
            write_image(predicted, targets["predicted"], overwrite=overwrite)
            if result.uncertainty is not None:
                write_image(result.uncertainty, targets["uncertainty"], overwrite=overwrite)
            if masks:
                write_image(mask_image(predicted), targets["masks"], overwrite=overwrite)
        except VirtualStainError as error:
            if len(files) == 1:
                raise
            # The others are predicted all the same; a night is not lost for one bad file.
            failures.append(f"{path.name}: {error}")
            say(f"error: {failures[-1]}")
            continue
        written.append(
            {"image": path, **targets, "channels": predicted.channels, "shape": predicted.shape}
        )
    lines = [str(one[kind]) for one in written for kind in kinds]
    names = " + ".join(member.spec.name for member in members)
    finish({"model": names, "predictions": written, "failures": failures}, lines, as_json)
    if failures:
        raise VirtualStainError(f"{len(failures)} of {len(files)} images could not be predicted.")


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
