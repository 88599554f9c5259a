"""Files that are read: opened once, regular, and never further than they are long.

Everything about a file is read through one descriptor. What was checked is therefore what is
used, whatever happens to the name in between, and nothing of a file is mapped into memory, where
its end could be cut off.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.errors import Malformed
from napari_virtual_stain.io.importing.sentences import MAX_PATH, clean, damaged, unreadable

CHUNK_BYTES = 2**20

# A pipe without a writer would otherwise block, and Windows would translate line ends.
FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclass(frozen=True, eq=False)
class Source:
    """An opened regular file.

    Parameters
    ----------
    path : Path
        For the errors.
    file : binary file
    size : int
        Bytes, when it was opened.
    """

    path: Path
    file: BinaryIO
    size: int

    def read(self, offset: int, size: int) -> bytes:
        """Return a part of the file.

        Raises
        ------
        Malformed
            If the file does not reach so far, or was truncated meanwhile.
        """
        if not 0 <= offset <= offset + size <= self.size:
            raise Malformed("it ends too early")
        self.file.seek(offset)
        content = self.file.read(size)
        if len(content) < size:
            raise Malformed("it ends too early")
        return content

    def chunks(self, offset: int, size: int) -> Iterator[bytes]:
        """Yield a part of the file in pieces; raises as :meth:`read`."""
        end = offset + size
        for start in range(offset, end, CHUNK_BYTES):
            yield self.read(start, min(CHUNK_BYTES, end - start))

    def whole(self, limit: int) -> bytes:
        """Return the whole of a file that has at most `limit` bytes; else Malformed is raised."""
        if self.size > limit:
            raise Malformed(f"it has more than the {limit} bytes that such a file may have")
        return self.read(0, self.size)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a regular file. What goes wrong with it within the block becomes a sentence.

    Raises
    ------
    VirtualStainError
        If it is missing, cannot be read, is a folder, a pipe or a device; if the block raises
        Malformed or an error of the operating system.
    """
    try:
        with os.fdopen(_descriptor(path), "rb") as file:
            yield Source(path, file, os.fstat(file.fileno()).st_size)
    except Malformed as error:
        raise damaged(path, str(error)) from None
    except OSError as error:
        raise unreadable(path, error) from None


def sha256(sources: Sequence[Source]) -> str:
    """Return the digest of the content of files, one after the other, in hexadecimal digits."""
    digest = hashlib.sha256()
    for source in sources:
        for chunk in source.chunks(0, source.size):
            digest.update(chunk)
    return digest.hexdigest()


def _descriptor(path: Path) -> int:
    try:
        descriptor = os.open(path, FLAGS)
    except ValueError:  # NUL, or characters that the system has no bytes for
        raise VirtualStainError(
            f"{clean(str(path), MAX_PATH)} cannot be read: no file can have that name."
        ) from None
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    kind = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
    raise VirtualStainError(
        f"{clean(str(path), MAX_PATH)} cannot be read: it is {kind}, not a file."
    )
