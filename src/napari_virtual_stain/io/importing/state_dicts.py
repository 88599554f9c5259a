"""Weights of our own networks without a specification: PyTorch state dicts and bare files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_virtual_stain.io.importing.assembly import assemble
from napari_virtual_stain.io.importing.errors import Malformed
from napari_virtual_stain.io.importing.network_options import recognized
from napari_virtual_stain.io.importing.pytorch_fnet import FIRST, import_fnet
from napari_virtual_stain.io.importing.sentences import listed, not_imported, quoted, unknown
from napari_virtual_stain.io.importing.sources import Source
from napari_virtual_stain.io.importing.specification import specification
from napari_virtual_stain.io.importing.tensors import State, Stored, described, held, tensors_of
from napari_virtual_stain.io.importing.torch_files import read_torch
from napari_virtual_stain.io.model_file import lacks_specification, load_model_file
from napari_virtual_stain.model import StainModel

WRAPPERS = (
    *("state_dict", "model", "model_state_dict", "model_state"),
    *("network", "generator", "nn_state"),
)
"""Keys under which training scripts keep a state dict beside other things."""

UNSAID = (
    "The weights came without a specification: channels, scaling and voxel size are those that "
    "are usual for the network, or unknown."
)


def import_torch(source: Source, chosen: Mapping[str, Any]) -> StainModel:
    """Return the model of a file of ``torch.save``.

    Parameters
    ----------
    source : Source
    chosen : mapping
        Options of the network that its weights do not tell.

    Raises
    ------
    VirtualStainError
        If it holds other things than weights, or no network that is known.
    Malformed
        If it is damaged.
    """
    content = read_torch(source)
    if not isinstance(content, dict):
        kind = "tensor" if isinstance(content, Stored) else type(content).__name__
        raise unknown(source.path, f"a PyTorch file that holds one object ({kind})")
    candidates = [content, *(content[key] for key in WRAPPERS if key in content)]
    states = [state for state in map(tensors_of, candidates) if state is not None]
    ours = any(recognized(state, {}) for state in states)
    if not ours and ("nn_state" in content or "fnet_model_class" in content):
        return import_fnet(source, content, chosen)
    if not states:
        keys = [quoted(key) if isinstance(key, str) else str(key) for key in list(content)[:5]]
        held = listed(keys) or "nothing"
        raise unknown(source.path, f"a PyTorch file without a state dict; it holds {held}")
    if FIRST in states[0]:
        return import_fnet(source, states[0], chosen)
    return _import_state(source, states[0], "a PyTorch checkpoint", chosen)


def import_safetensors(source: Source, chosen: Mapping[str, Any]) -> StainModel:
    """Return the model of a ``.safetensors`` file, with a specification of ours or without.

    Raises
    ------
    VirtualStainError
        If the file is damaged, or holds no network that is known.
    """
    if not lacks_specification(source.path):
        if chosen:
            raise not_imported(
                source.path,
                "it is a model file, which says all options of its network; choose none.",
            )
        return load_model_file(source.path)
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(source.read(0, source.size))
    except SafetensorError:
        raise Malformed("its header contradicts its content") from None
    state = tensors_of({name: held(tensor) for name, tensor in tensors.items()})
    if state is None:
        raise unknown(source.path, "a .safetensors file without tensors")
    return _import_state(source, state, "a .safetensors file", chosen)


def _import_state(source: Source, state: State, kind: str, chosen: Mapping[str, Any]) -> StainModel:
    found = recognized(state, chosen)
    if found is None:
        raise unknown(source.path, f"{kind} {described(state)}")
    spec = specification(source.path, found, name=source.path.stem)
    return assemble([source], state, spec, [UNSAID, found.assumed])
