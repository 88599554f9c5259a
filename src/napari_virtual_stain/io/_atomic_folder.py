"""Folders appear whole or not at all: written beside their final place, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._atomic import KEPT, disk_errors


@contextmanager
def atomic_folder(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which becomes `path` when the block ends well.

    Whatever ends the block otherwise (an error, a cancellation, Ctrl-C) removes the
    temporary folder and leaves `path` as it was. Missing parent folders are created.

    Parameters
    ----------
    path : path-like
        Where the OME-Zarr is to be. A symbolic link is followed, not replaced.
    overwrite : bool
        Whether an existing OME-Zarr may be replaced. Nothing else ever is.

    Yields
    ------
    Path
        A path in the same folder, at which nothing exists yet.

    Raises
    ------
    VirtualStainError
        If something is there that may not be replaced, or if it cannot be written there.
    """
    target = Path(os.path.realpath(Path(path).expanduser()))
    refuse_existing_folder(target, overwrite)
    temporary = target.with_name(f".vstain-{secrets.token_hex(4)}{target.suffix}")
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            move_folder(temporary, target, overwrite)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def move_folder(folder: Path, target: Path, overwrite: bool = False) -> None:
    """Rename a finished folder to its final name, in place of an OME-Zarr if `overwrite` says so.

    What is replaced is renamed first and removed last, so that at every moment one of the two
    is there as a whole.

    Raises
    ------
    VirtualStainError
        As :func:`refuse_existing_folder`.
    OSError
        If it cannot be renamed; `target` is then as it was.
    """
    refuse_existing_folder(target, overwrite)
    if not target.exists():
        os.rename(folder, target)
        return
    replaced = target.with_name(f"{target.stem}.replaced-{secrets.token_hex(4)}{target.suffix}")
    os.rename(target, replaced)
    try:
        os.rename(folder, target)
    except BaseException:
        os.rename(replaced, target)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def refuse_existing_folder(target: Path, overwrite: bool) -> None:
    """Refuse to write where something is that may not be replaced.

    Raises
    ------
    VirtualStainError
        If there is a file, a folder that is neither empty nor an OME-Zarr, or, without
        `overwrite`, an OME-Zarr.
    """
    from napari_virtual_stain.io.ome_zarr.attributes import is_ome_zarr

    with disk_errors(target):
        if not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir())):
            return
        if not (target.is_dir() and is_ome_zarr(target)):
            kind = "a folder, but no OME-Zarr" if target.is_dir() else "a file, and no folder"
            raise VirtualStainError(
                f"{target} is {kind}, and is left as it is; choose another name."
            )
        if not overwrite:
            raise VirtualStainError(f"{target} {KEPT}")
