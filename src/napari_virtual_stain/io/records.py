"""Records that are kept as they come, one JSON object on each line, and texts that appear whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_virtual_stain.io._atomic import atomic_path


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file, none where there is no file.

    A last line that was cut off, as by a power failure, is left out.
    """
    if not path.exists():
        return []
    *whole, _cut_off = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in whole]


def append_record(path: Path, record: Mapping[str, Any], *, anew: bool = False) -> None:
    """Add a record to a file.

    Parameters
    ----------
    path : Path
        It is made where it does not exist, with its folder.
    record : mapping
        Plain JSON values.
    anew : bool
        Begin the file with it.
    """
    line = json.dumps(record, ensure_ascii=False) + "\n"
    if anew:
        write_text(path, line)
        return
    with path.open("r+b") as file:
        # What follows the last whole line was cut off, and would spoil this one.
        kept = file.read().rfind(b"\n") + 1
        file.seek(kept)
        file.truncate()
        file.write(line.encode())


def write_text(path: Path, text: str) -> None:
    """Write a text, in place of one that is there.

    Raises
    ------
    VirtualStainError
        If it cannot be written there.
    """
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
