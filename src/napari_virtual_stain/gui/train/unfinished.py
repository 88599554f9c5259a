"""Trainings that were not finished: kept in a sub-folder of the model folder."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

FOLDER = "unfinished"
"""Sub-folder of the model folder, where no picker looks for models."""

ENDING = ".vstain-run"


@dataclass(frozen=True)
class Unfinished:
    """A training that was not finished.

    Parameters
    ----------
    path : Path
    when : datetime
        When it was kept the last time.
    """

    path: Path
    when: datetime

    @property
    def name(self) -> str:
        """What it was to be called."""
        return self.path.name.removesuffix(ENDING)


def unfinished_runs(folder: Path) -> list[Unfinished]:
    """Return the trainings that a model folder has left, the latest first.

    Parameters
    ----------
    folder : Path
        The model folder. It need not exist.
    """
    found = []
    for path in (folder / FOLDER).glob(f"*{ENDING}"):
        try:
            when = datetime.fromtimestamp(path.stat().st_mtime)
        except OSError:  # it is gone meanwhile
            continue
        found.append(Unfinished(path, when))
    return sorted(found, key=lambda one: one.when, reverse=True)


def new_run_file(folder: Path, stem: str) -> Path:
    """Return where a new training is kept; over no other one."""
    for number in itertools.count(1):
        path = folder / FOLDER / f"{stem}{f' {number}' if number > 1 else ''}{ENDING}"
        if not os.path.lexists(path):
            return path
    raise AssertionError("unreachable: there is always a next number")
