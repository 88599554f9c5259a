"""``vstain compare``: observed and predicted → a page, error maps, masks and scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_virtual_stain.cli.arguments import (
    AsJson,
    Axes,
    Crop,
    Output,
    Overwrite,
    regions,
)
from napari_virtual_stain.cli.compare_set import compare_folders
from napari_virtual_stain.cli.output import drive, finish
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.masks import MaskPer
from napari_virtual_stain.evaluation.matching import Match

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import Comparison


def command(
    observed: Annotated[
        Path, typer.Argument(help="Observed image (TIFF, OME-TIFF, OME-Zarr), or a folder of them.")
    ],
    predicted: Annotated[
        Path,
        typer.Argument(help="Predicted image; or a folder of them, named as the observed ones."),
    ],
    output: Output,
    against: Annotated[
        Path | None,
        typer.Option(
            help="With folders: predictions of another model for the same images. A paired test "
            "tells whether the first is better."
        ),
    ] = None,
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
    """Compare observed with predicted images."""
    parts = regions(crop)

    from napari_virtual_stain.evaluation import compare_events, metrics_json, set_json
    from napari_virtual_stain.io import read_image, write_report
    from napari_virtual_stain.io.pairs.image_files import is_store

    def compared(*paths: Path) -> Comparison:
        images = [read_image(path, axes=axes).crop(parts) for path in paths]
        return drive(compare_events(*images, match=match, mask_per=mask_per), "Comparing")

    if not observed.is_dir() or is_store(observed):
        if against is not None:
            raise typer.BadParameter(
                "a test between two models needs a folder of images", param_hint="--against"
            )
        comparison = compared(observed, predicted)
        write_report(comparison, output, overwrite=overwrite)
        scores = {name: one["pearson_r"] for name, one in comparison.metrics.items()}
        lines = [f"{name}: Pearson r {score:.3f}" for name, score in scores.items()]
        finish(metrics_json(comparison), [*lines, str(output)], as_json)
        return
    folders = [predicted] if against is None else [predicted, against]
    result = compare_folders(observed, folders, output, compared, overwrite)
    summary = set_json(result.sets)
    lines = [
        f"{model}, {channel}: Pearson r {scores['pearson_r']['mean']:.3f} (mean of "
        f"{scores['pearson_r']['images']} images)"
        for model, channels in summary["models"].items()
        for channel, scores in channels.items()
        if scores["pearson_r"]["mean"] is not None
    ]
    lines += [
        f"{test['channel']}: r of {test['better']} − r of {test['than']} = "
        f"{test['mean_difference']:+.4f} on average; p = {test['p']:.2g}, one-tailed"
        for test in summary["tests"]
    ]
    finish(
        {**summary, "files": result.files, "failures": result.failures},
        [*lines, str(result.files["report"])],
        as_json,
    )
    if result.failures:
        raise VirtualStainError(f"{len(result.failures)} images could not be compared.")
