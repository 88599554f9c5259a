"""Layers that napari saves through us, with voxel size, channel names and provenance.

They become OME-TIFF or OME-Zarr, as the name of the file says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.layer_data import LABELS

Layers = Sequence[tuple[Any, Mapping[str, Any], str]]


def write_images(path: str | os.PathLike[str], layers: Layers) -> list[str]:
    """Write image layers as one OME-TIFF or OME-Zarr, one channel for each, in their order.

    Parameters
    ----------
    path : path-like
        ``.ome.tif`` is put behind a name that is neither one of a TIFF nor of a Zarr. An existing
        file is replaced (napari has asked whether it may be) when the new one is complete; of
        folders, only an OME-Zarr is.
    layers : sequence of (data, attributes, type)
        Layers of one size that lie on top of each other. Lazy ones are written part by part.

    Returns
    -------
    list of str
        The file.

    Raises
    ------
    OSError
        If the layers make no channels of one image, or if the file cannot be written. (napari
        takes a ValueError, which a VirtualStainError is, for "there is no such writer".)
    """
    return _write(path, layers, {})


def write_labels(path: str | os.PathLike[str], layers: Layers) -> list[str]:
    """Write labels layers as one OME-TIFF or OME-Zarr, which is read as labels again.

    Parameters, result and errors are those of :func:`write_images`.
    """
    return _write(path, layers, {LABELS: True})


def _write(
    path: str | os.PathLike[str], layers: Layers, provenance: Mapping[str, Any]
) -> list[str]:
    from napari_virtual_stain.gui.from_layer_data import image_of_layers
    from napari_virtual_stain.gui.notifications import warnings_shown
    from napari_virtual_stain.gui.sentences import sentence
    from napari_virtual_stain.io import write_image
    from napari_virtual_stain.io._names import image_name

    path = Path(path)
    # With another suffix it is no longer the file about which napari's dialog has asked.
    asked = path.suffix.casefold() in (".tif", ".tiff", ".zarr")
    if not asked:
        path = path.with_name(f"{path.name}.ome.tif")
    contents = [(data, attributes) for data, attributes, _ in layers]
    try:
        with warnings_shown():
            image = image_of_layers(contents, image_name(path))
            image = image.replace(provenance={**image.provenance, **provenance})
            return [str(write_image(image, path, overwrite=asked))]
    except VirtualStainError as error:
        raise OSError(sentence(str(error))) from error
