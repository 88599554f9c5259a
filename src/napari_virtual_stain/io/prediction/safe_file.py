"""Small files that are whole at any time: the old content or the new."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO


def write_safely(path: Path, content: bytes | Callable[[IO[bytes]], object]) -> None:
    """Write a file beside its place, on the disk, then rename it.

    Parameters
    ----------
    path : Path
        One process at a time writes it: the name beside is always the same.
    content : bytes or callable
        The content, or what writes it into an open file.
    """
    new = beside(path)
    try:
        with open(new, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        with suppress(OSError):  # of a full disk, it would take what is left
            new.unlink(missing_ok=True)
        raise


def beside(path: Path) -> Path:
    """Return where :func:`write_safely` writes what becomes `path`."""
    return path.with_name(f"{path.name}.new")
