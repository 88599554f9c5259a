"""Writing OME-Zarr: full resolution in parts, in parallel; then the pyramid, then the metadata."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.image import Image
from napari_virtual_stain.io._atomic_folder import atomic_folder
from napari_virtual_stain.io.ome_zarr.arrays import create_array, open_array
from napari_virtual_stain.io.ome_zarr.chunks import chunk_shape
from napari_virtual_stain.io.ome_zarr.metadata import write_metadata
from napari_virtual_stain.io.ome_zarr.pyramid import write_levels

Version = Literal["0.4", "0.5"]
Key = tuple[int | slice, ...]

NUMBERS = "biuf"
"""Kinds of data types that every reader of OME-Zarr knows."""

BLOCK_BYTES = 64 * 2**20
"""About how much of an image is held while it is copied into a file."""


class ZarrWriter:
    """One OME-Zarr image that is being written.

    Until :meth:`finish` has ended, the folder is not an OME-Zarr: its metadata come last.

    Parameters
    ----------
    folder : Path
        Where the image is to be. Full resolution is created in it, or opened if it is there: what
        an earlier writer has written stays.
    like : Image
        Shape, data type, axes and all that the metadata tell; its pixels are not looked at.
    core : sequence of int
        Sizes, along the last axes, of the parts that will be written. Chunks divide them.
    version : {"0.4", "0.5"}
        Of OME-Zarr: 0.4 is Zarr format 2, which older programs read, 0.5 is Zarr format 3.
    colors : mapping of str to str, optional
        Colours such as ``"00FF00"`` in which viewers show channels, by name; white otherwise.

    Raises
    ------
    VirtualStainError
        If the pixels are no numbers, or if the folder holds an array of another shape, data
        type or chunking.
    """

    def __init__(
        self,
        folder: Path,
        like: Image,
        core: Sequence[int],
        version: Version = "0.5",
        colors: Mapping[str, str] | None = None,
    ) -> None:
        if like.dtype.kind not in NUMBERS:
            raise VirtualStainError(
                f"{like.name}: pixels of the type {like.dtype} cannot be written as OME-Zarr; "
                "convert them to integers or to float."
            )
        self._folder, self._like, self._version = folder, like, version
        self._colors = dict(colors or {})
        chunks = chunk_shape(like.axes, like.shape, like.dtype.itemsize, core)
        path = folder / "0"
        self._array = (
            open_array(path, like.shape, like.dtype, chunks, version)
            if path.exists()
            else create_array(path, like.axes, like.shape, like.dtype, chunks, version)
        )
        self._shared = threading.Lock()

    @property
    def chunks(self) -> tuple[int, ...]:
        """Sizes of the chunks along each axis."""
        chunks: tuple[int, ...] = self._array.chunks
        return chunks

    @property
    def data(self) -> Any:
        """The Zarr array of full resolution."""
        return self._array

    def write(self, key: Key, values: Any) -> None:
        """Write a part of full resolution, all of which is on the disk when this returns.

        Several threads may write different parts at once. Those that consist of whole chunks
        are written in parallel, others one after the other. A chunk is replaced as a whole: a
        process that is killed leaves the old one or the new one.

        Parameters
        ----------
        key : tuple of int or slice
            One for each axis, slices with start and stop.
        values : array
            Of the part's shape.

        Raises
        ------
        OSError
            If the disk is full, or gone.
        """
        if self._whole_chunks(key):
            self._array[key] = values
        else:
            with self._shared:
                self._array[key] = values

    def finish(self) -> None:
        """Write the lower resolutions and the metadata; the folder is then an OME-Zarr.

        Can be stopped (:func:`~napari_virtual_stain.events.raise_if_stopped`), and called again
        after a failure.
        """
        levels = write_levels(self._folder, self._array, self._like, self._version)
        write_metadata(self._folder, self._like, levels, self._version, self._colors)

    def _whole_chunks(self, key: Key) -> bool:
        for part, size, chunk in zip(key, self._array.shape, self._array.chunks, strict=True):
            start, stop, _ = part.indices(size) if isinstance(part, slice) else (part, part + 1, 1)
            if start % chunk or (stop % chunk and stop != size):
                return False
        return True


def write_ome_zarr(
    image: Image,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    version: Version = "0.5",
    colors: Mapping[str, str] | None = None,
) -> Path:
    """Write an image as OME-Zarr, with its lower resolutions.

    Voxel size (in µm), time step (in s), channel names, name and provenance are written with
    the pixels, and :func:`.read_ome_zarr` gives them back. Blocks of about 64 MB are held in
    memory, so `image` may be larger than that.

    Parameters
    ----------
    image : Image
        Pixels of any axes and any type of numbers.
    path : path-like
        The folder, whose name ends in ``.ome.zarr`` or ``.zarr``. Missing parents are created.
    overwrite : bool
        Whether an existing OME-Zarr may be replaced. Another folder never is.
    version, colors
        As for :class:`ZarrWriter`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    VirtualStainError
        If something is there that may not be replaced, if it cannot be written there, or if the
        pixels are no numbers.
    """
    path = Path(path).expanduser()
    with atomic_folder(path, overwrite) as beside:
        block = _block(image)
        writer = ZarrWriter(beside, image, block, version, colors)
        for key in _blocks(image, block):
            raise_if_stopped()
            writer.write(key, np.asarray(image.data[key]))
        writer.finish()
    return path


def _block(image: Image) -> tuple[int, ...]:
    """Return sizes along the spatial axes of what is copied at once: multiples of the chunks."""
    spatial = [image.sizes[axis] for axis in image.axes if axis in "ZYX"]
    leading = len(image.axes) - len(spatial)
    chunk = chunk_shape(image.axes, image.shape, image.dtype.itemsize, spatial)[leading:]
    block = list(chunk)
    # Grown from the fastest axis: what lies together in a file is read together.
    for i in reversed(range(len(block))):
        room = BLOCK_BYTES // (int(np.prod(block)) * image.dtype.itemsize)
        block[i] = min(spatial[i], block[i] * max(1, room))
    return tuple(block)


def _blocks(image: Image, block: Sequence[int]) -> list[Key]:
    steps = [1] * (len(image.axes) - len(block)) + list(block)
    ranges = [
        [slice(i, min(i + step, size)) for i in range(0, size, step)]
        for size, step in zip(image.shape, steps, strict=True)
    ]
    return list(product(*ranges))
