"""``vstain compare``: observed and predicted → error maps, masks, figure and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_virtual_stain.cli.arguments import (
    AsJson,
    Axes,
    Crop,
    Output,
    Overwrite,
    regions,
)
from napari_virtual_stain.cli.output import drive, finish
from napari_virtual_stain.evaluation.masks import MaskPer
from napari_virtual_stain.evaluation.matching import Match


def command(
    observed: Annotated[Path, typer.Argument(help="Observed image, TIFF or OME-TIFF.")],
    predicted: Annotated[Path, typer.Argument(help="Predicted image, TIFF or OME-TIFF.")],
    output: Output,
    crop: Crop = None,
    match: Annotated[
        Match, typer.Option(help="How predicted intensities are brought to the observed ones.")
    ] = "none",
    mask_per: Annotated[
        MaskPer, typer.Option(help="One Otsu threshold per time point, or per plane.")
    ] = "volume",
    axes: Axes = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare an observed with a predicted image."""
    parts = regions(crop)

    from napari_virtual_stain.evaluation import compare_events, metrics_json
    from napari_virtual_stain.io import read_image, write_report

    images = [read_image(path, axes=axes).crop(parts) for path in (observed, predicted)]
    work = compare_events(*images, match=match, mask_per=mask_per)
    comparison = drive(work, "Comparing")
    write_report(comparison, output, overwrite=overwrite)
    scores = {name: one["pearson_r"] for name, one in comparison.metrics.items()}
    lines = [f"{name}: Pearson r {score:.3f}" for name, score in scores.items()]
    finish(metrics_json(comparison), [*lines, str(output)], as_json)
