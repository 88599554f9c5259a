"""Reports of images that an earlier run has finished, so that a set that was stopped goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._earlier_report import refuse_earlier_report
from napari_virtual_stain.io.report import report_files


def earlier_report(folder: Path, record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the scores of a report that is complete and was made from the same.

    Parameters
    ----------
    folder : Path
    record : mapping
        What the report would be made from: images and options, as plain JSON values.

    Returns
    -------
    dict or None
        The content of ``metrics.json``; None where there is no report.

    Raises
    ------
    VirtualStainError
        If there is one that was made from something else, or cannot be told.
    """
    files = report_files(folder)
    there = {name for name, path in files.items() if os.path.lexists(path)}
    if not there:
        return None
    if there != set(files):
        raise VirtualStainError(
            f"{folder} holds {', '.join(files[name].name for name in sorted(there))}, which is no "
            "whole report, and is left as it is; choose another folder, or ask for it to be "
            "replaced (--overwrite)."
        )
    try:
        found: dict[str, Any] = json.loads(files["metrics"].read_text(encoding="utf-8"))
        made_from = found.get("made_from")
    except (OSError, ValueError, AttributeError):
        made_from = None
    if made_from != json.loads(json.dumps(record)):
        raise VirtualStainError(
            f"{folder} holds a report that was made from {_differs(made_from, record)}, and is "
            "left as it is; choose another folder, or ask for it to be replaced (--overwrite)."
        )
    return found


def _differs(made_from: Any, record: Mapping[str, Any]) -> str:
    if not isinstance(made_from, dict):
        return "something that it does not say"
    plain = json.loads(json.dumps(record))
    parts = [key for key in plain if made_from.get(key) != plain[key]]
    return f"another {' and another '.join(part.replace('_', ' ') for part in parts) or 'image'}"


def check_earlier_summary(files: Mapping[str, Path], made_from: Mapping[str, Any]) -> None:
    """Refuse to replace a report of several images, unless it was made from the same.

    Parameters
    ----------
    files : mapping of str to Path
        Of the report; ``summary`` is written last.
    made_from : mapping
        What has to stand in it, so far as it is known. Plain JSON values.

    Raises
    ------
    VirtualStainError
        If there is a file of another report.
    """
    if not any(os.path.lexists(path) for path in files.values()):
        return
    try:
        found = json.loads(files["summary"].read_text(encoding="utf-8"))["made_from"]
        alike = all(found[key] == value for key, value in made_from.items())
    except (OSError, ValueError, KeyError, TypeError):
        alike = False
    if not alike:
        refuse_earlier_report(files["summary"].parent, list(files.values()))
