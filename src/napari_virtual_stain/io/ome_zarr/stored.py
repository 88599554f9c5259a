"""One resolution of an OME-Zarr as an array that reads when it is asked.

What the files say is held against limits before Zarr sees it: a folder may come from anywhere.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._lazy import grow
from napari_virtual_stain.io.ome_zarr.attributes import read_json

CODECS = {
    "blosc", "zlib", "gzip", "bz2", "lzma", "lz4", "zstd", "shuffle", "delta", "fixedscaleoffset",
    "quantize", "bitround", "packbits", "astype", "crc32", "crc32c", "adler32", "fletcher32",
    "bytes", "transpose", "sharding_indexed",
}  # fmt: skip
"""What numbers are packed with. Others make Python objects of what they read, and could run code
(pickle), or need packages that are not there."""

MOST_CHUNK = 2**32
"""Bytes of a chunk: it is unpacked as a whole."""

MOST_PARTS = 10**7
"""Parts in which an image is read: each takes memory of its own, read or not."""


def lazy_level(folder: Path, path: str, ndim: int, file: str) -> Any:
    """Return a Dask array of the pixels at `path` within an OME-Zarr.

    Parameters
    ----------
    folder : Path
        Of the image.
    path : str
        As its metadata name it.
    ndim : int
        Number of its axes.
    file : str
        What the image is called, for the sentences.

    Raises
    ------
    VirtualStainError
        If it lies elsewhere, is missing, damaged or packed in a way that is not read here.
    """
    import dask.array as da

    place = _inside(folder, path, file)
    _check_codecs(place, file)
    source = _Source(place, file)
    if source.ndim != ndim:
        raise VirtualStainError(
            f"{file}: the pixels in {path!r} have {source.ndim} axes, but the metadata name "
            f"{ndim}; export the image again."
        )
    chunks = grow(source.chunks, source.shape, source.dtype.itemsize, range(ndim - 2, ndim))
    parts = math.prod(-(-n // c) for n, c in zip(source.shape, chunks, strict=True))
    if parts > MOST_PARTS:
        raise VirtualStainError(
            f"{file}: the pixels are stored in {parts:,} pieces, too many to be read; save the "
            "image again in larger chunks."
        )
    return da.from_array(source, chunks=chunks, name=False, fancy=False)


class _Source:
    """A Zarr array with NumPy's basic slicing, whose errors are sentences."""

    def __init__(self, place: Path, file: str) -> None:
        import zarr

        self._place, self._file = place, file
        try:
            self._array: Any = zarr.open_array(place, mode="r")
        except Exception as error:  # Zarr and each codec raise their own kinds
            raise VirtualStainError(
                f"{file}: the metadata of the pixels in {place.name!r} are damaged ({error}); copy "
                "the image again from where it comes from."
            ) from error
        self._signature = self._look()
        self.shape: tuple[int, ...] = self._array.shape
        self.chunks: tuple[int, ...] = self._array.chunks
        self.dtype: np.dtype[Any] = self._array.dtype.newbyteorder("=")
        self.ndim: int = self._array.ndim
        whole = self._array.shards or self.chunks
        if self.dtype.kind not in "biuf":
            raise VirtualStainError(
                f"{file}: the pixels are of the type {self.dtype}, which is not a grey value; save "
                "the image with integer or float pixels."
            )
        if 0 in self.shape or math.prod(whole) * self.dtype.itemsize > MOST_CHUNK:
            raise VirtualStainError(
                f"{file}: the image is empty, or a chunk of it is larger than 4 GiB (shape "
                f"{self.shape}, chunks {whole}); save it again in smaller chunks."
            )

    def __getitem__(self, key: Any) -> np.ndarray:
        # A chunk that is missing is legal and reads as zeros, and so would a disk that is gone.
        if self._look() != self._signature:
            raise VirtualStainError(
                f"{self._file}: the image has changed or is gone since it was opened; open it "
                "again."
            )
        try:
            return np.asarray(self._array[key]).astype(self.dtype, copy=False)
        except MemoryError:
            raise
        except OSError as error:
            raise VirtualStainError(
                f"{self._file}: the image could be opened but not read ({error.strerror or error})"
                "; is its disk still there?"
            ) from error
        except Exception as error:  # each codec raises its own kind on damaged data
            raise VirtualStainError(
                f"{self._file}: a part of the image is damaged and cannot be read ({error}); copy "
                "it again from where it comes from."
            ) from error

    def _look(self) -> tuple[int, int, int] | None:
        for name in ("zarr.json", ".zarray"):
            try:
                status = os.stat(self._place / name)
            except OSError:
                continue
            return status.st_ino, status.st_size, status.st_mtime_ns
        return None


def _inside(folder: Path, path: str, file: str) -> Path:
    place = folder / path
    parts = path.split("/")
    if (
        not path
        or any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts)
        or not place.resolve().is_relative_to(folder.resolve())
    ):
        raise VirtualStainError(
            f"{file}: the metadata say that the pixels are in {path!r}, outside of the image; it "
            "is not opened."
        )
    return place


def _check_codecs(place: Path, file: str) -> None:
    document = read_json(place / "zarr.json")
    if document is None:
        document = read_json(place / ".zarray")
    if document is None:
        raise VirtualStainError(
            f"{file}: the pixels in {place.name!r} are missing; copy the whole folder again from "
            "where it comes from."
        )
    listed = [document.get("compressor"), *_items(document.get("filters"))]
    listed += _items(document.get("codecs"))
    while listed:
        codec = listed.pop()
        if codec is None:
            continue
        name = _name(codec)
        if name not in CODECS:
            raise VirtualStainError(
                f"{file}: the pixels are packed with {name!r}, which is not read here; save the "
                "image again, compressed with Blosc or Zstandard."
            )
        inner = codec.get("configuration") if isinstance(codec, Mapping) else None
        if isinstance(inner, Mapping):
            listed += [*_items(inner.get("codecs")), *_items(inner.get("index_codecs"))]


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _name(codec: Any) -> str:
    if isinstance(codec, Mapping):
        codec = codec.get("name", codec.get("id"))
    return str(codec).removeprefix("numcodecs.")
