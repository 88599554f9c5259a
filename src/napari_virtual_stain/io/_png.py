"""Grey PNG images, of 8 or 16 bits."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError

HEADER = struct.Struct(">8s4x4sIIBB")
"""Signature, name of the first chunk, width, height, bit depth and colour type (PNG, 5.2, 11.2)."""


def png_layout(path: Path) -> tuple[tuple[int, int], np.dtype[Any]]:
    """Return the shape (Y, X) and data type of a grey PNG image, from its first bytes.

    Raises
    ------
    VirtualStainError
        If it cannot be read, or is not such an image.
    """
    try:
        with path.open("rb") as file:
            start = file.read(HEADER.size)
    except OSError as error:
        raise VirtualStainError(f"{path} could not be opened: {error.strerror}.") from error
    if len(start) == HEADER.size:
        signature, chunk, width, height, depth, colour = HEADER.unpack(start)
        grey = colour == 0 and depth in (8, 16)
        if signature == b"\x89PNG\r\n\x1a\n" and chunk == b"IHDR" and grey and width and height:
            return (height, width), np.dtype(np.uint8 if depth == 8 else np.uint16)
    raise _not_grey(path)


def read_png(path: Path) -> np.ndarray:
    """Return the pixels of a grey PNG image, uint8 or uint16, shape (Y, X).

    Raises
    ------
    VirtualStainError
        If it cannot be read, or is not such an image.
    """
    import imageio.v3 as iio

    shape, dtype = png_layout(path)
    try:
        pixels = np.asarray(iio.imread(path, extension=".png"))
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises on damaged data
        raise VirtualStainError(
            f"{path.name}: the file is damaged and cannot be read ({error}); copy it again from "
            "where it comes from."
        ) from error
    if pixels.shape != shape or pixels.dtype != dtype:
        raise _not_grey(path)
    return pixels


def _not_grey(path: Path) -> VirtualStainError:
    return VirtualStainError(
        f"{path} is not a grey PNG image of 8 or 16 bits; replace it or take it away."
    )
