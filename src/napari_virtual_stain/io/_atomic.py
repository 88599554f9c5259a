"""Files appear whole or not at all: written beside their final place, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your quota on the disk is used up; free some space or choose another folder",
    errno.EACCES: "there is no permission to write in that folder; choose another one",
    errno.EPERM: "there is no permission to write in that folder; choose another one",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENOTDIR: "a part of the folder's path is a file; choose another folder",
    errno.EEXIST: "a part of the folder's path is a file; choose another folder",
    errno.EFBIG: "the disk takes no file of that size; choose another disk",
    errno.ENAMETOOLONG: "the name is too long for the disk; choose a shorter one",
}


KEPT = (
    "exists already and is left as it is; choose another name, or ask for it to be replaced "
    "(overwrite=True, on the command line --overwrite)."
)


@contextmanager
def atomic_path(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which becomes `path` when the block ends well.

    Whatever ends the block otherwise (an error, a cancellation, Ctrl-C) removes the
    temporary file and leaves `path` as it was. Missing parent folders are created.

    Parameters
    ----------
    path : path-like
        Where the file is to be. A symbolic link is followed, not replaced.
    overwrite : bool
        Whether an existing file may be replaced.

    Yields
    ------
    Path
        A path in the same folder, with the same suffix, at which nothing exists yet.

    Raises
    ------
    VirtualStainError
        If the file exists and may not be overwritten, or if it cannot be written there
        (read-only folder, full disk, …).
    """
    target = Path(os.path.realpath(Path(path).expanduser()))
    refuse_existing(target, overwrite)
    # A short name of its own: the target's may already be as long as the disk allows.
    temporary = target.with_name(f".vstain-{secrets.token_hex(4)}{target.suffix}")
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            refuse_existing(target, overwrite)
            os.replace(temporary, target)
    finally:
        remove(temporary)


@contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Turn errors of the disk into sentences about `target`."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise VirtualStainError(f"{target} could not be written: {reason}.") from error


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Raise a VirtualStainError if a folder is there, or a file that may not be replaced."""
    # Unlike Path.exists, os.path.exists does not raise where the folder cannot be looked into.
    if os.path.isdir(target):
        raise VirtualStainError(f"{target} is a folder; give the name of a file.")
    if os.path.exists(target) and not overwrite:
        raise VirtualStainError(f"{target} {KEPT}")


def remove(temporary: Path) -> None:
    """Remove a file that was written beside another, if that is possible."""
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        # The error that led here says what is wrong with the folder; this one would hide it.
        return
