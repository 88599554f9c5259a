"""Checkpoints of the GVTNets' TensorFlow code: their variables, renamed and turned.

What the network is follows from which variables there are and from their shapes. The states of
the optimizer, two thirds of such a file, are neither needed nor read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.io.importing.assembly import assemble
from napari_virtual_stain.io.importing.gvtnet_names import our_names
from napari_virtual_stain.io.importing.network_options import recognized
from napari_virtual_stain.io.importing.recognized import Recognized
from napari_virtual_stain.io.importing.sentences import not_imported, some, unknown
from napari_virtual_stain.io.importing.specification import (
    LABEL_FREE,
    folder_name,
    specification,
)
from napari_virtual_stain.io.importing.tensorflow_bundle import Checkpoint, open_checkpoint
from napari_virtual_stain.io.importing.tensors import Stored
from napari_virtual_stain.model import StainModel

if TYPE_CHECKING:
    import torch

# The states of the optimizer, and counters.
NOT_WEIGHTS = re.compile(r".*/Adam(_1)?|beta[12]_power|(.*/)?global_step")

PUBLISHED = "model.ckpt-pretrained"
"""What the files of the published checkpoints are called."""

LABEL_FREE_VOXEL_SIZE = 0.29


def import_gvtnets(path: Path, chosen: Mapping[str, Any]) -> StainModel:
    """Return the model that a checkpoint of the GVTNets' code holds.

    Parameters
    ----------
    path : Path
        A file of the checkpoint, or the folder of it.
    chosen : mapping
        Options of the network that its weights do not tell.

    Raises
    ------
    VirtualStainError
        If the checkpoint cannot be read, or is not of such a network.
    """
    with open_checkpoint(path) as checkpoint:
        data = checkpoint.data.path
        wanted = [name for name in checkpoint.variables if not NOT_WEIGHTS.fullmatch(name)]
        names = our_names(wanted)
        foreign = [name for name in wanted if name not in names]
        if foreign or not wanted:
            raise unknown(
                data, f"a TensorFlow checkpoint of another network, {some('variables', foreign)}"
            )
        if len(set(names.values())) < len(names):
            raise not_imported(
                data,
                "its network has more than one block at its bottom, which is not supported.",
            )
        checkpoint.check_kinds(names)
        state = {ours: _stored(checkpoint, theirs) for theirs, ours in names.items()}
        found = recognized(state, chosen)
        if found is None:
            raise unknown(data, f"a part of a GVTNet, {some('variables', wanted)}")
        spec, notes = _described(data, found)
        return assemble([checkpoint.index, checkpoint.data], state, spec, notes)


def _described(data: Path, found: Recognized) -> tuple[dict[str, Any], list[str]]:
    """Return the specification and what is to be noted about it."""
    prefix = data.name.partition(".data-")[0]
    published, sample = prefix == PUBLISHED, _sample(data)
    label_free = found.network == "gvtnet" and found.options["ndim"] == 3
    notes, voxel_size = [found.assumed], None
    if label_free and published:
        voxel_size = dict.fromkeys("ZYX", LABEL_FREE_VOXEL_SIZE)
        notes.append(
            f"The file has the name of the published checkpoints, which learned at "
            f"{LABEL_FREE_VOXEL_SIZE} µm along Z, Y and X; that is the voxel size."
        )
    elif label_free:
        notes.append(
            "The voxel size is not known; the published label-free networks learned at "
            f"{LABEL_FREE_VOXEL_SIZE} µm along Z, Y and X."
        )
    spec = specification(
        data,
        found,
        name=f"{found.network} {sample}" if sample else folder_name(data),
        roles=LABEL_FREE,
        outputs=[sample] if sample and label_free else [],
        voxel_size=voxel_size,
    )
    if published:
        spec["provenance"] = {
            "licence": "GPL-3.0, if this is a checkpoint that the authors published",
            "attribution": "Wang et al., Nature Machine Intelligence 3 (2021)",
        }
    return spec, notes


def _sample(data: Path) -> str:
    """Return what the network is for, where the folders are named as the authors' code does."""
    folders = Path(os.path.realpath(data)).parents  # SAMPLE/models/NETWORK/
    return folders[2].name if len(folders) > 2 and folders[1].name == "models" else ""


def _stored(checkpoint: Checkpoint, name: str) -> Stored:
    """Return a kernel (spatial …, in, out) as (out, in, spatial …), anything else as it is.

    Kernels of transposed convolutions are stored as (spatial …, out, in), and PyTorch wants
    (in, out, spatial …): the same permutation.
    """
    variable = checkpoint.variables[name]
    axes = range(len(variable.shape))
    order = (*axes[:-3:-1], *axes[:-2]) if len(axes) > 1 else tuple(axes)

    def read() -> torch.Tensor:
        import torch

        return torch.from_numpy(checkpoint.read(name).transpose(order).copy())

    return Stored(tuple(variable.shape[axis] for axis in order), variable.size, read)
