"""``model.p`` of pytorch_fnet, both generations of it.

The first holds ``nn_module``, ``nn_kwargs`` (not in its oldest form) and ``nn_state``; the second
``fnet_model_class``, ``fnet_model_kwargs`` and ``nn_state``. What the network is follows from the
weights alone; what is said beside them must agree. Dotted names in the file are never looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.assembly import assemble
from napari_virtual_stain.io.importing.network_options import recognized
from napari_virtual_stain.io.importing.sentences import (
    clean,
    file_name,
    listed,
    not_imported,
    unknown,
)
from napari_virtual_stain.io.importing.sources import Source
from napari_virtual_stain.io.importing.specification import (
    LABEL_FREE,
    folder_name,
    specification,
)
from napari_virtual_stain.io.importing.tensors import described, tensors_of
from napari_virtual_stain.io.importing.train_options import read_preparation
from napari_virtual_stain.model import StainModel

ROOT = "net_recurse."
DEEPER = "sub_u."
MAX_DEPTH = 16
FIRST = f"{ROOT}sub_2conv_more.conv1.weight"
OUTPUT = "conv_out.weight"
BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
CONV = ("weight", "bias")


def import_fnet(
    source: Source, content: Mapping[Any, Any], chosen: Mapping[str, Any]
) -> StainModel:
    """Return the model that a ``model.p`` holds.

    Parameters
    ----------
    source : Source
        The file; ``train_options.json`` is looked for beside it.
    content : mapping
        What it holds, already loaded, or the weights alone.
    chosen : mapping
        Options of the network that its weights do not tell.

    Raises
    ------
    VirtualStainError
        If it is an ensemble, or its weights are not those of this network.
    """
    path = source.path
    kwargs = content.get("fnet_model_kwargs")
    kwargs = kwargs if isinstance(kwargs, dict) else {}
    if "nn_state" not in content and "fnet_model_class" in content:
        raise _ensemble(path, kwargs)
    state = tensors_of(content.get("nn_state", content))
    depth = _depth(state or {})
    if state is None or FIRST not in state or OUTPUT not in state or depth > MAX_DEPTH:
        module = _text(content, "nn_module") or _text(kwargs, "nn_class") or "an unnamed network"
        raise unknown(path, f"a file of pytorch_fnet for {clean(module)}, {described(state)}")
    ours = {new: state.pop(old) for old, new in _names(depth) if old in state} | state
    said = {}
    if _text(kwargs, "criterion_class").endswith("HeteroscedasticLoss"):
        said = {"likelihood": "gaussian"}
        shape = state.get(OUTPUT, ours["output.weight"]).shape
        if shape and shape[0] % 2:
            raise not_imported(
                path,
                f"it was trained for means and variances, but its weights give {shape[0]} "
                "channels, which are no pairs.",
            )
    found = recognized(ours, said | dict(chosen))
    if found is None:
        raise unknown(path, f"a file of pytorch_fnet with an incomplete network, {described(ours)}")
    weights = found.options | {"out_channels": ours["output.weight"].shape[0]}
    _check_agreement(path, weights, content.get("nn_kwargs"))
    _check_agreement(path, weights, kwargs.get("nn_kwargs"))
    prepared = read_preparation(path)
    spec = specification(
        path,
        found,
        name=_name(path),
        roles=LABEL_FREE,
        inputs=prepared.signal,
        outputs=prepared.target,
        normalization=prepared.normalization,
        voxel_size=prepared.voxel_size,
        units=prepared.units,
    )
    steps = content.get("count_iter")
    counted = type(steps) is int and 0 <= steps < 2**63
    spec["provenance"] = {"steps": steps if counted else None}
    assumed = "" if said else found.assumed  # the file says what its outputs are
    return assemble([source], ours, spec, [*prepared.notes, assumed])


def _text(content: Mapping[Any, Any], key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) else ""


def _ensemble(path: Path, kwargs: Mapping[str, Any]) -> VirtualStainError:
    paths = kwargs.get("paths_model")
    members = [one for one in paths if isinstance(one, str)] if isinstance(paths, list) else []
    names = f" ({listed(members)})" if members else ""
    return VirtualStainError(
        f"{file_name(path)} holds no weights: it names the models of an ensemble{names}. Import "
        "each of them, and predict with all of them together."
    )


def _depth(state: Mapping[str, Any]) -> int:
    """Return how deep the network is nested."""
    inside = (name for name in state if name.startswith(ROOT))
    return max((name.count(DEEPER) for name in inside), default=0)


def _check_agreement(path: Path, options: Mapping[str, Any], said: Any) -> None:
    """Raise if what the file says of its network is not what its weights are."""
    if not isinstance(said, dict):
        return
    meant = {name: options[name] for name in ("depth", "in_channels", "out_channels")}
    meant["mult_chan"] = options["filters"]
    for name, value in meant.items():
        if type(said.get(name)) is int and said[name] != value:
            raise VirtualStainError(
                f"{file_name(path)} contradicts itself: it says {name} {said[name]}, but its "
                f"weights have {value}."
            )


def _name(path: Path) -> str:
    """Return the name of the folder for a ``model.p``, and otherwise that of the file."""
    folder = folder_name(path)
    return folder if path.stem == "model" and folder else path.stem


def _names(depth: int) -> Iterator[tuple[str, str]]:
    """Yield the names of tensors, in the file and in our network."""
    for theirs, ours, parts in _layers(depth):
        for part in parts:
            yield f"{theirs}.{part}", f"{ours}.{part}"


def _layers(depth: int) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the names of the layers, in the file and in our network, and of their tensors."""
    for level in range(depth + 1):
        at, up = ROOT + DEEPER * level, depth - 1 - level
        ours = f"encoders.{level}" if level < depth else "bottom"
        yield from _double(f"{at}sub_2conv_more", ours)
        if level < depth:
            yield f"{at}conv_down", f"downs.{level}.0", CONV
            yield f"{at}bn0", f"downs.{level}.1", BATCH_NORM
            yield f"{at}convt", f"ups.{up}.0", CONV
            yield f"{at}bn1", f"ups.{up}.1", BATCH_NORM
            yield from _double(f"{at}sub_2conv_less", f"decoders.{up}")
    yield "conv_out", "output", CONV


def _double(theirs: str, ours: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    yield f"{theirs}.conv1", f"{ours}.0", CONV
    yield f"{theirs}.bn1", f"{ours}.1", BATCH_NORM
    yield f"{theirs}.conv2", f"{ours}.3", CONV
    yield f"{theirs}.bn2", f"{ours}.4", BATCH_NORM
