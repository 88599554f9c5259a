"""Model files: one ``.safetensors`` file with the weights, and the specification in its header.

Loading runs no code of the file. The header is parsed as JSON, and the network is built
without memory first, so that names and shapes are compared before anything is allocated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._atomic import atomic_path
from napari_virtual_stain.io._safetensors import (
    BadHeader,
    metadata_text,
    read_header,
    tensor_entries,
)
from napari_virtual_stain.model import ModelSpec, StainModel, parse_spec

if TYPE_CHECKING:
    import torch
    from torch import nn

SPEC_KEY = "napari_virtual_stain"
REAL_TYPES = ("F16", "BF16", "F32")
INTEGER_TYPES = ("I64",)


def read_spec(path: str | Path) -> ModelSpec:
    """Read the specification of a model file, without its weights and without torch.

    Parameters
    ----------
    path : path
        A ``.safetensors`` file written by :func:`save_model`.

    Returns
    -------
    ModelSpec

    Raises
    ------
    VirtualStainError
        If the file is missing, truncated, not a model file, or of an unknown format version.
    """
    path = Path(path)
    return _spec(path, _read_header(path))


def load_model_file(path: str | Path) -> StainModel:
    """Load a model file.

    Parameters
    ----------
    path : path
        A ``.safetensors`` file written by :func:`save_model`.

    Returns
    -------
    StainModel
        On the CPU, in float32, in evaluation mode.

    Raises
    ------
    VirtualStainError
        If the file cannot be read, or its tensors do not fit its specification.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    header = _read_header(path)
    spec = _spec(path, header)
    network = network_for(path, spec, tensor_entries(header))
    content = path.read_bytes()
    try:
        tensors = load(content)
    except SafetensorError:
        raise _damaged(path) from None
    return with_weights(path, network, spec, tensors, hashlib.sha256(content).hexdigest())


def network_for(path: Path, spec: ModelSpec, entries: Mapping[str, Any]) -> nn.Module:
    """Return the network of a specification, without memory, that tensors in a file are for.

    Parameters
    ----------
    path : Path
        For the sentences.
    spec : ModelSpec
    entries : mapping
        What the file's header says of each tensor, by its name in the network.

    Raises
    ------
    VirtualStainError
        If the tensors are not those of the network.
    """
    import torch

    try:
        with torch.device("meta"):
            network = spec.build_network()
    except VirtualStainError as error:
        raise VirtualStainError(f"{path.name} cannot be loaded: {error}") from None
    _check_tensors(path, network.state_dict(), entries)
    return network


def with_weights(
    path: Path,
    network: nn.Module,
    spec: ModelSpec,
    tensors: Mapping[str, torch.Tensor],
    digest: str = "",
) -> StainModel:
    """Return a model of a network from :func:`network_for` and the tensors that it needs.

    Raises
    ------
    VirtualStainError
        If weights are NaN or infinite.
    """
    state = {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}
    _check_finite(path, state)
    network.load_state_dict(state, assign=True)
    # What the network says of itself goes before what a file says of it.
    return StainModel(network.eval(), _with_uncertainties(spec, network), digest)


def save_model(
    model: StainModel, path: str | Path, *, half: bool = False, overwrite: bool = False
) -> Path:
    """Save a model as one ``.safetensors`` file, written beside and renamed.

    Parameters
    ----------
    model : StainModel
    path : path
        Its ending becomes ``.safetensors``.
    half : bool
        Store the weights in half precision (float16): half the size.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    VirtualStainError
        If the file exists and `overwrite` is False, or it cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        path = path.with_name(path.name + ".safetensors")
    content = model_bytes(model, half=half)
    with atomic_path(path, overwrite) as beside:
        beside.write_bytes(content)
    return path


def model_bytes(model: StainModel, *, half: bool = False) -> bytes:
    """Return the content of the file that :func:`save_model` writes."""
    from safetensors.torch import save

    from napari_virtual_stain.networks import to_half

    spec = _with_uncertainties(model.spec, model.network)
    state = model.network.state_dict()
    stored = to_half(state) if half else state
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in stored.items()}
    return save(tensors, {SPEC_KEY: spec.model_dump_json(exclude_defaults=False)})


def lacks_specification(path: str | Path) -> bool:
    """Whether a file is a sound ``.safetensors`` file with weights and without a specification.

    Then it may be a bare state dict, which can be imported.
    """
    try:
        header = _read_header(Path(path))
    except VirtualStainError:
        return False
    return metadata_text(header, SPEC_KEY) is None


def _with_uncertainties(spec: ModelSpec, network: Any) -> ModelSpec:
    return spec.model_copy(update={"uncertainties": network.head.uncertainties})


def _spec(path: Path, header: dict[str, Any]) -> ModelSpec:
    text = metadata_text(header, SPEC_KEY)
    if text is None:
        raise VirtualStainError(
            f"{path.name} holds weights, but no model specification: it was not saved by "
            "napari-virtual-stain."
        )
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise VirtualStainError(f"{path.name} holds a model specification that cannot be read.")
    return parse_spec(content, path.name)


def _read_header(path: Path) -> dict[str, Any]:
    try:
        return read_header(path)
    except BadHeader as error:
        if error.why == "damaged":
            raise _damaged(path) from None
        # Whatever begins like a header may be one; only the ending of the name tells.
        cut = error.why == "short header" and path.suffix == ".safetensors"
        raise _truncated(path) if cut or error.why == "truncated" else _foreign(path) from None
    except FileNotFoundError:
        raise VirtualStainError(f"there is no model file {path}.") from None
    except OSError as error:
        raise VirtualStainError(f"{path} cannot be read: {error.strerror or error}.") from None


def _check_tensors(
    path: Path, expected: Mapping[str, torch.Tensor], found: Mapping[str, Any]
) -> None:
    for name in sorted(expected.keys() - found.keys()):
        raise VirtualStainError(f"{path.name} lacks the tensor {name!r} of its network.")
    for name in sorted(found.keys() - expected.keys()):
        raise VirtualStainError(f"{path.name} has the tensor {name!r}, which its network lacks.")
    for name, tensor in expected.items():
        shape, needed = tuple(found[name]["shape"]), tuple(tensor.shape)
        if shape != needed:
            raise VirtualStainError(
                f"{path.name}: the tensor {name!r} has the shape {shape}, but its network needs "
                f"{needed}."
            )
        kinds = REAL_TYPES if tensor.is_floating_point() else INTEGER_TYPES
        if found[name]["dtype"] not in kinds:
            raise VirtualStainError(
                f"{path.name}: the tensor {name!r} has the type {found[name]['dtype']}, but its "
                f"network needs one of {', '.join(kinds)}."
            )


def _check_finite(path: Path, state: dict[str, torch.Tensor]) -> None:
    for name, tensor in state.items():
        if not bool(tensor.isfinite().all()):
            raise VirtualStainError(
                f"{path.name}: the tensor {name!r} holds NaN or infinite weights; the model is "
                "damaged or its training diverged."
            )


def _foreign(path: Path) -> VirtualStainError:
    return VirtualStainError(
        f"{path.name} is not a model file of napari-virtual-stain (a .safetensors file with a "
        "model specification). A checkpoint of another program has to be imported first (vstain "
        "models import)."
    )


def _damaged(path: Path) -> VirtualStainError:
    return VirtualStainError(
        f"{path.name} is damaged: its header contradicts its content. Copy or download it again."
    )


def _truncated(path: Path) -> VirtualStainError:
    return VirtualStainError(
        f"{path.name} is truncated: it ends before its weights do. Copy or download it again."
    )
