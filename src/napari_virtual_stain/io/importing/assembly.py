"""From converted weights and a specification to a model, with everything checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.errors import Malformed
from napari_virtual_stain.io.importing.sentences import clean, file_name, listed, not_imported
from napari_virtual_stain.io.importing.sources import Source, sha256
from napari_virtual_stain.io.importing.tensors import State
from napari_virtual_stain.model import ModelSpec, StainModel

if TYPE_CHECKING:
    import torch

COUNTER = "num_batches_tracked"
MAX_NOTES = 10_000


def assemble(
    sources: Sequence[Source], state: State, content: Mapping[str, Any], notes: Sequence[str]
) -> StainModel:
    """Return the model of imported weights.

    Parameters
    ----------
    sources : sequence of Source
        The files that they come from; the last one holds the values.
    state : mapping of str to Stored
        The network's state dict; the counters of batch normalization, which predictions do
        not need, may be missing.
    content : mapping
        Fields of the :class:`ModelSpec`.
    notes : sequence of str
        Sentences for the provenance, before the digest of the files.

    Returns
    -------
    StainModel
        On the CPU, in float32, in evaluation mode.

    Raises
    ------
    VirtualStainError
        If there is no such network, its tensors have other names or shapes, or a weight is not
        finite.
    Malformed
        If the values are damaged.
    """
    import torch

    path = sources[-1].path
    digest = sha256(sources)
    names = " and ".join(file_name(source.path) for source in sources)
    joined = ", one after the other" if len(sources) > 1 else ""
    told = clean(" ".join(filter(None, notes)), MAX_NOTES)
    origin = {
        **content.get("provenance", {}),
        "notes": f"{told} Imported from {names} (SHA-256{joined}: {digest}).".strip(),
    }
    try:
        spec = ModelSpec.model_validate({**content, "provenance": origin})
        with torch.device("meta"):
            network = spec.build_network()
    except ValidationError as error:
        first = error.errors()[0]
        raise not_imported(
            path, f"what it says of itself makes no model ({clean(str(first['msg']))})."
        ) from None
    except VirtualStainError as error:
        raise not_imported(path, str(error)) from None
    head: Any = network.head
    spec = spec.model_copy(update={"uncertainties": head.uncertainties})
    expected = network.state_dict()
    _check_shapes(path, spec, expected, state)
    if sum(tensor.nbytes for tensor in state.values()) > sources[-1].size:
        raise Malformed("its tensors claim more values than it holds")
    weights = {name: _weight(path, name, state, expected[name]) for name in expected}
    network.load_state_dict(weights, assign=True)
    return StainModel(network.eval(), spec, digest)


def _check_shapes(
    path: Path, spec: ModelSpec, expected: Mapping[str, torch.Tensor], found: State
) -> None:
    like = f"it looks like weights of {spec.network.name}, but"
    missing = [name for name in expected if name not in found and not name.endswith(COUNTER)]
    if missing:
        raise not_imported(path, f"{like} lacks {listed(missing)}.")
    extra = [name for name in found if name not in expected]
    if extra:
        raise not_imported(path, f"{like} also holds {listed(extra)}.")
    for name, tensor in found.items():
        needed = tuple(expected[name].shape)
        if tensor.shape != needed:
            raise not_imported(
                path, f"{like} {name} has the shape {tensor.shape} where {needed} is needed."
            )


def _weight(path: Path, name: str, state: State, expected: torch.Tensor) -> torch.Tensor:
    import torch

    if name not in state:
        return torch.zeros((), dtype=expected.dtype)
    tensor = state[name].read().to(expected.dtype).contiguous()
    if not bool(tensor.isfinite().all()):
        raise not_imported(
            path,
            f"its tensor {name} holds NaN or infinite weights; it is damaged or its training "
            "diverged.",
        )
    return tensor
