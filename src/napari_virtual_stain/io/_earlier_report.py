"""Reports are not written over earlier ones."""

from __future__ import annotations

import os
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError


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
