"""Write a comparison as a folder of files: a page, scores, error maps, masks and one picture."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.io._atomic import atomic_path
from napari_virtual_stain.io._atomic_folder import atomic_folder
from napari_virtual_stain.io._csv import csv_text
from napari_virtual_stain.io._earlier_report import refuse_earlier_report

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import (
        Comparison,
        FeatureComparison,
        SetScores,
        TransferMatrix,
    )

FILES = {
    "report": "report.html",
    "metrics": "metrics.json",
    "table": "metrics.csv",
    "observed_minus_predicted": "observed_minus_predicted.ome.tif",
    "predicted_minus_observed": "predicted_minus_observed.ome.tif",
    "absolute_error": "absolute_error.ome.tif",
    "masks.observed": "masks.observed.ome.tif",
    "masks.predicted": "masks.predicted.ome.tif",
    "observed_clipped": "observed_clipped.ome.tif",
    "comparison": "comparison.png",
}
"""Files of the report of an image, by what they hold."""


def write_report(
    comparison: Comparison,
    folder: str | os.PathLike[str],
    *,
    features: FeatureComparison | None = None,
    overwrite: bool = False,
    made_from: Mapping[str, Any] | None = None,
) -> dict[str, Path]:
    """Write a comparison into a folder, which appears as a whole if it does not exist.

    Parameters
    ----------
    comparison : Comparison
    folder : path-like
    features : FeatureComparison, optional
        Features of the cells: a section of the page, and files of their own.
    overwrite : bool
        Whether files of an earlier report may be replaced. Other files are never touched.
    made_from : mapping, optional
        Plain JSON values that ``metrics.json`` is to hold as ``made_from``: by them
        :func:`.earlier_report` knows a report again.

    Returns
    -------
    dict of str to Path
        What was written: ``report`` (``report.html``, which needs no other file), ``metrics``
        (``metrics.json``, described in ``docs/metrics-json.md``), ``table`` (``metrics.csv``, a
        row for each channel), each error map, ``masks.observed``, ``masks.predicted`` and
        ``observed_clipped`` (OME-TIFF with one named channel for each pair of channels),
        ``comparison`` (PNG), and of features what :func:`.write_features` writes.

    Raises
    ------
    VirtualStainError
        If a file of the report exists and may not be replaced (nothing is written then), or if
        a file cannot be written.
    """
    from napari_virtual_stain.io.feature_report import feature_files

    folder = Path(folder).expanduser()
    paths = report_files(folder)
    if features is not None:
        paths |= feature_files(features, folder)
    if not overwrite:
        refuse_earlier_report(folder, list(paths.values()))
    if os.path.lexists(folder):
        _write(comparison, folder, features, overwrite, made_from)
    else:
        with atomic_folder(folder) as temporary:
            _write(comparison, temporary, features, overwrite, made_from)
    return paths


def report_files(folder: Path) -> dict[str, Path]:
    """Return the files of the report of an image, by what they hold."""
    return {what: folder / name for what, name in FILES.items()}


def _write(
    comparison: Comparison,
    folder: Path,
    features: FeatureComparison | None,
    overwrite: bool,
    made_from: Mapping[str, Any] | None,
) -> None:
    from napari_virtual_stain.evaluation import figure, html, metrics_json, metrics_table
    from napari_virtual_stain.io.feature_report import write_features
    from napari_virtual_stain.io.images import write_image

    paths = report_files(folder)
    values = _from(metrics_json(comparison), made_from)
    texts = {"report": html(comparison, features), "table": csv_text(metrics_table(comparison))}
    picture = figure(comparison)
    images = {
        **comparison.errors,
        **{f"masks.{which}": mask for which, mask in comparison.masks.items()},
        "observed_clipped": comparison.clipped,
    }
    for name, image in images.items():
        write_image(image, paths[name], overwrite=overwrite)
    with atomic_path(paths["comparison"], overwrite) as temporary:
        temporary.write_bytes(picture)
    if features is not None:
        write_features(features, folder, overwrite=overwrite)
    # The scores last: where they are, the report is whole.
    _write_texts({**texts, "metrics": _json(values)}, paths, overwrite)


def write_set_report(
    sets: Sequence[SetScores],
    folder: str | os.PathLike[str],
    *,
    links: Mapping[tuple[str, str], str] | None = None,
    features: Mapping[str, FeatureComparison] | None = None,
    overwrite: bool = False,
    made_from: Mapping[str, Any] | None = None,
) -> dict[str, Path]:
    """Write the scores of a set of images into a folder.

    Parameters
    ----------
    sets : sequence of SetScores
        Of one model or several, of the same images.
    folder : path-like
    links : mapping of (model, image) to str, optional
        Addresses of the reports of single images, relative to the folder.
    features : mapping of str to FeatureComparison, optional
        By model, the features of the cells of all images, which are a section of the page.
    overwrite : bool
        Whether files of an earlier report may be replaced.
    made_from : mapping, optional
        Plain JSON values that the summary is to hold as ``made_from``.

    Returns
    -------
    dict of str to Path
        What was written: ``report`` (``set.html``), ``summary`` (``set.json``, described in
        ``docs/metrics-json.md``) and ``table`` (``set.csv``, a row for each model, image and
        channel).

    Raises
    ------
    VirtualStainError
        If a file of the report exists and may not be replaced (nothing is written then), or if
        a file cannot be written.
    """
    from napari_virtual_stain.evaluation import set_html, set_json, set_table

    folder = Path(folder).expanduser()
    paths = set_report_files(folder)
    if not overwrite:
        refuse_earlier_report(folder, list(paths.values()))
    texts = {
        "report": set_html(sets, links, features),
        "table": csv_text(set_table(sets)),
        "summary": _json(_from(set_json(sets), made_from)),
    }
    _write_texts(texts, paths, overwrite)
    return paths


def write_transfer_report(
    matrices: Sequence[TransferMatrix],
    folder: str | os.PathLike[str],
    *,
    links: Mapping[str, str] | None = None,
    overwrite: bool = False,
    made_from: Mapping[str, Any] | None = None,
) -> dict[str, Path]:
    """Write matrices of models × data sets into a folder.

    Parameters
    ----------
    matrices : sequence of TransferMatrix
        Of several scores of the same models and data sets.
    folder : path-like
    links : mapping of str to str, optional
        Addresses of the reports of the data sets, relative to the folder.
    overwrite : bool
        Whether files of an earlier report may be replaced.
    made_from : mapping, optional
        Plain JSON values that the summary is to hold as ``made_from``.

    Returns
    -------
    dict of str to Path
        What was written: ``report`` (``transfer.html``), ``summary`` (``transfer.json``,
        described in ``docs/metrics-json.md``) and ``table`` (``transfer.csv``, a row for each
        score, channel, model and data set).

    Raises
    ------
    VirtualStainError
        If a file of the report exists and may not be replaced (nothing is written then), or if
        a file cannot be written.
    """
    from napari_virtual_stain.evaluation import transfer_html, transfer_json, transfer_table

    folder = Path(folder).expanduser()
    paths = transfer_report_files(folder)
    if not overwrite:
        refuse_earlier_report(folder, list(paths.values()))
    texts = {
        "report": transfer_html(matrices, links),
        "table": csv_text(transfer_table(matrices)),
        "summary": _json(_from(transfer_json(matrices), made_from)),
    }
    _write_texts(texts, paths, overwrite)
    return paths


def transfer_report_files(folder: Path) -> dict[str, Path]:
    """Return the files of the report of models × data sets, by what they hold."""
    names = {"report": "transfer.html", "summary": "transfer.json", "table": "transfer.csv"}
    return {what: folder / name for what, name in names.items()}


def _write_texts(texts: Mapping[str, str], paths: Mapping[str, Path], overwrite: bool) -> None:
    for name, text in texts.items():
        with atomic_path(paths[name], overwrite) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")


def _from(values: dict[str, Any], made_from: Mapping[str, Any] | None) -> dict[str, Any]:
    return values if made_from is None else {**values, "made_from": dict(made_from)}


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def set_report_files(folder: Path) -> dict[str, Path]:
    """Return the files of the report of a set, by what they hold."""
    names = {"report": "set.html", "summary": "set.json", "table": "set.csv"}
    return {what: folder / name for what, name in names.items()}
