"""Pixels of a TIFF file that are read when they are asked for."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError

CHUNK_BYTES = 4 * 2**20
"""About how much is read at once: whole strips or tiles of one plane."""


def lazy_array(series: Any, file: str) -> Any:
    """Return a Dask array of the pixels of `series`, full resolution, with all its dimensions.

    Dask rather than Zarr, so that choosing a channel or cropping reads nothing yet.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        Its TiffFile may be closed afterwards.
    file : str
        The file's name, for the sentences.
    """
    import dask.array as da

    source = _Source(series, file)
    spatial = [i for i, axis in enumerate(series.get_axes(squeeze=False)) if axis in "YX"]
    chunks = grow(source.chunks, source.shape, source.dtype.itemsize, spatial)
    return da.from_array(source, chunks=chunks, name=False, fancy=False)


class _Source:
    """An array on disk with NumPy's basic slicing. It holds no file open between two readings."""

    def __init__(self, series: Any, file: str) -> None:
        import zarr

        # A store decodes strips and tiles itself, and opens its files again when they are closed.
        self._store = series.aszarr(level=0, squeeze=False)
        self._array: Any = zarr.open_array(self._store, mode="r")
        self._file = file
        paths = {page.parent.filehandle.path for page in series if page is not None}
        self._signatures = {path: _signature(path) for path in paths}
        self.shape: tuple[int, ...] = self._array.shape
        self.chunks: tuple[int, ...] = self._array.chunks
        self.dtype: np.dtype[Any] = self._array.dtype
        self.ndim: int = self._array.ndim

    def __getitem__(self, key: Any) -> np.ndarray:
        try:
            # Offsets are those of the file as it was opened: in another one they mean nothing.
            if any(_signature(path) != known for path, known in self._signatures.items()):
                raise VirtualStainError(
                    f"{self._file}: the file has changed since it was opened; open it again."
                )
            return np.asarray(self._array[key])
        except (VirtualStainError, MemoryError):
            raise
        except OSError as error:
            raise VirtualStainError(
                f"{self._file}: the file could be opened but not read ({error.strerror or error}); "
                "is its disk still there?"
            ) from error
        except Exception as error:  # each codec raises its own kind on damaged data
            raise VirtualStainError(
                f"{self._file}: a part of the file is damaged and cannot be read ({error}); copy "
                "the file again from where it comes from."
            ) from error
        finally:
            self._store.close()


def grow(
    stored: Sequence[int], shape: Sequence[int], itemsize: int, axes: Sequence[int]
) -> tuple[int, ...]:
    """Double the stored chunk along `axes` until it has about `CHUNK_BYTES`."""
    chunk = list(stored)
    while 2 * math.prod(chunk) * itemsize <= CHUNK_BYTES:
        short = [i for i in axes if chunk[i] < shape[i]]
        if not short:
            break
        chunk[min(short, key=lambda i: chunk[i])] *= 2
    return tuple(min(c, n) for c, n in zip(chunk, shape, strict=True))


def _signature(path: str) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns
