"""What kind of file it is, by its content; by its name only where that says more."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.sentences import KNOWN, file_name, unknown
from napari_virtual_stain.io.importing.sources import Source, opened
from napari_virtual_stain.io.importing.tensorflow_bundle import is_part_of_checkpoint
from napari_virtual_stain.io.importing.torch_files import is_torch_file
from napari_virtual_stain.model import StainModel

PICKLE_START = b"\x80"
HDF5_START = b"\x89HDF\r\n\x1a\n"
START_BYTES = 16
FNET_FILE = "model.p"


def import_model(path: str | Path, options: Mapping[str, Any] | None = None) -> StainModel:
    """Import a model from a checkpoint that other code wrote, or from weights alone.

    Parameters
    ----------
    path : path
        A ``model.p`` of pytorch_fnet, or the folder that holds it; a TensorFlow checkpoint of the
        GVTNets' code, by any of its files or the folder that holds it; a PyTorch state dict or
        ``.safetensors`` file of one of our networks; or a model file of ours.
    options : mapping, optional
        Options of the network that the weights do not tell, such as ``{"heads": 2}``. What
        is assumed otherwise is in the notes.

    Returns
    -------
    StainModel
        On the CPU, in evaluation mode. Its specification says what is known of scaling, channels
        and voxel size; ``spec.provenance.notes`` says where each comes from.

    Raises
    ------
    VirtualStainError
        If the file is not one of these, is truncated or damaged, or holds other things than
        weights; if an option contradicts the weights.

    Notes
    -----
    Nothing of the file is executed, and nothing is allocated on its word: what it claims is held
    against its size first.
    """
    path, chosen = Path(path), dict(options or {})
    if os.path.isfile(path / FNET_FILE) and not _has_checkpoint(path):
        path = path / FNET_FILE
    if is_part_of_checkpoint(path):
        from napari_virtual_stain.io.importing.gvtnets import import_gvtnets

        return import_gvtnets(path, chosen)
    with opened(path) as source:
        return _import_file(source, chosen)


def _has_checkpoint(folder: Path) -> bool:
    with suppress(OSError):
        return any(name.endswith(".index") for name in os.listdir(folder))
    return False


def _import_file(source: Source, chosen: Mapping[str, Any]) -> StainModel:
    from napari_virtual_stain.io.importing import state_dicts

    path, start = source.path, source.read(0, min(START_BYTES, source.size))
    if is_torch_file(start):
        return state_dicts.import_torch(source, chosen)
    if start.startswith(PICKLE_START):
        raise VirtualStainError(
            f"{file_name(path)} is a Python pickle that PyTorch did not write. Opening it could "
            f"run code, so it was not opened. Known: {KNOWN}."
        )
    if start.startswith(HDF5_START):
        raise unknown(path, "an HDF5 file, as Keras writes them")
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        return state_dicts.import_safetensors(source, chosen)
    raise unknown(path, "a file of another kind" if start else "empty")
