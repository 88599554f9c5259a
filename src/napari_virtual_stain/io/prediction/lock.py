"""One process at a time works in a folder."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
from pathlib import Path
from typing import IO

from napari_virtual_stain.errors import VirtualStainError

NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
"""What a disk answers (some network drives) that cannot lock files."""


class FolderLock:
    """A lock on a folder that ends with the process that holds it, whatever ends that.

    The operating system keeps it, not the file, which stays behind and is no obstacle. Written
    process numbers would be: after a kill they may belong to another process, or to another
    computer or container, of which nobody here knows whether it still runs. On a disk that
    cannot lock files there is no protection.

    Parameters
    ----------
    path : Path
        The lock's file, in the folder.
    work : str
        What is done in the folder, for the sentence.

    Raises
    ------
    VirtualStainError
        If somebody else holds it; the sentence names the process.
    OSError
        If the file cannot be written.
    """

    def __init__(self, path: Path, work: str) -> None:
        self._path = path
        self._file = _locked(path, work)
        owner = json.dumps({"process": os.getpid(), "computer": socket.gethostname()})
        self._file.truncate(0)
        self._file.write(owner.encode())

    def release(self, remove: bool = False) -> None:
        """Let others in, and remove the file first if nothing else of the folder is left."""
        if remove and sys.platform != "win32":
            self._path.unlink(missing_ok=True)
        self._file.close()
        if remove and sys.platform == "win32":
            # An open file cannot be removed there, and one that another process has opened
            # meanwhile is that one's.
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def _locked(path: Path, work: str) -> IO[bytes]:
    while True:
        file = open(path, "a+b", buffering=0)  # noqa: SIM115 (open as long as the lock)
        if not _try_lock(file):
            file.seek(0)
            owner = _owner(file)
            file.close()
            raise VirtualStainError(
                f"{work} is being written by another prediction ({owner}); wait until it has "
                "ended, or choose another name."
            )
        # Whoever held the lock may have removed the file meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _owner(file: IO[bytes]) -> str:
    try:
        owner = json.loads(file.read(1000))
        return f"process {owner['process']} on the computer {owner['computer']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        # A byte far beyond the text: what is locked cannot be read by others.
        file.seek(2**30)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        return True
