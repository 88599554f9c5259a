"""Arrays that an unfinished prediction keeps for a later run."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from napari_virtual_stain.io.prediction.safe_file import write_safely

PREFIX = "array "
"""Before each name, so that none is one that NumPy's writer takes for its own argument."""


def save_arrays(folder: Path, name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep arrays under a name, in place of those that had it."""
    folder.mkdir(exist_ok=True)
    named: dict[str, Any] = {PREFIX + key: np.asarray(values) for key, values in arrays.items()}
    write_safely(_path(folder, name), lambda file: np.savez(file, **named))


def load_arrays(folder: Path, name: str) -> dict[str, np.ndarray] | None:
    """Return the arrays that were kept under a name; None if there are none or they are damaged.

    Nothing is unpickled, and what would unpack to more than the file has is not unpacked.
    """
    path = _path(folder, name)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > os.path.getsize(path):
            return None
        with np.load(path, allow_pickle=False) as stored:
            return {key.removeprefix(PREFIX): stored[key] for key in stored.files}
    except (FileNotFoundError, zipfile.BadZipFile, ValueError, EOFError, NotImplementedError):
        return None


def _path(folder: Path, name: str) -> Path:
    return folder / f"{quote(name, safe=' ')}.npz"
