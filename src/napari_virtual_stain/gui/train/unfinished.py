"""Trainings that were not finished: kept in a sub-folder of the model folder."""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

FOLDER = "unfinished"
"""Sub-folder of the model folder, where no picker looks for models."""

ENDING = ".vstain-run"

_on: set[Path] = set()
"""Runs that are on in this process, in whichever viewer: they are no-one's to keep or discard."""


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

    Returns
    -------
    list of Unfinished
        Without those that are on, here or in another process.
    """
    found = []
    for path in (folder / FOLDER).glob(f"*{ENDING}"):
        if path in _on or _is_written(path):
            continue
        try:
            when = datetime.fromtimestamp(path.stat().st_mtime)
        except OSError:  # it is gone meanwhile
            continue
        found.append(Unfinished(path, when))
    return sorted(found, key=lambda one: one.when, reverse=True)


@contextmanager
def is_on(path: Path) -> Iterator[None]:
    """Within this context, a run is trained, and is not unfinished."""
    _on.add(path)
    try:
        yield
    finally:
        _on.discard(path)


def _is_written(path: Path) -> bool:
    """Whether another process of this machine has written a run, and still is."""
    import psutil  # as napari does

    from napari_virtual_stain.io import run_writer

    writer = run_writer(path)
    if writer is None or writer == (platform.node(), os.getpid()) or writer[0] != platform.node():
        return False
    try:
        # A process that began after it was written has but got its number.
        return bool(psutil.Process(writer[1]).create_time() <= path.stat().st_mtime)
    except (psutil.Error, OSError):
        return False


def new_run_file(folder: Path, stem: str) -> Path:
    """Return where a new training is kept; over no other one."""
    for number in itertools.count(1):
        path = folder / FOLDER / f"{stem}{f' {number}' if number > 1 else ''}{ENDING}"
        if not os.path.lexists(path):
            return path
    raise AssertionError("unreachable: there is always a next number")
