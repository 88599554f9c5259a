"""``model.p`` of pytorch_fnet, both generations of it.

The first holds ``nn_module``, ``nn_kwargs`` (not in its oldest form) and ``nn_state``; the second
``fnet_model_class``, ``fnet_model_kwargs`` and ``nn_state``. What the network is follows from the
weights alone; what is said beside them must agree. Dotted names in the file are never looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.assembly import assemble
from napari_virtual_stain.io.importing.network_options import Recognized, recognized
from napari_virtual_stain.io.importing.sentences import listed, unknown
from napari_virtual_stain.io.importing.specification import LABEL_FREE, specification
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


def is_fnet(content: Mapping[Any, Any]) -> bool:
    """Whether a loaded file is a ``model.p``, or the weights of one."""
    keys = {str(key).removeprefix("module.") for key in content}
    return bool(keys & {"nn_state", "fnet_model_class", FIRST})


def import_fnet(path: Path, content: Mapping[Any, Any]) -> StainModel:
    """Return the model that a ``model.p`` holds.

    Parameters
    ----------
    path : Path
        The file; ``train_options.json`` is looked for beside it.
    content : mapping
        What it holds, already loaded.

    Raises
    ------
    VirtualStainError
        If it is an ensemble, or its weights are not those of this network.
    """
    kwargs = content.get("fnet_model_kwargs")
    kwargs = kwargs if isinstance(kwargs, dict) else {}
    if "nn_state" not in content and "fnet_model_class" in content:
        raise _ensemble(path, kwargs)
    state = tensors_of(content.get("nn_state", content))
    depth = _depth(state or {})
    if state is None or FIRST not in state or OUTPUT not in state or depth > MAX_DEPTH:
        module = content.get("nn_module") or kwargs.get("nn_class") or "an unnamed network"
        raise unknown(path, f"a file of pytorch_fnet for {module!s:.100}, {described(state)}")
    ours = {new: state.pop(old) for old, new in _names(depth) if old in state} | state
    found = recognized(ours)
    if found is None:
        raise unknown(path, f"a file of pytorch_fnet with an incomplete network, {described(ours)}")
    _check_agreement(path, found.options, content.get("nn_kwargs"))
    _check_agreement(path, found.options, kwargs.get("nn_kwargs"))
    if str(kwargs.get("criterion_class", "")).endswith("HeteroscedasticLoss"):
        found = _with_variances(path, found)
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
    )
    steps = content.get("count_iter")
    spec["provenance"] = {"steps": steps if type(steps) is int else None}
    return assemble(path, ours, spec, prepared.notes)


def _with_variances(path: Path, found: Recognized) -> Recognized:
    """Return the network with half of its outputs read as logarithms of variances."""
    channels = found.options["out_channels"]
    if channels % 2:
        raise VirtualStainError(
            f"{path.name} cannot be imported: it was trained for means and variances, but its "
            f"weights give {channels} channels, which are no pairs."
        )
    options = {"out_channels": channels // 2, "likelihood": "gaussian"}
    return replace(found, options=found.options | options)


def _ensemble(path: Path, kwargs: Mapping[str, Any]) -> VirtualStainError:
    paths = kwargs.get("paths_model")
    members = [str(member)[:200] for member in paths] if isinstance(paths, list) else []
    names = f" ({listed(members)})" if members else ""
    return VirtualStainError(
        f"{path.name} holds no weights: it names the models of an ensemble{names}. Import each of "
        "them, and predict with all of them together."
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
                f"{path.name} contradicts itself: it says {name} {said[name]}, but its weights "
                f"have {value}."
            )


def _name(path: Path) -> str:
    """Return the name of the folder for a ``model.p``, and otherwise that of the file."""
    folder = path.resolve().parent.name
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
