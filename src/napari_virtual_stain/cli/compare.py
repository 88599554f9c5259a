"""``vstain compare``: observed and predicted → a page, error maps, masks and scores."""

from __future__ import annotations

from collections.abc import Mapping
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
from napari_virtual_stain.cli.compare_models import compare_models, data_sets, write_transfer
from napari_virtual_stain.cli.compare_set import Compared, compare_set, folder_pairs
from napari_virtual_stain.cli.comparing import Comparing
from napari_virtual_stain.cli.feature_options import feature_options
from napari_virtual_stain.cli.feature_set import measure_image, median_said
from napari_virtual_stain.cli.output import finish
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.masks import MaskPer
from napari_virtual_stain.evaluation.matching import Match

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import FeatureComparison


def command(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="OBSERVED [PREDICTED]",
            help="An observed and a predicted image (TIFF, OME-TIFF, OME-Zarr), or folders of "
            "images that are named alike. With --models, one or several OBSERVED.",
        ),
    ],
    output: Output,
    against: Annotated[
        Path | None,
        typer.Option(
            help="With folders: predictions of another model for the same images. A paired test "
            "tells whether the first is better."
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL...",
            help="In place of PREDICTED, models that predict the images first. The first is "
            "tested against the others; with several OBSERVED, all are shown on all.",
        ),
    ] = None,
    inputs: Annotated[
        list[Path] | None,
        typer.Option(
            "--input",
            metavar="PATH...",
            help="With --models: for each OBSERVED, the image or folder to predict from, where "
            "the observed images do not hold it.",
        ),
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(help="With --models: channel for each input of a model. May be repeated."),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Image of what counts (not 0), such as labels; or a folder of them, named as "
            "the observed images."
        ),
    ] = None,
    noise: Annotated[
        Path | None,
        typer.Option(
            help="Image of nothing, or a field taken again and again: says how large r can become."
        ),
    ] = None,
    features: Annotated[
        bool,
        typer.Option(
            "--features", help="Measure cells in both, and how well each feature is predicted."
        ),
    ] = False,
    nuclear_channel: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --features: observed channel that shows nuclei. By default one that is "
            "named as a nuclear stain.",
        ),
    ] = None,
    nucleus_diameter: Annotated[
        float | None,
        typer.Option(
            help="With --features: typical diameter of a nucleus, µm (px where the voxel size is "
            "unknown). By default taken from the image."
        ),
    ] = None,
    nuclei: Annotated[
        Path | None,
        typer.Option(
            help="With --features: labels of nuclei; or a folder of them, named as the observed "
            "images. By default found in the nuclear channel."
        ),
    ] = None,
    cells: Annotated[
        Path | None,
        typer.Option(
            help="With --features: labels of cells, likewise. By default grown around the nuclei."
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
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare observed with predicted images."""
    of_features = feature_options(
        features,
        {
            "nuclear_channel": nuclear_channel,
            "nucleus_diameter": nucleus_diameter,
            "nuclei": nuclei,
            "cells": cells,
        },
    )
    comparing = Comparing(match, mask_per, regions(crop), axes, mask, noise, of_features)
    if features:
        from napari_virtual_stain.evaluation.features import require_cp_measure

        # Before hours of comparing, and not after.
        require_cp_measure()
    if models:
        if against is not None:
            raise typer.BadParameter("--models predicts; leave --against out", param_hint="against")

        from napari_virtual_stain.inference.options import PredictOptions

        options = PredictOptions(channels=channel, device=device, precision=precision)
        failures: list[str] = []
        sets = data_sets(images, inputs or [])
        found = compare_models(sets, models, output, comparing, options, overwrite, failures)
        _finish_models(found, failures, output, len(sets), overwrite, as_json)
        return
    for option, value in (("--input", inputs), ("--channel", channel)):
        if value:
            raise typer.BadParameter("it goes with --models", param_hint=option)
    if len(images) != 2:
        raise typer.BadParameter(
            "give an observed and a predicted image or folder, or --models that predict",
            param_hint="OBSERVED PREDICTED",
        )
    observed, predicted = images

    from napari_virtual_stain.io.pairs.image_files import is_store

    if not observed.is_dir() or is_store(observed):
        if against is not None:
            raise typer.BadParameter(
                "a test between two models needs a folder of images", param_hint="--against"
            )
        _compare_one(observed, predicted, output, comparing, overwrite, as_json)
        return
    folders = [predicted] if against is None else [predicted, against]
    result = compare_set(folder_pairs(observed, folders), output, comparing, overwrite)
    summary, lines = _said(result)
    finish(summary, lines, as_json)
    _fail_of(result.failures)


def _compare_one(
    observed: Path,
    predicted: Path,
    output: Path,
    comparing: Comparing,
    overwrite: bool,
    as_json: bool,
) -> None:
    from napari_virtual_stain.evaluation import metrics_json
    from napari_virtual_stain.io import write_report
    from napari_virtual_stain.io._earlier_report import refuse_earlier_report
    from napari_virtual_stain.io.report import report_files

    if not overwrite:
        # Before anything is computed, and not after.
        refuse_earlier_report(output, list(report_files(output).values()))
    comparison = comparing.compare(observed, predicted)
    features = None
    if comparing.features is not None:
        features = measure_image(observed, predicted, comparing, comparing.features)
    write_report(comparison, output, features=features, overwrite=overwrite)
    lines = []
    for name, scores in comparison.metrics.items():
        limit = f" (at most {scores['noise_ceiling']:.3f})" if "noise_ceiling" in scores else ""
        lines.append(f"{name}: Pearson r {scores['pearson_r']:.3f}{limit}")
    result = metrics_json(comparison)
    if features is not None:
        result["features"], of_features = _features_said(features)
        lines += of_features
    finish(result, [*lines, str(output)], as_json)


def _features_said(features: FeatureComparison) -> tuple[dict[str, Any], list[str]]:
    """Return what is printed of features: as JSON, and as lines for a person."""
    from napari_virtual_stain.evaluation import features_json

    lines = [f"features of {features.counted}: {median_said(features.median_r())}"]
    lines += [
        f"features of {name}: {median_said(features.median_r(name))}" for name in features.channels
    ]
    return features_json(features), lines


def _finish_models(
    found: Mapping[str, Compared],
    failures: list[str],
    output: Path,
    count: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Say what came of models, and write the matrix of several data sets."""
    from napari_virtual_stain.evaluation import transfer_json

    every = [*failures, *(text for one in found.values() for text in one.failures)]
    told = {name: _said(one) for name, one in found.items()}
    if count == 1:
        ((summary, lines),) = told.values()
        finish(summary, lines, as_json)
    else:
        matrices, files = write_transfer(found, output, overwrite)
        lines = [f"{name}: {line}" for name, (_, of_set) in told.items() for line in of_set[:-1]]
        result = {
            **transfer_json(matrices),
            "sets": {name: summary for name, (summary, _) in told.items()},
            "files": files,
            "failures": every,
        }
        finish(result, [*lines, str(files["report"])], as_json)
    _fail_of(every)


def _said(result: Compared) -> tuple[dict[str, Any], list[str]]:
    """Return what is printed of a set: as JSON, and as lines for a person."""
    from napari_virtual_stain.evaluation import set_json

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
    for model, features in result.features.items():
        of_model, of_features = _features_said(features)
        summary.setdefault("features", {})[model] = of_model
        lines += [f"{model}, {line}" for line in of_features]
    summary = {**summary, "files": result.files, "failures": result.failures}
    return summary, [*lines, str(result.files["report"])]


def _fail_of(failures: list[str]) -> None:
    if failures:
        raise VirtualStainError(f"{len(failures)} images could not be compared.")
