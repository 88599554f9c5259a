"""Files that napari opens through us: OME-TIFF and OME-Zarr as layers, a model in the dock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.layer_data import LayerData

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Reader = Callable[[Paths], list[LayerData]]

NO_LAYERS: list[Any] = [(None,)]
"""What napari takes as: the file has been read, and there is nothing to show of it."""


def get_image_reader(path: Paths) -> Reader | None:
    """Return the reader of OME-TIFF files, or None if one of the paths is none."""
    return read_images if _all_end_with(path, (".ome.tif", ".ome.tiff")) else None


def get_zarr_reader(path: Paths) -> Reader | None:
    """Return the reader of OME-Zarr folders, or None if one of the paths is none.

    A Zarr of another kind is left to other plugins. A plate or the like is taken, so that what to
    open in its place is said.
    """
    from napari_virtual_stain.io.ome_zarr.attributes import is_ome_zarr

    # Not only those of the name: a field of a plate is a folder inside of it.
    taken = _all_end_with(path, ("",)) and all(is_ome_zarr(Path(one)) for one in _listed(path))
    return read_zarrs if taken else None


def get_model_reader(path: Paths) -> Callable[[Paths], list[Any]] | None:
    """Return the reader of model files, or None if one of the paths is none."""
    return open_model if _all_end_with(path, (".safetensors",)) else None


def read_images(path: Paths) -> list[LayerData]:
    """Return the layers of OME-TIFF files, one for each channel of each.

    Raises
    ------
    VirtualStainError
        If a file cannot be read, or its axes cannot be told apart.
    """
    from napari_virtual_stain.gui.layer_data import layer_data
    from napari_virtual_stain.gui.notifications import errors_shown, warnings_shown
    from napari_virtual_stain.io import read_image

    with errors_shown(), warnings_shown():
        return [layer for one in _listed(path) for layer in layer_data(read_image(one))]


def read_zarrs(path: Paths) -> list[LayerData]:
    """Return the multiscale layers of OME-Zarr images, one for each channel of each.

    Raises
    ------
    VirtualStainError
        If one cannot be read, or is a plate or the like, of which an image has to be chosen.
    """
    from napari_virtual_stain.gui.layer_data import multiscale_layer_data
    from napari_virtual_stain.gui.notifications import errors_shown, warnings_shown
    from napari_virtual_stain.io.ome_zarr.reader import read_multiscale

    with errors_shown(), warnings_shown():
        return [
            layer for one in _listed(path) for layer in multiscale_layer_data(read_multiscale(one))
        ]


def open_model(path: Paths) -> list[Any]:
    """Choose a model file in the dock **Predict fluorescence** of the current window.

    Of several files the last is chosen. No layer comes of it.

    Raises
    ------
    VirtualStainError
        If the file is not a model, or if there is no window.
    """
    import napari

    from napari_virtual_stain.gui.commands import open_predict_dock
    from napari_virtual_stain.gui.notifications import errors_shown
    from napari_virtual_stain.io import read_spec

    file = _listed(path)[-1]
    with errors_shown():
        read_spec(file)
        viewer = napari.current_viewer()
        if viewer is None:
            name = os.path.basename(file)
            raise VirtualStainError(
                f"{name} is a model, and there is no napari window to choose it in; open it in "
                "napari, or give it to vstain predict."
            )
        open_predict_dock(viewer).choose_model(file)
    return NO_LAYERS


def _listed(path: Paths) -> list[str]:
    return [os.fspath(one) for one in ([path] if isinstance(path, str | os.PathLike) else path)]


def _all_end_with(path: Any, suffixes: tuple[str, ...]) -> bool:
    """Whether there are paths, and all end so; whatever `path` is, this raises nothing."""
    paths = path if isinstance(path, list | tuple) else [path]
    return bool(paths) and all(
        isinstance(one, str | os.PathLike) and str(one).casefold().endswith(suffixes)
        for one in paths
    )
