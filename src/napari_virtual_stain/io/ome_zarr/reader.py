"""Reading OME-Zarr."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.image import Image
from napari_virtual_stain.io._names import image_name
from napari_virtual_stain.io._tiff_metadata import plausible
from napari_virtual_stain.io.ome_zarr.attributes import Attributes, read_attributes
from napari_virtual_stain.io.ome_zarr.metadata import Limits, Metadata, read_metadata
from napari_virtual_stain.io.ome_zarr.stored import lazy_level


@dataclass(frozen=True, eq=False)
class Multiscale:
    """An image at several resolutions, and how its file wants it shown.

    Parameters
    ----------
    image : Image
        Full resolution.
    levels : tuple of Dask arrays
        Each resolution, with the axes of the image, the full one first.
    offset : tuple of float
        Where the image begins along each axis, in µm and s, or pixels where the size is unknown.
    colors, windows : tuple
        Hexadecimal colour and display limits of each channel, None where the file gives none.
    """

    image: Image
    levels: tuple[Any, ...]
    offset: tuple[float, ...]
    colors: tuple[str | None, ...]
    windows: tuple[Limits | None, ...]


def read_ome_zarr(path: str | os.PathLike[str], name: str | None = None) -> Image:
    """Read an image from an OME-Zarr of version 0.4 or 0.5, at full resolution.

    Axes T, C and Z of length 1 are dropped; the name of the only channel stays in ``channels``.

    Parameters
    ----------
    path : path-like
        The folder. Of what bioformats2raw has made of a file with one image, the outer one will
        do.
    name : str, optional
        Name of the image; by default that of the folder without ``.ome.zarr``.

    Returns
    -------
    Image
        Its ``data`` is a Dask array that reads from the folder when it is computed. Parts of the
        image that were never written are 0, or what the file says instead.

    Raises
    ------
    VirtualStainError
        If it is missing, damaged, no OME-Zarr, one of another version or axes, or a plate, a
        well or a collection, of which one image has to be chosen.

    Warns
    -----
    VirtualStainWarning
        If the voxel size is no microscope's.
    """
    folder, attributes, file = _open(path)
    metadata = read_metadata(attributes, file)
    data = lazy_level(folder, metadata.paths[0], len(metadata.axes), file)
    return _image(data, metadata, name or image_name(path), file)[0]


def levels(path: str | os.PathLike[str]) -> list[Any]:
    """Return every resolution of an OME-Zarr as a Dask array, the full one first.

    Parameters and errors are those of :func:`read_ome_zarr`, and the axes are those of its image.
    """
    return list(read_multiscale(path).levels)


def read_multiscale(path: str | os.PathLike[str]) -> Multiscale:
    """Read an image with its lower resolutions and the way in which it wants to be shown.

    Parameters, warnings and errors are those of :func:`read_ome_zarr`.
    """
    folder, attributes, file = _open(path)
    metadata = read_metadata(attributes, file)
    stored = [lazy_level(folder, one, len(metadata.axes), file) for one in metadata.paths]
    image, key = _image(stored[0], metadata, image_name(path), file)
    known = metadata if len(metadata.labels) == image.n_channels else None
    nothing = (None,) * image.n_channels
    return Multiscale(
        image,
        tuple(level[key] for level in stored),
        tuple(metadata.offset[axis] for axis in image.axes),
        known.colors if known else nothing,
        known.windows if known else nothing,
    )


def _open(path: str | os.PathLike[str]) -> tuple[Path, Attributes, str]:
    """Return the folder of the image, its attributes and what it is called in sentences."""
    folder = Path(path).expanduser()
    file = folder.name
    if not folder.is_dir():
        missing = not os.path.lexists(folder)
        raise VirtualStainError(
            f"there is no folder {folder}; check its name and place."
            if missing
            else f"{folder} is a file; an OME-Zarr is a folder. Unpack it first, if it is packed."
        )
    attributes = read_attributes(folder)
    if attributes is not None and attributes.kind == "series":
        inner = sorted(one.name for one in folder.iterdir() if one.name.isdigit())
        if inner == ["0"]:
            folder = folder / "0"
            attributes = read_attributes(folder)
    if attributes is None or attributes.kind != "image":
        raise VirtualStainError(_instead(folder, attributes))
    return folder, attributes, file


def _instead(folder: Path, attributes: Attributes | None) -> str:
    """Return why a folder is not an image, and what to open in its place."""
    kind, ome = (attributes.kind, attributes.ome) if attributes else ("other", {})
    if kind == "plate":
        return (
            f"{folder.name} is a plate; open one field of one of its wells, such as "
            f"{folder / _first(ome['plate'], 'wells', 'A/1') / '0'}."
        )
    if kind == "well":
        return (
            f"{folder.name} is a well; open one of its fields, such as "
            f"{folder / _first(ome['well'], 'images', '0')}."
        )
    if kind == "labels":
        names = [name for name in ome["labels"] if isinstance(name, str)]
        return (
            f"{folder.name} is a list of labels; open one of them, such as "
            f"{folder / (names[0] if names else 'nuclei')}, or their image, {folder.parent}."
        )
    if kind == "series":
        return f"{folder.name} holds several images; open one of them, such as {folder / '0'}."
    return (
        f"{folder} is a folder, but no OME-Zarr of version 0.4 or 0.5; choose an image file in it, "
        "or the folder whose name ends in .ome.zarr."
    )


def _first(content: Any, key: str, otherwise: str) -> str:
    listed = content.get(key) if isinstance(content, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else None
    path = first.get("path") if isinstance(first, dict) else None
    return path if isinstance(path, str) else otherwise


def _image(data: Any, metadata: Metadata, name: str, file: str) -> tuple[Image, tuple[Any, ...]]:
    """Return stored pixels as an image, and the key that takes its axes from what is stored."""
    sizes = dict(zip(metadata.axes, data.shape, strict=True))
    axes = "".join(axis for axis, size in sizes.items() if size > 1 or axis in "YX")
    key = tuple(slice(None) if axis in axes else 0 for axis in metadata.axes)
    steps = {axis: step for axis, step in metadata.steps.items() if axis in axes}
    odd = [
        f"{step:g} µm along {axis}"
        for axis, step in steps.items()
        if axis in "ZYX" and not plausible(step)
    ]
    if odd:
        warnings.warn(
            f"{file}: the file gives a voxel size of {' and '.join(odd)}, which no microscope has; "
            "it is ignored.",
            VirtualStainWarning,
            stacklevel=3,
        )
    count = sizes["C"] if "C" in axes else 1
    labels = [label or f"channel {i}" for i, label in enumerate(metadata.labels, 1)]
    image = Image(
        data[key],
        axes,
        voxel_size={a: step for a, step in steps.items() if a in "ZYX" and plausible(step)},
        channels=labels if len(labels) == count and any(metadata.labels) else (),
        time_step=steps.get("T"),
        name=name,
        provenance=metadata.provenance,
    )
    return image, key
