"""A CSV file that lists training pairs: ``input,target``, and a line of two paths for each."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError

HEADER = ["input", "target"]


def listed_files(path: Path) -> list[tuple[Path, Path]]:
    """Return the files that a CSV file lists, each of which exists.

    Raises
    ------
    VirtualStainError
        If `path` cannot be read, has another header, a line that is not two paths, a path of no
        file, or no lines.
    """
    try:
        # Excel begins its CSV files with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise VirtualStainError(f"there is no file {path}; check its name and folder.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise VirtualStainError(
            f"{path.name} could not be read as CSV in UTF-8: {error}."
        ) from error
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]
    if not rows or [cell.lower() for cell in rows[0]] != HEADER:
        found = f"it is {','.join(rows[0])!r}" if rows else "the file is empty"
        raise VirtualStainError(
            f"{path.name}: the first line of a list of pairs has to be input,target; {found}."
        )
    listed = []
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        if len(row) != 2 or not all(row):
            raise VirtualStainError(
                f"{path.name}, line {number}: a pair is two paths, input and target; this line is "
                f"{','.join(row)!r}."
            )
        one, other = (path.parent / Path(cell).expanduser() for cell in row)
        for file in (one, other):
            if not file.is_file():
                raise VirtualStainError(
                    f"{path.name}, line {number}: there is no file {file}; paths are relative to "
                    "the CSV file."
                )
        listed.append((one, other))
    if not listed:
        raise VirtualStainError(f"{path.name} lists no pairs; add a line input,target for each.")
    return listed
