"""What kind of file it is, by its content; by its name only where that says more."""

from __future__ import annotations

from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.sentences import KNOWN, unknown, unreadable
from napari_virtual_stain.io.importing.tensorflow_bundle import is_part_of_checkpoint
from napari_virtual_stain.io.importing.torch_files import is_torch_file
from napari_virtual_stain.model import StainModel

PICKLE_START = b"\x80"
HDF5_START = b"\x89HDF\r\n\x1a\n"
START_BYTES = 16


def import_model(path: str | Path) -> StainModel:
    """Import a model from a checkpoint that other code wrote, or from weights alone.

    Parameters
    ----------
    path : path
        A ``model.p`` of pytorch_fnet; a TensorFlow checkpoint of the GVTNets' code, by any
        of its files or the folder that holds it; a PyTorch state dict or ``.safetensors`` file of
        one of our networks; or a model file of ours.

    Returns
    -------
    StainModel
        On the CPU, in evaluation mode. Its specification says what is known of scaling, channels
        and voxel size; ``spec.provenance.notes`` says where each comes from.

    Raises
    ------
    VirtualStainError
        If the file is not one of these, is truncated or damaged, or could run code.

    Notes
    -----
    Nothing of the file is executed, and nothing is allocated on its word: what it claims is held
    against its size first.
    """
    path = Path(path)
    if is_part_of_checkpoint(path):
        from napari_virtual_stain.io.importing.gvtnets import import_gvtnets

        return import_gvtnets(path)
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError as error:
        raise unreadable(path, error) from None
    from napari_virtual_stain.io.importing import state_dicts

    if is_torch_file(start):
        return state_dicts.import_torch(path)
    if start.startswith(PICKLE_START):
        raise VirtualStainError(
            f"{path.name} is a Python pickle that PyTorch did not write. Opening it could run "
            f"code, so it was not opened. Known: {KNOWN}."
        )
    if start.startswith(HDF5_START):
        raise unknown(path, "an HDF5 file, as Keras writes them")
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        return state_dicts.import_safetensors(path)
    raise unknown(path, "a file of another kind" if start else "empty")
