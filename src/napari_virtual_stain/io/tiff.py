"""Reading TIFF and OME-TIFF."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.image import Image
from napari_virtual_stain.io._axes import UNNAMED, Layout, find_layout
from napari_virtual_stain.io._names import image_name
from napari_virtual_stain.io._tiff_checks import (
    check_directories,
    check_file,
    check_pixels,
    check_planes,
    plain_errors,
)
from napari_virtual_stain.io._tiff_metadata import (
    Metadata,
    from_imagej,
    from_ome,
    from_resolution,
    plausible,
)

LAZY_ABOVE = 64 * 2**20
"""Bytes of pixels above which they are read only when they are asked for."""

# Said in our own sentences. Without a handler Python would print them on stderr as well.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read_tiff(
    path: str | os.PathLike[str],
    *,
    axes: str | None = None,
    name: str | None = None,
    lazy_above: int = LAZY_ABOVE,
) -> Image:
    """Read a TIFF or OME-TIFF file.

    Axes, voxel size, channel names and time step are taken from OME-XML, from ImageJ's
    description or from the TIFF tags. Axes T, C and Z of length 1 are dropped; the name of the
    only channel stays in ``channels``. Of several images in one file the largest is read, and of
    a pyramid its full resolution.

    Parameters
    ----------
    path : path-like
        The file.
    axes : str, optional
        What the stored dimensions are, slowest first, such as ``"ZCYX"``, where the file does
        not say or is wrong. Those of length 1 may be left out. The samples of a colour image
        are read as channels where they are named here, and only then.
    name : str, optional
        Name of the image; by default that of the file without ``.ome.tif``.
    lazy_above : int
        Bytes of pixels above which ``data`` is a Dask array that reads from the file when it is
        computed; below, it is a NumPy array.

    Returns
    -------
    Image
        Its data type is that of the file, in the machine's byte order.

    Raises
    ------
    VirtualStainError
        If the file is missing, unreadable, not a TIFF, damaged, truncated or in colour, or if its
        axes cannot be told apart.

    Warns
    -----
    VirtualStainWarning
        If an unnamed axis is taken as Z, if the file holds several images, or if its voxel size
        is no microscope's.
    """
    import tifffile

    path = Path(path).expanduser()
    check_file(path)
    file = path.name
    with plain_errors(file), tifffile.TiffFile(path) as tiff:
        check_directories(tiff, file)
        all_series = tiff.series
        if not all_series:
            raise VirtualStainError(f"{file}: the file holds no image.")
        # The largest: a thumbnail, a label or an overview may stand first.
        series = max(all_series, key=lambda s: s.size)
        check_pixels(series, axes, file)
        check_planes(tiff, series, file)
        shape, stored_axes = series.get_shape(squeeze=False), series.get_axes(squeeze=False)
        layout = find_layout(stored_axes, shape, axes, file)
        metadata = _metadata(tiff, series)
        if series.nbytes > lazy_above:
            from napari_virtual_stain.io._lazy import lazy_array

            data = lazy_array(series, file)
        else:
            data = np.asarray(series.asarray()).reshape(shape)
            data = data.astype(data.dtype.newbyteorder("="), copy=False)
    texts = _assumptions(layout, dict(zip(stored_axes, shape, strict=True)), metadata)
    if len(all_series) > 1:
        texts.append(f"the file holds {len(all_series)} images; the largest of them is read")
    for text in texts:
        warnings.warn(f"{file}: {text}.", VirtualStainWarning, stacklevel=2)
    return _assemble(layout.apply(data), layout.axes, metadata, name or image_name(path))


def _assemble(data: Any, axes: str, metadata: Metadata, name: str) -> Image:
    n_channels = data.shape[axes.index("C")] if "C" in axes else 1
    return Image(
        data,
        axes,
        voxel_size={
            axis: size
            for axis, size in metadata.voxel_size.items()
            if axis in axes and plausible(size)
        },
        channels=metadata.channels if len(metadata.channels) == n_channels else (),
        time_step=metadata.time_step if "T" in axes else None,
        name=name,
        provenance=metadata.provenance,
    )


def _metadata(tiff: Any, series: Any) -> Metadata:
    if series.kind == "ome":
        index = next(i for i, other in enumerate(tiff.series) if other is series)
        return from_ome(tiff.ome_metadata, index, len(tiff.series), series.name)
    if series.kind == "imagej":
        return from_imagej(tiff.imagej_metadata or {}, series.keyframe.tags)
    return Metadata(voxel_size=from_resolution(series.keyframe.tags))


def _assumptions(layout: Layout, sizes: dict[str, int], metadata: Metadata) -> list[str]:
    texts = []
    if layout.assumed:
        planes = next(n for axis, n in sizes.items() if axis in UNNAMED and n > 1)
        texts.append(
            f"the file does not say what its {planes} planes are; they are taken as a z stack. Say "
            'otherwise with axes="TYX" or axes="CYX" (on the command line --axes TYX)'
        )
    odd = [
        f"{size:g} µm along {axis}"
        for axis, size in metadata.voxel_size.items()
        if axis in layout.axes and not plausible(size)
    ]
    if odd:
        texts.append(
            f"the file gives a voxel size of {' and '.join(odd)}, which no microscope has; it is "
            "ignored"
        )
    return texts
