"""Which units of work are done, line by line."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from napari_virtual_stain.io.prediction.safe_file import write_safely

DOUBTFUL = 120.0
"""Seconds before the machine went down in which what was written may not have reached the disk.
Operating systems write back what is older than about 30 s."""


class Journal:
    """A file to which finished units are added, one line each.

    What is added survives the death of the process at once: the system has it. It is not waited
    for until the disk has it too, since a unit has many files and each would have to be waited
    for. Instead, after the machine was started anew, the units of the last `DOUBTFUL`
    seconds before its end do not count: their pixels may be lost although the line is there.

    Parameters
    ----------
    path : Path
        The file; created when something is added.
    booted : float
        When the machine was started, in seconds since the epoch.
    """

    def __init__(self, path: Path, booted: float) -> None:
        self._path = path
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
        entries = [entry for line in lines[:-1] if (entry := _parsed(line)) is not None]
        last = max((when for _, when in entries), default=booted)
        if last < booted:
            entries = [(unit, when) for unit, when in entries if when < last - DOUBTFUL]
        self.done = {unit for unit, _ in entries}
        if len(entries) != len(lines) - 1 or lines[-1]:
            # A line that was torn would swallow the next one.
            write_safely(path, b"".join(_line(unit, when) for unit, when in entries))
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (open as long as the journal)

    def add(self, unit: str) -> None:
        """Record a unit as done."""
        self._file.write(_line(unit, time.time()))
        self.done.add(unit)

    def close(self) -> None:
        """Close the file, and see to it that the disk has it."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()


def _line(unit: str, when: float) -> bytes:
    return json.dumps([unit, round(when, 1)]).encode() + b"\n"


def _parsed(line: bytes) -> tuple[str, float] | None:
    try:
        unit, when = json.loads(line)
    except (ValueError, TypeError):
        return None
    return (unit, when) if isinstance(unit, str) and isinstance(when, float) else None
