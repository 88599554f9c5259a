"""From converted weights and a specification to a model, with everything checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.sentences import damaged, listed, unreadable
from napari_virtual_stain.model import ModelSpec, StainModel

if TYPE_CHECKING:
    import torch

COUNTER = "num_batches_tracked"


def assemble(
    path: Path, state: Mapping[str, torch.Tensor], content: Mapping[str, Any], notes: list[str]
) -> StainModel:
    """Return the model of imported weights.

    Parameters
    ----------
    path : Path
        The file that they come from.
    state : mapping of str to tensor
        The network's state dict; the counters of batch normalization, which predictions do
        not need, may be missing.
    content : mapping
        Fields of the :class:`ModelSpec`.
    notes : list of str
        Sentences for the provenance, before the digest of the file.

    Returns
    -------
    StainModel
        On the CPU, in float32, in evaluation mode.

    Raises
    ------
    VirtualStainError
        If there is no such network, its tensors have other names or shapes, or a weight is not
        finite.
    """
    import torch

    digest = _sha256(path)
    notes = [*notes, f"Imported from {path.name} (SHA-256 {digest})."]
    origin = {**content.get("provenance", {}), "notes": " ".join(notes)}
    try:
        spec = ModelSpec.model_validate({**content, "provenance": origin})
        with torch.device("meta"):
            network = spec.build_network()
    except ValidationError as error:
        raise damaged(path, f"it describes no model ({error.errors()[0]['msg']})") from None
    except VirtualStainError as error:
        raise VirtualStainError(f"{path.name} cannot be imported: {error}") from None
    head: Any = network.head
    spec = spec.model_copy(update={"uncertainties": head.uncertainties})
    expected = network.state_dict()
    _check_shapes(path, spec, expected, state)
    if sum(tensor.nbytes for tensor in state.values()) > path.stat().st_size:
        raise damaged(path, "its tensors claim more values than it holds")
    weights = {name: _weight(path, name, state, expected[name]) for name in expected}
    network.load_state_dict(weights, assign=True)
    return StainModel(network.eval(), spec, digest)


def _check_shapes(
    path: Path,
    spec: ModelSpec,
    expected: Mapping[str, torch.Tensor],
    found: Mapping[str, torch.Tensor],
) -> None:
    network = spec.network.name
    missing = [name for name in expected if name not in found and not name.endswith(COUNTER)]
    if missing:
        raise VirtualStainError(
            f"{path.name} cannot be imported: it looks like weights of {network}, but lacks "
            f"{listed(missing)}."
        )
    extra = [name for name in found if name not in expected]
    if extra:
        raise VirtualStainError(
            f"{path.name} cannot be imported: it looks like weights of {network}, but also holds "
            f"{listed(extra)}."
        )
    for name, tensor in found.items():
        if tensor.shape != expected[name].shape:
            raise VirtualStainError(
                f"{path.name} cannot be imported: it looks like weights of {network}, but {name} "
                f"has the shape {tuple(tensor.shape)} where {tuple(expected[name].shape)} is "
                "needed."
            )


def _weight(
    path: Path, name: str, state: Mapping[str, torch.Tensor], expected: torch.Tensor
) -> torch.Tensor:
    import torch

    if name not in state:
        return torch.zeros((), dtype=expected.dtype)
    # A copy of its own: what is mapped from the file must not change with it.
    tensor = state[name].detach().to(expected.dtype, copy=True).contiguous()
    if not bool(tensor.isfinite().all()):
        raise VirtualStainError(
            f"{path.name} cannot be imported: its tensor {name} holds NaN or infinite weights; it "
            "is damaged or its training diverged."
        )
    return tensor


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from None
