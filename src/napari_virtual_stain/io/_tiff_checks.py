"""What makes a file unreadable, found before its pixels are used, and said in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_virtual_stain.errors import VirtualStainError

GREY = (0, 1, 3)
"""TIFF's photometric values for one grey value a pixel, which may be shown through a colour map."""

TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one value of each TIFF data type, where they are not 1."""


def check_file(path: Path) -> None:
    """Refuse what is missing, a folder, empty or not a TIFF file."""
    if path.is_dir():
        raise VirtualStainError(f"{path} is a folder; choose an image file in it.")
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError as error:
        raise VirtualStainError(f"there is no file {path}; check its name and folder.") from error
    except OSError as error:
        raise VirtualStainError(f"{path} could not be opened: {error.strerror}.") from error
    if not start:
        raise VirtualStainError(f"{path.name}: the file is empty; copy or export it again.")
    if start[:2] not in (b"II", b"MM") or len(start) < 4:
        raise VirtualStainError(
            f"{path.name}: this is not a TIFF file, whatever its name; save the image as TIFF or "
            "OME-TIFF (in Fiji: File › Save As › Tiff…)."
        )


def check_pixels(series: Any, axes: str | None, file: str) -> None:
    """Refuse colours, unless `axes` says that they are channels, and complex numbers."""
    samples = dict(zip(series.axes, series.shape, strict=True)).get("S", 1)
    if series.keyframe.photometric not in GREY and samples > 1 and axes is None:
        example = series.axes.replace("S", "C")
        raise VirtualStainError(
            f"{file}: this is a colour (RGB) image, whose colours are not the grey values of a "
            "microscope; split it into channels or convert it to grey (in Fiji: Image › Color › "
            f'Split Channels), or, if its colours are channels, say so with axes="{example}" (on '
            f"the command line --axes {example})."
        )
    if series.dtype is None or np.dtype(series.dtype).kind not in "biuf":
        raise VirtualStainError(
            f"{file}: the pixels are of the type {series.dtype}, which is not a grey value; save "
            "the image with integer or float pixels."
        )


def check_directories(tiff: Any, file: str) -> None:
    """Refuse a file that ends before its tags do: tifffile would read on without them."""
    values_end, _ = _directory(tiff, tiff.pages[0].offset)
    _, following = _directory(tiff, tiff.pages[len(tiff.pages) - 1].offset)
    # A chain of directories that bites its tail is odd, but whole.
    lost = following != 0 and all(page.offset != following for page in tiff.pages)
    if lost or values_end > tiff.filehandle.size:
        raise _truncated(file)


def check_planes(tiff: Any, series: Any, file: str) -> None:
    """Refuse planes that tifffile would fill with zeros or leave out without raising."""
    pages = list(series)
    missing = sum(page is None for page in pages)
    if missing:
        raise VirtualStainError(
            f"{file}: {missing} of the {len(pages)} planes that the file lists are missing; it is "
            "truncated, or its companion files are not beside it."
        )
    # tifffile reads a file of ImageJ that is too short as if it were not one.
    foreign = tiff.is_imagej and not tiff.is_ome and series.kind != "imagej"
    offset = series.dataoffset
    if offset is not None:
        cut = offset + series.nbytes > tiff.filehandle.size
    else:
        cut = any(_is_cut(page) for page in pages)
    if foreign or cut:
        raise _truncated(file)


def _is_cut(page: Any) -> bool:
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    size = page.parent.filehandle.size
    return not segments or any(start + count > size for start, count in segments)


def _directory(tiff: Any, offset: int) -> tuple[int, int]:
    """Return where the tags of the directory at `offset` end, and where the next one begins."""
    form, file = tiff.tiff, tiff.filehandle
    order: Literal["little", "big"] = "little" if tiff.byteorder == "<" else "big"

    def number(content: bytes) -> int:
        return int.from_bytes(content, order)

    file.seek(offset)
    n_tags = number(file.read(form.tagnosize))
    end = 0
    for _ in range(n_tags):
        tag = file.read(form.tagsize)
        size = TYPE_BYTES.get(number(tag[2:4]), 1) * number(tag[4 : -form.offsetsize])
        if size > form.offsetsize:
            end = max(end, number(tag[-form.offsetsize :]) + size)
    return end, number(file.read(form.offsetsize))


def _truncated(file: str) -> VirtualStainError:
    return VirtualStainError(
        f"{file}: the file is truncated, its end is missing; copy or export it again from where it "
        "comes from."
    )


@contextmanager
def plain_errors(file: str) -> Iterator[None]:
    """Say in one sentence what goes wrong inside tifffile while it reads `file`."""
    try:
        yield
    except (VirtualStainError, MemoryError):
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise VirtualStainError(f"{file}: the file could not be read: {reason}.") from error
    except Exception as error:  # tifffile and its codecs raise whatever their parsing meets
        codec = re.search(r"<?(?:COMPRESSION|PREDICTOR)\.(\w+).*imagecodecs", str(error))
        if codec:
            raise VirtualStainError(
                f"{file}: the pixels are compressed with {codec[1]}, for which the package "
                "imagecodecs is needed (pip install imagecodecs); or save the image uncompressed."
            ) from error
        raise VirtualStainError(
            f"{file}: the file is damaged or of a kind of TIFF that cannot be read ({error})."
        ) from error
