"""Tables and pictures that somebody wants as a file of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_virtual_stain.io._atomic import atomic_path
from napari_virtual_stain.io._csv import csv_text


def write_table(
    rows: Sequence[dict[str, Any]], path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a table as CSV, UTF-8, with the keys of its rows as header.

    Parameters
    ----------
    rows : sequence of dict
        What a row lacks is empty.
    path : path-like
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    VirtualStainError
        If the file exists and may not be replaced, or cannot be written.
    """
    path = Path(path).expanduser()
    with atomic_path(path, overwrite) as temporary:
        temporary.write_text(csv_text(rows), encoding="utf-8", newline="")
    return path


def write_picture(png: bytes, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a picture that has been rendered as PNG.

    Parameters
    ----------
    png : bytes
    path : path-like
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    VirtualStainError
        If the file exists and may not be replaced, or cannot be written.
    """
    path = Path(path).expanduser()
    with atomic_path(path, overwrite) as temporary:
        temporary.write_bytes(png)
    return path
