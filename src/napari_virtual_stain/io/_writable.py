"""Whether something can be written where it is to be, before long work begins."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from napari_virtual_stain.io._atomic import disk_errors, refuse_existing, remove
from napari_virtual_stain.io._atomic_folder import refuse_existing_folder


def check_writable(path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Find out before long work whether a file can be written, by writing a little beside it.

    Missing parent folders are created. A name that ends in ``.zarr`` is that of a folder.

    Raises
    ------
    VirtualStainError
        As :func:`.atomic_path`.
    """
    target = Path(os.path.realpath(Path(path).expanduser()))
    if target.suffix.lower() == ".zarr":
        refuse_existing_folder(target, overwrite)
    else:
        refuse_existing(target, overwrite)
    temporary = target.with_name(f".vstain-{secrets.token_hex(4)}{target.suffix}")
    with disk_errors(target):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(b"\0")
        finally:
            remove(temporary)
