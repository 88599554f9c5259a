"""Writing OME-TIFF."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.image import AXES, Image, lazily
from napari_virtual_stain.io._atomic import atomic_path
from napari_virtual_stain.io._plain_json import to_json
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


def write_ome_tiff(
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
    fit. Of planes larger than 1024 pixels along Y and X, written in tiles, some rows of tiles
    are held in memory at a time, of others one plane; so `image` may be larger than that.

    Parameters
    ----------
    image : Image
        Pixels of any axes. Axes T, C and Z of length 1 are not told from absent ones when the
        file is read again.
    path : path-like
        The file. Missing folders are created.
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
    dtype = _stored_dtype(image)
    description = _ome_xml(image, dtype).encode()
    tiled = min(image.shape[-2:]) > 2 * TILE
    with (
        atomic_path(path, overwrite) as beside,
        tifffile.TiffWriter(beside, bigtiff=_nbytes(image, dtype) >= BIG_FROM) as tiff,
    ):
        for i, plane in enumerate(_planes(image)):
            raise_if_stopped()
            tiff.write(
                _tiles(plane, dtype) if tiled else np.asarray(plane).astype(dtype, copy=False),
                shape=image.shape[-2:],
                dtype=dtype,
                description=description if i == 0 else None,
                photometric="minisblack",
                compression=compression,
                compressionargs=FASTEST if compression else None,
                tile=(TILE, TILE) if tiled else None,
                metadata=None,
                contiguous=False,
            )
    return path


def _planes(image: Image) -> Iterator[Any]:
    """Yield the planes, as lazy as they are."""
    pixels = lazily(image.data)
    for index in product(*(range(size) for size in image.shape[:-2])):
        yield pixels[index]


def _rows(plane: Any) -> Iterator[np.ndarray]:
    """Yield a plane in rows of tiles, so that it may be larger than memory.

    As many rows are read at once as whole chunks have, and none is read twice.
    """
    chunks = getattr(plane, "chunks", None)
    tall = max(chunks[0]) if chunks else TILE
    tall *= -(-TILE // tall)
    rest = np.empty((0, plane.shape[1]), plane.dtype)
    for start in range(0, plane.shape[0], tall):
        raise_if_stopped()
        rows = np.asarray(plane[start : start + tall])
        rows = np.concatenate([rest, rows]) if len(rest) else rows
        last = start + tall >= plane.shape[0]
        whole = len(rows) if last else len(rows) // TILE * TILE
        for top in range(0, whole, TILE):
            yield rows[top : top + TILE]
        rest = rows[whole:].copy()


def _tiles(plane: Any, dtype: np.dtype[Any]) -> Iterator[np.ndarray]:
    for rows in _rows(plane):
        for left in range(0, rows.shape[1], TILE):
            tile = rows[:, left : left + TILE].astype(dtype, copy=False)
            # tifffile takes whole tiles; what reaches beyond the image is not shown.
            missing = [(0, TILE - size) for size in tile.shape]
            yield np.ascontiguousarray(np.pad(tile, missing))


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
        for rows in _rows(plane):
            low, high = min(low, int(rows.min())), max(high, int(rows.max()))
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
            value=to_json(image.provenance),
        )
        ome.structured_annotations = model.StructuredAnnotations(comment_annotations=[note])
        ome.images[0].annotation_refs.append(model.AnnotationRef(id=note.id))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{to_xml(ome, indent=0)}'


def _xml_text(text: str) -> str:
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
