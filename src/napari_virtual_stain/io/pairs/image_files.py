"""The images in a folder: TIFF files and OME-Zarrs."""

from __future__ import annotations

from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._names import image_name


def image_files(folder: Path) -> dict[str, Path]:
    """Return the TIFF files and OME-Zarrs of a folder, keyed by image name and sorted by it.

    Raises
    ------
    VirtualStainError
        If two of them have one name.
    """
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if not is_image(file):
            continue
        twin = found.setdefault(image_name(file), file)
        if twin is not file:
            raise VirtualStainError(
                f"the folder {folder.name!r} holds {twin.name} and {file.name}, and it cannot be "
                "told which of them is meant; rename one or take it away."
            )
    return dict(sorted(found.items()))


def is_store(path: Path) -> bool:
    """Whether a path is that of an OME-Zarr, by its name or by what is in it."""
    from napari_virtual_stain.io.ome_zarr.attributes import is_ome_zarr

    return path.is_dir() and (path.suffix.lower() == ".zarr" or is_ome_zarr(path))


def is_image(file: Path) -> bool:
    """Whether a path is that of a TIFF file or an OME-Zarr, by its name."""
    # macOS leaves files such as ._a.tif beside those it copies.
    if file.name.startswith("."):
        return False
    suffix = file.suffix.lower()
    return file.is_file() if suffix in (".tif", ".tiff") else suffix == ".zarr" and file.is_dir()
