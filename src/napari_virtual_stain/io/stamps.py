"""What tells a file from what it was when something was made of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def stamp(path: Path) -> dict[str, Any]:
    """Return name, size and time of a file, or of all files of an OME-Zarr together.

    Returns
    -------
    dict
        Plain JSON values. Its name is that of the file alone, as a report may be sent away.
    """
    files = [path]
    if path.is_dir():
        files = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    states = [file.stat() for file in files]
    return {
        "name": path.name,
        "bytes": sum(state.st_size for state in states),
        "modified": max((state.st_mtime_ns for state in states), default=0),
    }
