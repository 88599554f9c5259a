"""Images from files and to files, whatever the format."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.io.tiff import LAZY_ABOVE, read_tiff


def read_image(
    path: str | os.PathLike[str],
    *,
    axes: str | None = None,
    name: str | None = None,
    lazy_above: int = LAZY_ABOVE,
) -> Image:
    """Read a TIFF or OME-TIFF file, or an OME-Zarr.

    Axes T, C and Z of length 1 are dropped; the name of the only channel stays in ``channels``.

    Parameters
    ----------
    path : path-like
        The file, or the folder of an OME-Zarr.
    axes : str, optional
        What the stored dimensions of a TIFF are, slowest first, such as ``"ZCYX"``, where the
        file does not say or is wrong. An OME-Zarr always says.
    name : str, optional
        Name of the image; by default that of the file without ``.ome.tif`` or ``.ome.zarr``.
    lazy_above : int
        Bytes of pixels above which those of a TIFF are a Dask array that reads from the file when
        it is computed; those of an OME-Zarr always are.

    Returns
    -------
    Image
        Its data type is that of the file, in the machine's byte order.

    Raises
    ------
    VirtualStainError
        If the file is missing, damaged, in colour or of another format, or if its axes cannot be
        told apart.

    Warns
    -----
    VirtualStainWarning
        If something was assumed (:func:`.read_tiff` and :func:`.read_ome_zarr` say what).
    """
    if re.match(r"[a-z][a-z0-9+]+:/", str(path)):
        raise VirtualStainError(
            f"{path} is an address, and images are read from disks; download it first."
        )
    folder = Path(path).expanduser()
    if not (folder.is_dir() or folder.suffix.lower() == ".zarr"):
        return read_tiff(path, axes=axes, name=name, lazy_above=lazy_above)
    if axes is not None:
        raise VirtualStainError(
            f"{folder.name}: an OME-Zarr names its axes itself; leave out axes={axes!r} (on the "
            f"command line --axes {axes})."
        )
    from napari_virtual_stain.io.ome_zarr.reader import read_ome_zarr

    return read_ome_zarr(path, name)


def write_image(
    image: Image,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    compression: Literal["zlib"] | None = "zlib",
) -> Path:
    """Write an image as OME-TIFF or OME-Zarr, as the name says.

    Voxel size (in µm), channel names, time step and provenance are written with the pixels, and
    :func:`read_image` gives them back. Little of it is held in memory at a time, so `image` may
    be larger than that.

    Parameters
    ----------
    image : Image
        Pixels of any axes. Axes T, C and Z of length 1 are not told from absent ones when the
        file is read again.
    path : path-like
        A name that ends in ``.ome.tif``, ``.ome.tiff``, ``.tif`` or ``.tiff``, or in
        ``.ome.zarr`` or ``.zarr``. Missing folders are created.
    overwrite : bool
        Whether an existing image of that name may be replaced.
    compression : {"zlib", None}
        Of an OME-TIFF: lossless, and read by every TIFF reader; or none.

    Returns
    -------
    Path
        The file, or the folder of the OME-Zarr.

    Raises
    ------
    VirtualStainError
        If it exists and `overwrite` is false, if it cannot be written there, or if its pixels
        have a type that the format lacks.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".zarr":
        from napari_virtual_stain.io.ome_zarr.writer import write_ome_zarr

        return write_ome_zarr(image, path, overwrite=overwrite)
    if suffix not in (".tif", ".tiff"):
        raise VirtualStainError(
            f"{Path(path).name}: images are written as OME-TIFF or OME-Zarr; choose a name that "
            "ends in .ome.tif or .ome.zarr."
        )
    from napari_virtual_stain.io.ome_tiff import write_ome_tiff

    return write_ome_tiff(image, path, overwrite=overwrite, compression=compression)
