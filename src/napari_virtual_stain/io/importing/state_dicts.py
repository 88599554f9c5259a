"""Weights of our own networks without a specification: PyTorch state dicts and bare files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_virtual_stain.io.importing.assembly import assemble
from napari_virtual_stain.io.importing.network_options import recognized
from napari_virtual_stain.io.importing.pytorch_fnet import import_fnet, is_fnet
from napari_virtual_stain.io.importing.sentences import damaged, unknown, unreadable
from napari_virtual_stain.io.importing.specification import specification
from napari_virtual_stain.io.importing.tensors import described, tensors_of
from napari_virtual_stain.io.importing.torch_files import load_torch
from napari_virtual_stain.io.model_file import lacks_specification, load_model_file
from napari_virtual_stain.model import StainModel

WRAPPERS = ("state_dict", "model", "model_state_dict", "network")
"""Keys under which training scripts keep a state dict beside other things."""

UNSAID = (
    "The weights came without a specification: channels, scaling and voxel size are those that "
    "are usual for the network, or unknown."
)


def import_torch(path: Path) -> StainModel:
    """Return the model of a file of ``torch.save``.

    Raises
    ------
    VirtualStainError
        If the file cannot be loaded safely, or holds no network that is known.
    """
    content = load_torch(path)
    if not isinstance(content, Mapping):
        raise unknown(path, f"a PyTorch file that holds one object ({type(content).__name__})")
    if is_fnet(content):
        return import_fnet(path, content)
    state = tensors_of(content)
    for wrapper in WRAPPERS:
        inner = content.get(wrapper)
        if state is None and isinstance(inner, Mapping):
            if is_fnet(inner):
                return import_fnet(path, inner)
            state = tensors_of(inner)
    if state is None:
        keys = ", ".join(repr(key)[:60] for key in list(content)[:4])
        raise unknown(path, f"a PyTorch file without a state dict; it holds {keys or 'nothing'}")
    return _import_state(path, state, "a PyTorch checkpoint")


def import_safetensors(path: Path) -> StainModel:
    """Return the model of a ``.safetensors`` file, with a specification of ours or without.

    Raises
    ------
    VirtualStainError
        If the file is damaged, or holds no network that is known.
    """
    if not lacks_specification(path):
        return load_model_file(path)
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(path.read_bytes())
    except SafetensorError:
        raise damaged(path, "its header contradicts its content") from None
    except OSError as error:
        raise unreadable(path, error) from None
    state: dict[str, Any] | None = tensors_of(tensors)
    if state is None:
        raise unknown(path, "a .safetensors file without tensors")
    return _import_state(path, state, "a .safetensors file")


def _import_state(path: Path, state: dict[str, Any], kind: str) -> StainModel:
    found = recognized(state)
    if found is None:
        raise unknown(path, f"{kind} {described(state)}")
    spec = specification(path, found, name=path.stem)
    return assemble(path, state, spec, [UNSAID, *filter(None, [found.assumed])])
