"""The folder beside a result in which the result is made."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.prediction.journal import Journal
from napari_virtual_stain.io.prediction.kept_arrays import load_arrays, save_arrays
from napari_virtual_stain.io.prediction.lock import FolderLock
from napari_virtual_stain.io.prediction.safe_file import write_safely

PARTIAL = ".partial"
"""What is added to the name of a result. It is visible, so that nobody wonders where the disk's
space has gone, and no image's ending, so that no program takes it for one."""

LOCK = "vstain.lock"
"""The first file that is made in such a folder: a folder without it is not ours."""


def work_folder_of(result: Path) -> Path:
    """Return the folder in which a result is made."""
    return result.with_name(result.name + PARTIAL)


class WorkFolder:
    """A folder of one unfinished prediction, locked.

    ::

        well.predicted.ome.zarr.partial/
          vstain.lock          who works on it
          job.json             what determines the pixels
          settled.json         what was decided on the way: the plan, the precision
          done                 finished units
          kept/NAME.npz        arrays for a later run
          predicted.ome.zarr   the results as they grow
          complete             the results are; they have only to be brought to their places
          replaced/            old results that are on their way out

    Parameters
    ----------
    result : Path
        The result's place.
    job : mapping
        Plain JSON values: all that determines the pixels and how they are stored.

    Attributes
    ----------
    left_over : bool
        Whether something of an earlier run is in it that belongs to another job, or is damaged;
        to be cleared.
    earlier : dict or None
        What an earlier run of the same job began with.
    complete : bool
        Whether the results are complete and have only to be brought to their places.

    Raises
    ------
    VirtualStainError
        If another process works on it, or if a folder of that name is none of ours.
    OSError
        If it cannot be created there.
    """

    def __init__(self, result: Path, job: Mapping[str, Any]) -> None:
        self.path = work_folder_of(result)
        self._result, self._job = result, _text(job)
        self._lock = self._locked()
        self.earlier: dict[str, Any] | None = None
        self._scratches = 0
        if self._read("job.json") == self._job:
            self.earlier = self._settled()
        self.left_over = self.earlier is None and not self._is_empty()
        self.complete = (self.path / "complete").exists()

    def begin(self, settled: Mapping[str, Any]) -> None:
        """Write down whose folder this is, once all that is filled in later has been created."""
        write_safely(self.path / "job.json", self._job.encode())
        write_safely(self.path / "settled.json", _text(settled).encode())

    def begun_with(self, settled: Mapping[str, Any]) -> bool:
        """Whether an earlier run of the same job settled the same."""
        return self.earlier is not None and _text(self.earlier) == _text(settled)

    def journal(self) -> Journal:
        """Return the journal of finished units."""
        import psutil

        return Journal(self.path / "done", psutil.boot_time())

    @property
    def is_nobodys(self) -> bool:
        """Whether all in it is a run's that was killed before it began or after it had ended."""
        return not (self._is_empty() or (self.path / "job.json").exists())

    @property
    def keeps_arrays(self) -> bool:
        """Whether arrays are kept for a later run."""
        return (self.path / "kept").exists()

    @property
    def has_work(self) -> bool:
        """Whether an earlier run finished any part of its work."""
        done = self.path / "done"
        return done.exists() and done.stat().st_size > 0

    def keep(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays for a later run."""
        save_arrays(self.path / "kept", name, arrays)

    def kept(self, name: str) -> dict[str, np.ndarray] | None:
        """Return the arrays that were kept under a name."""
        return load_arrays(self.path / "kept", name)

    def scratch(self, shape: Sequence[int]) -> np.ndarray:
        """Return float32 values on the disk, which is asked for all of the room at once.

        The room is free again when nobody uses the values (on Windows, at the end of the work).
        """
        folder = self.path / "scratch"
        folder.mkdir(exist_ok=True)
        path = folder / str(self._scratches)
        self._scratches += 1
        with open(path, "wb") as file:
            size = 4 * int(np.prod(tuple(shape), dtype=np.int64))
            if hasattr(os, "posix_fallocate"):
                # Writing to a mapped file for which there is no room would kill the process.
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        values = np.memmap(path, np.float32, mode="r+", shape=tuple(shape))
        if os.name == "posix":
            path.unlink()
        return values

    def mark_complete(self) -> None:
        """Write down that the results are complete."""
        write_safely(self.path / "complete", b"")
        self.complete = True

    def place(self, made: Path, final: Path) -> None:
        """Bring a complete result to its place; what is there goes.

        A file is replaced at once. A folder cannot be: for a moment there is neither, and
        when the process is killed in that moment, the next run brings the new one or, if it makes
        something else, the old one back.
        """
        if made.is_dir() and final.exists():
            aside = self.path / "replaced"
            aside.mkdir(exist_ok=True)
            os.rename(final, aside / final.name)
        os.replace(made, final)

    def clear(self) -> None:
        """Remove everything but the lock."""
        # From here on the folder is nobody's, however far the removal comes.
        (self.path / "job.json").unlink(missing_ok=True)
        aside = self.path / "replaced"
        for old in aside.iterdir() if aside.exists() else ():
            place = self.path.with_name(old.name)
            if not place.exists():
                os.rename(old, place)
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != LOCK:
                entry.unlink()
        self.earlier, self.complete, self.left_over = None, False, False

    def remove(self) -> None:
        """Remove the folder and let go of it; what cannot be removed stays, to be cleared later."""
        with contextlib.suppress(OSError):
            self.clear()
        self.release()

    def release(self) -> None:
        """Let go of the folder; what is in it stays, and if nothing is, it is removed."""
        empty = self._is_empty()
        self._lock.release(remove=empty)
        if empty:
            # Another process may have come in.
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def _is_empty(self) -> bool:
        return all(entry.name == LOCK for entry in self.path.iterdir())

    def _locked(self) -> FolderLock:
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            if not (self.path / LOCK).exists() and any(self.path.iterdir()):
                raise VirtualStainError(
                    f"{self.path} is in the way and was not left by a prediction; move it, or "
                    "choose another name for the result."
                )
            # Whoever had the folder may be removing it now.
            with contextlib.suppress(FileNotFoundError):
                return FolderLock(self.path / LOCK, str(self._result))

    def _settled(self) -> dict[str, Any] | None:
        try:
            settled = json.loads(self._read("settled.json") or "")
        except ValueError:
            return None
        return settled if isinstance(settled, dict) else None

    def _read(self, name: str) -> str | None:
        try:
            return (self.path / name).read_text("utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return None


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True)
