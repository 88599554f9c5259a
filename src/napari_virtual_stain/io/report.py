"""Write a comparison as a folder of files: a page, scores, error maps, masks and one picture."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._atomic import atomic_path

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import Comparison, SetScores


def write_report(
    comparison: Comparison, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> dict[str, Path]:
    """Write a comparison into a folder, which is made if it does not exist.

    Parameters
    ----------
    comparison : Comparison
    folder : path-like
    overwrite : bool
        Whether files of an earlier report may be replaced. Other files are never touched.

    Returns
    -------
    dict of str to Path
        What was written: ``report`` (``report.html``, which needs no other file), ``metrics``
        (``metrics.json``, described in ``docs/metrics-json.md``), ``table`` (``metrics.csv``, a
        row for each channel), each error map, ``masks.observed``, ``masks.predicted`` and
        ``observed_clipped`` (OME-TIFF with one named channel for each pair of channels), and
        ``comparison`` (PNG).

    Raises
    ------
    VirtualStainError
        If a file of the report exists and may not be replaced (nothing is written then), or if
        a file cannot be written.
    """
    from napari_virtual_stain.evaluation import figure, html, metrics_json, metrics_table
    from napari_virtual_stain.io.images import write_image

    folder = Path(folder).expanduser()
    images = {
        **comparison.errors,
        **{f"masks.{which}": mask for which, mask in comparison.masks.items()},
        "observed_clipped": comparison.clipped,
    }
    paths = {
        "report": folder / "report.html",
        "metrics": folder / "metrics.json",
        "table": folder / "metrics.csv",
        **{name: folder / f"{name}.ome.tif" for name in images},
        "comparison": folder / "comparison.png",
    }
    if not overwrite:
        refuse_earlier_report(folder, list(paths.values()))

    metrics = json.dumps(metrics_json(comparison), indent=2, ensure_ascii=False, allow_nan=False)
    texts = {
        "report": html(comparison),
        "metrics": metrics + "\n",
        "table": _csv(metrics_table(comparison)),
    }
    picture = figure(comparison)
    for name, text in texts.items():
        with atomic_path(paths[name], overwrite) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    for name, image in images.items():
        write_image(image, paths[name], overwrite=overwrite)
    with atomic_path(paths["comparison"], overwrite) as temporary:
        temporary.write_bytes(picture)
    return paths


def write_set_report(
    sets: Sequence[SetScores],
    folder: str | os.PathLike[str],
    *,
    links: Mapping[tuple[str, str], str] | None = None,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write the scores of a set of images into a folder.

    Parameters
    ----------
    sets : sequence of one or two SetScores
    folder : path-like
    links : mapping of (model, image) to str, optional
        Addresses of the reports of single images, relative to the folder.
    overwrite : bool
        Whether files of an earlier report may be replaced.

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
    summary = json.dumps(set_json(sets), indent=2, ensure_ascii=False, allow_nan=False)
    texts = {
        "report": set_html(sets, links),
        "summary": summary + "\n",
        "table": _csv(set_table(sets)),
    }
    for name, text in texts.items():
        with atomic_path(paths[name], overwrite) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    return paths


def set_report_files(folder: Path) -> dict[str, Path]:
    """Return the files of the report of a set, by what they hold."""
    names = {"report": "set.html", "summary": "set.json", "table": "set.csv"}
    return {what: folder / name for what, name in names.items()}


def _csv(rows: list[dict[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def refuse_earlier_report(folder: Path, paths: list[Path]) -> None:
    """Raise a :class:`VirtualStainError` if a file of a report is there already."""
    # Unlike Path.exists, os.path.lexists does not raise where the folder cannot be looked into.
    existing = [path.name for path in paths if os.path.lexists(path)]
    if existing:
        raise VirtualStainError(
            f"{folder} already holds {', '.join(existing)}, and nothing was written; choose "
            "another folder, or ask for the files to be replaced (overwrite=True, on the command "
            "line --overwrite)."
        )
