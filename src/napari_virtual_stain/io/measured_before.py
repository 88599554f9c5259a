"""Features of an image that an earlier run has measured, so that a set that was stopped goes on."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.feature_report import NAMES

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import FeatureComparison


def earlier_features(folder: Path, record: Mapping[str, Any]) -> FeatureComparison | None:
    """Return the features of an image that were measured in the same way.

    Parameters
    ----------
    folder : Path
    record : mapping
        What they would be made from: images, labels and options, as plain JSON values.

    Returns
    -------
    FeatureComparison or None
        Without labels; None where there are none.

    Raises
    ------
    VirtualStainError
        If there are some that were made from something else, or are not complete.
    """
    from napari_virtual_stain.evaluation.features import features_from_tables

    paths = {what: folder / name for what, name in NAMES.items()}
    there = [path.name for path in paths.values() if os.path.lexists(path)]
    if not there:
        return None
    try:
        values = json.loads(paths["features_json"].read_text(encoding="utf-8"))
        if values["made_from"] == json.loads(json.dumps(record)):
            with paths["features"].open(encoding="utf-8", newline="") as file:
                return features_from_tables(list(csv.DictReader(file)), values)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise VirtualStainError(
        f"{folder} holds {', '.join(there)} of another measurement, or of one that was stopped; "
        "choose another folder, or ask for them to be replaced (--overwrite)."
    )
