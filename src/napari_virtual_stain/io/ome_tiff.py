"""Writing OME-TIFF."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.image import AXES, Image
from napari_virtual_stain.io._atomic import atomic_path
from napari_virtual_stain.io._tiff_metadata import PROVENANCE

PIXEL_TYPES = {
    "uint8": "uint8", "int8": "int8", "uint16": "uint16", "int16": "int16", "uint32": "uint32",
    "int32": "int32", "float32": "float", "float64": "double",
}  # fmt: skip
"""OME's names for the data types that it knows."""

REPLACEMENTS = {"bool": "uint8", "float16": "float32"}
"""Data types that OME does not know, and the next larger one that it knows."""

BIG_FROM = 2**32 - 2**25
"""Bytes of pixels from which a file is a BigTIFF; the rest of 4 GiB is for the tags."""

TILE = 512
"""Side of the square tiles of planes that are larger than four of them."""

FASTEST = {"level": 1}
"""Of zlib. On camera images level 6, the default, takes 2 to 9 times as long and saves nothing."""

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""


def write_image(
    image: Image,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    compression: Literal["zlib"] | None = "zlib",
) -> Path:
    """Write an image as OME-TIFF.

    Voxel size (in µm), channel names, time step, name and provenance (as JSON in an annotation
    of the namespace ``napari-virtual-stain/provenance``) are written with the pixels, and
    :func:`~napari_virtual_stain.io.read_image` gives them back. The data type is kept where OME
    knows it; bool becomes uint8, float16 float32, and 64-bit integers become 32-bit ones if they
    fit. One plane at a time is held in memory, so `image` may be larger than that.

    Parameters
    ----------
    image : Image
        Pixels of any axes. Axes T, C and Z of length 1 are not told from absent ones when the
        file is read again.
    path : path-like
        A name that ends in ``.ome.tif``, ``.ome.tiff``, ``.tif`` or ``.tiff``. Missing folders
        are created.
    overwrite : bool
        Whether an existing file may be replaced.
    compression : {"zlib", None}
        Lossless, and read by every TIFF reader; or none.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    VirtualStainError
        If the file exists and `overwrite` is false, if it cannot be written there, or if its
        pixels have a type that OME-TIFF lacks.
    """
    import tifffile

    path = Path(path).expanduser()
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise VirtualStainError(
            f"{path.name}: images are written as OME-TIFF; choose a name that ends in .ome.tif."
        )
    dtype = _stored_dtype(image)
    description = _ome_xml(image, dtype).encode()
    large = min(image.shape[-2:]) > 2 * TILE
    with (
        atomic_path(path, overwrite) as beside,
        tifffile.TiffWriter(beside, bigtiff=_nbytes(image, dtype) >= BIG_FROM) as tiff,
    ):
        for i, plane in enumerate(_planes(image)):
            raise_if_stopped()
            tiff.write(
                plane.astype(dtype, copy=False),
                description=description if i == 0 else None,
                photometric="minisblack",
                compression=compression,
                compressionargs=FASTEST if compression else None,
                tile=(TILE, TILE) if large else None,
                metadata=None,
                contiguous=False,
            )
    return path


def _planes(image: Image) -> Iterator[np.ndarray]:
    for index in product(*(range(size) for size in image.shape[:-2])):
        yield np.asarray(image.data[index])


def _nbytes(image: Image, dtype: np.dtype[Any]) -> int:
    return int(np.prod(image.shape, dtype=np.int64)) * dtype.itemsize


def _stored_dtype(image: Image) -> np.dtype[Any]:
    name = image.dtype.name
    name = REPLACEMENTS.get(name, name)
    if name in PIXEL_TYPES:
        return np.dtype(name)
    if name not in ("int64", "uint64"):
        raise VirtualStainError(
            f"{image.name}: pixels of the type {name} cannot be written as OME-TIFF; convert them "
            "to integers of up to 32 bits or to float."
        )
    low, high = 0, 0
    for plane in _planes(image):
        low, high = min(low, int(plane.min())), max(high, int(plane.max()))
    for candidate in ("int32", "uint32"):
        limits = np.iinfo(candidate)
        if limits.min <= low and high <= limits.max:
            return np.dtype(candidate)
    raise VirtualStainError(
        f"{image.name}: the pixels reach from {low} to {high}, and OME-TIFF holds integers of 32 "
        "bits; convert them to float."
    )


def _ome_xml(image: Image, dtype: np.dtype[Any]) -> str:
    from ome_types import OME, model, to_xml

    sizes = {axis: image.sizes.get(axis, 1) for axis in AXES}
    lengths: dict[str, Any] = {
        f"physical_size_{axis.lower()}": size for axis, size in image.voxel_size.items()
    }
    lengths |= {f"{field}_unit": model.UnitsLength.MICROMETER for field in list(lengths)}
    if image.time_step is not None and "T" in image.axes:
        lengths |= {
            "time_increment": image.time_step,
            "time_increment_unit": model.UnitsTime.SECOND,
        }
    names = image.channels or (None,) * image.n_channels
    pixels = model.Pixels(
        id="Pixels:0",
        # OME counts from the fastest axis.
        dimension_order=model.Pixels_DimensionOrder(AXES[::-1]),
        type=model.PixelType(PIXEL_TYPES[dtype.name]),
        **{f"size_{axis.lower()}": size for axis, size in sizes.items()},
        **lengths,
        channels=[
            model.Channel(
                id=f"Channel:0:{i}", samples_per_pixel=1, name=None if n is None else _xml_text(n)
            )
            for i, n in enumerate(names)
        ],
        tiff_data_blocks=[model.TiffData(ifd=0, plane_count=sizes["T"] * sizes["C"] * sizes["Z"])],
    )
    ome = OME(images=[model.Image(id="Image:0", name=_xml_text(image.name), pixels=pixels)])
    if image.provenance:
        note = model.CommentAnnotation(
            id="Annotation:0",
            namespace=PROVENANCE,
            value=json.dumps(dict(image.provenance), default=_plain),
        )
        ome.structured_annotations = model.StructuredAnnotations(comment_annotations=[note])
        ome.images[0].annotation_refs.append(model.AnnotationRef(id=note.id))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{to_xml(ome, indent=0)}'


def _xml_text(text: str) -> str:
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _plain(value: Any) -> Any:
    """Return a NumPy scalar or a mapping as JSON knows it, anything else as its text."""
    if isinstance(value, np.generic):
        return value.item()
    return dict(value) if isinstance(value, Mapping) else str(value)
