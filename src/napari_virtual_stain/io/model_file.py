"""Model files: one ``.safetensors`` file with the weights, and the specification in its header.

Loading runs no code of the file. The header is parsed as JSON, and the network is built
without memory first, so that names and shapes are compared before anything is allocated.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._atomic import atomic_path
from napari_virtual_stain.model import ModelSpec, StainModel, parse_spec

if TYPE_CHECKING:
    import torch

SPEC_KEY = "napari_virtual_stain"
MAX_HEADER_BYTES = 16 * 2**20


def read_spec(path: str | Path) -> ModelSpec:
    """Read the specification of a model file, without its weights and without torch.

    Raises
    ------
    VirtualStainError
        If the file is missing, truncated, not a model file, or of an unknown format version.
    """
    path = Path(path)
    header, _ = _read_header(path)
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or not isinstance(metadata.get(SPEC_KEY), str):
        raise VirtualStainError(
            f"{path.name} holds weights, but no model specification: it was not saved by "
            "napari-virtual-stain."
        )
    try:
        content = json.loads(metadata[SPEC_KEY])
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise VirtualStainError(f"{path.name} holds a model specification that cannot be read.")
    return parse_spec(content, path.name)


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
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    spec = read_spec(path)
    header, _ = _read_header(path)
    with torch.device("meta"):
        network = spec.build_network()
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    _check_tensors(path, expected, header)
    content = path.read_bytes()
    try:
        tensors = load(content)
    except SafetensorError:
        raise _truncated(path) from None
    state = {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}
    _check_finite(path, state)
    network.load_state_dict(state, assign=True)
    return StainModel(network.eval(), spec, hashlib.sha256(content).hexdigest())


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
    from safetensors.torch import save

    from napari_virtual_stain.networks import to_half

    path = Path(path)
    if path.suffix != ".safetensors":
        path = path.with_name(path.name + ".safetensors")
    state = model.network.state_dict()
    stored = to_half(state) if half else state
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in stored.items()}
    content = save(tensors, {SPEC_KEY: model.spec.model_dump_json(exclude_defaults=False)})
    with atomic_path(path, overwrite) as beside:
        beside.write_bytes(content)
    return path


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            prefix = file.read(8)
            length = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
                raise _foreign(path, size, length)
            header = json.loads(file.read(length))
    except FileNotFoundError:
        raise VirtualStainError(f"there is no model file {path}.") from None
    except OSError as error:
        raise VirtualStainError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, VirtualStainError):
            raise
        raise _foreign(path) from None
    if not isinstance(header, dict):
        raise _foreign(path)
    ends = [
        entry["data_offsets"][1]
        for name, entry in header.items()
        if name != "__metadata__" and _is_tensor_entry(entry)
    ]
    if len(ends) != len(header) - ("__metadata__" in header):
        raise _foreign(path)
    if size < 8 + length + max(ends, default=0):
        raise _truncated(path)
    return header, size


def _is_tensor_entry(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    offsets, shape = entry.get("data_offsets"), entry.get("shape")
    return (
        isinstance(offsets, list)
        and len(offsets) == 2
        and isinstance(shape, list)
        and all(isinstance(number, int) for number in offsets + shape)
    )


def _check_tensors(
    path: Path, expected: dict[str, tuple[int, ...]], header: dict[str, Any]
) -> None:
    found = {name: tuple(e["shape"]) for name, e in header.items() if name != "__metadata__"}
    for name in sorted(expected.keys() - found.keys()):
        raise VirtualStainError(f"{path.name} lacks the tensor {name!r} of its network.")
    for name in sorted(found.keys() - expected.keys()):
        raise VirtualStainError(f"{path.name} has the tensor {name!r}, which its network lacks.")
    for name, shape in expected.items():
        if found[name] != shape:
            raise VirtualStainError(
                f"{path.name}: the tensor {name!r} has the shape {found[name]}, but its network "
                f"needs {shape}."
            )


def _check_finite(path: Path, state: dict[str, torch.Tensor]) -> None:
    for name, tensor in state.items():
        if not bool(tensor.isfinite().all()):
            raise VirtualStainError(
                f"{path.name}: the tensor {name!r} holds NaN or infinite weights; the model is "
                "damaged or its training diverged."
            )


def _foreign(path: Path, size: int | None = None, length: int = 0) -> VirtualStainError:
    if size is not None and path.suffix == ".safetensors" and 2 <= length <= MAX_HEADER_BYTES:
        return _truncated(path)
    return VirtualStainError(
        f"{path.name} is not a model file of napari-virtual-stain (a .safetensors file with a "
        "model specification)."
    )


def _truncated(path: Path) -> VirtualStainError:
    return VirtualStainError(
        f"{path.name} is truncated: it ends before its weights do. Copy or download it again."
    )
