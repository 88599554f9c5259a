"""Write features of cells: tables, pictures, and the objects that were measured."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.image import Image
from napari_virtual_stain.io._atomic import atomic_path
from napari_virtual_stain.io._csv import csv_text
from napari_virtual_stain.io._earlier_report import refuse_earlier_report

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import FeatureComparison

NAMES = {
    "features_page": "features.html",
    "features": "features.csv",
    "feature_correlations": "feature_correlations.csv",
    "features_json": "features.json",
    "feature_heat_map": "feature_heat_map.png",
    "feature_histogram": "feature_histogram.png",
}
POOLED_FILES = {"summary": NAMES["features_json"], **NAMES}
"""Files of a set; the summary is written last."""


def write_features(
    features: FeatureComparison,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    made_from: Mapping[str, Any] | None = None,
) -> dict[str, Path]:
    """Write features of cells into a folder, which is made if it does not exist.

    Parameters
    ----------
    features : FeatureComparison
    folder : path-like
    overwrite : bool
        Whether files of an earlier report may be replaced.
    made_from : mapping, optional
        Plain JSON values that ``features.json`` is to hold as ``made_from``: by them
        :func:`.earlier_features` knows it again.

    Returns
    -------
    dict of str to Path
        What was written: ``features_page`` (HTML that needs no other file), ``features``
        (CSV, a row for each object and channel),
        ``feature_correlations`` (CSV, a row for each channel, compartment and feature),
        ``features_json`` (described in ``docs/metrics-json.md``), ``feature_heat_map`` and
        ``feature_histogram`` (PNG), and of one image ``labels.nuclei`` and ``labels.cells``
        (OME-TIFF), which can be corrected and given for the next comparison.

    Raises
    ------
    VirtualStainError
        If a file exists and may not be replaced (nothing is written then), or if a file cannot
        be written.
    """
    from napari_virtual_stain.evaluation import (
        feature_correlations_table,
        features_html,
        features_json,
        features_table,
    )
    from napari_virtual_stain.io.images import write_image

    folder = Path(folder).expanduser()
    paths = feature_files(features, folder)
    if not overwrite:
        refuse_earlier_report(folder, list(paths.values()))
    values = features_json(features)
    if made_from is not None:
        values["made_from"] = dict(made_from)
    texts = {
        "features_page": features_html(features),
        "features": csv_text(features_table(features)),
        "feature_correlations": csv_text(feature_correlations_table(features)),
    }
    for name, picture in features.pictures.items():
        with atomic_path(paths[f"feature_{name}"], overwrite) as temporary:
            temporary.write_bytes(picture)
    for which in _of_labels(features):
        labels = features.labels[which]
        image = Image(
            labels if len(labels) > 1 else labels[0],
            "TYX" if len(labels) > 1 else "YX",
            dict(features.voxel_size),
            channels=(which,),
            name=which,
            provenance={"labels": True},
        )
        write_image(image, paths[f"labels.{which}"], overwrite=overwrite)
    # What tells the measurement from others last: where it is, all is there.
    texts["features_json"] = (
        json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    )
    for name, text in texts.items():
        with atomic_path(paths[name], overwrite) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    return paths


def feature_files(features: FeatureComparison, folder: Path) -> dict[str, Path]:
    """Return the files of features of cells, by what they hold."""
    labels = {f"labels.{which}": f"labels.{which}.ome.tif" for which in _of_labels(features)}
    return {what: folder / name for what, name in (NAMES | labels).items()}


def _of_labels(features: FeatureComparison) -> list[str]:
    # The cytoplasm follows from the two.
    return [which for which in ("nuclei", "cells") if which in features.labels]
