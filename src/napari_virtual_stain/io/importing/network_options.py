"""Which of our networks a state dict belongs to, and with which options, from names and shapes.

What leaves no trace in the weights is taken from the published configurations, and said. Whether
all names and shapes fit is not decided here: the network that is found is built and compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    State = Mapping[str, torch.Tensor]

GT_CLASSES = 256
"""Classes of grey values in GT U-Net's paper."""


@dataclass(frozen=True)
class Recognized:
    """A network: its name, its options with axes and channels, and a sentence on what is assumed.

    Parameters
    ----------
    network : str
        Name in the registry.
    options : dict
        Options of the network, among them ``ndim``, ``in_channels`` and ``out_channels``.
    assumed : str
        What the weights do not tell.
    """

    network: str
    options: dict[str, Any]
    assumed: str = ""


def recognized(state: State) -> Recognized | None:
    """Return the network that a state dict looks like, or None."""
    for name, recognize in _BY_TENSOR.items():
        if name in state:
            try:
                return recognize(state)
            except (KeyError, IndexError):
                return None
    return None


def fnet(state: State) -> Recognized:
    """Return the options of an fnet; what its outputs stand for is not among the weights."""
    first = state["encoders.0.0.weight"].shape
    options = {
        **_channels(first, state["output.weight"].shape[0]),
        "filters": first[0],
        "depth": _count(state, "encoders"),
    }
    return Recognized("fnet", options)


def gvtnet(state: State) -> Recognized:
    """Return the options of a GVTNet."""
    first, output = state["first.weight"].shape, state["output.weight"].shape
    levels, norm = _count(state, "downs"), "norm.weight" in state
    shared = _channels(first, output[0])
    options: dict[str, Any] = {
        **shared,
        "filters": first[0],
        "depth": levels + 1,
        "heads": 1 if norm else 2,
        "down": _one_or_all(_resampling(state, f"downs.{i}") for i in range(levels)),
        "bottom": "gvto" if "bottom.query.weight" in state else "residual",
        "up": _one_or_all(_resampling(state, f"ups.{i}") for i in reversed(range(levels))),
        "encoder_blocks": [
            _blocks(state, "encoder"),
            *(_blocks(state, f"encoders.{i}") for i in range(levels)),
        ],
        "decoder_blocks": _one_or_all(
            _blocks(state, f"decoders.{i}") for i in reversed(range(levels))
        ),
        "skip": "concat" if _concatenates(state, levels) else "add",
        "norm": norm,
        "output_kernel": output[2],
        "residual": not norm and shared["in_channels"] == shared["out_channels"],
        "likelihood": "laplace" if "sigma.weight" in state else "none",
    }
    attends = any(".query." in f".{name}" for name in state)
    if not attends:
        for option in ("heads", "bottom"):
            del options[option]
    name = "unet" if not attends else "gvtnet" if norm else "gvtnet-denoise"
    return Recognized(name, options, _assumed(options))


def gvtnet_projection(state: State) -> Recognized:
    """Return the options of a projecting GVTNet."""
    prefix = "denoising."
    inner = gvtnet({n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)})
    shared = ("in_channels", "out_channels", "filters", "depth", "heads", "residual", "likelihood")
    options = {option: inner.options[option] for option in shared} | {
        "ndim": 3,
        "projection_filters": state["projection.downs.0.weight"].shape[0],
    }
    return Recognized("gvtnet-projection", options, inner.assumed)


def virfluonet(state: State) -> Recognized:
    """Return the options of a generator of VirFluoNet."""
    first = state["first.conv.weight"].shape
    options = {
        **_channels(first, state["last.1.conv.weight"].shape[1]),
        "filters": first[0],
        "depth": 1 + _count(state, "encoders"),
    }
    return Recognized("virfluonet", options)


def gt_unet(state: State) -> Recognized:
    """Return the options of a GT U-Net."""
    fuse = state["scales.fuse.weight"].shape
    learned, plain = "scales.project.weight" in state, "encoders.0.0.0.weight" in state
    residual = "heads.0.output.weight" in state
    if residual:
        labels, classes = _count(state, "heads"), state["heads.0.output.weight"].shape[0]
    else:
        logits = state["heads.weight"].shape[0]
        classes = GT_CLASSES if logits % GT_CLASSES == 0 else logits
        labels = logits // classes
    if plain:
        growth = (state["encoders.0.0.0.weight"].shape[0] - fuse[0]) // 2
    else:
        growth = state["encoders.0.0.layers.0.0.weight"].shape[0]
    options = {
        "ndim": 2,
        "in_channels": state["scales.project.weight"].shape[1] if learned else fuse[1] // 3,
        "out_channels": labels,
        "filters": fuse[0],
        "growth": growth,
        "classes": classes,
        "multi_scale": "learned" if learned else "image",
        "blocks": "plain" if plain else "dense",
        "operators": "gt" if "across.key.weight" in state else "convolution",
        "norm": ("encoders.0.0.1.weight" if plain else "encoders.0.0.layers.0.1.weight") in state,
        "output_projection": "across.out.weight" in state,
        "head": "residual" if residual else "plain",
    }
    assumed = (
        "Weights do not tell some options, which are taken from the paper: the window is 128 px, "
        f"and there are {classes} classes for each of {labels} outputs."
    )
    return Recognized("gt-unet", options, assumed)


_BY_TENSOR: dict[str, Callable[[State], Recognized]] = {
    "encoders.0.0.weight": fnet,
    "first.weight": gvtnet,
    "projection.downs.0.weight": gvtnet_projection,
    "first.conv.weight": virfluonet,
    "scales.fuse.weight": gt_unet,
}


def _channels(first: torch.Size, out_channels: int) -> dict[str, int]:
    return {"ndim": len(first) - 2, "in_channels": first[1], "out_channels": out_channels}


def _count(state: State, part: str) -> int:
    """Return how many members a list of modules has."""
    matches = (re.match(rf"{re.escape(part)}\.(\d+)\.", name) for name in state)
    return len({match[1] for match in matches if match})


def _blocks(state: State, part: str) -> int:
    """Return how many residual blocks follow each other; one alone has no number."""
    return 1 if f"{part}.conv_1.weight" in state else _count(state, part)


def _resampling(state: State, part: str) -> str:
    """Return which operator changes the size."""
    if f"{part}.query.conv.weight" in state:
        return "gvto-v1" if f"{part}.shortcut.conv.weight" in state else "gvto-v2"
    if f"{part}.conv_1.conv.weight" in state:
        return "residual"
    return "transposed" if part.startswith("ups") else "convolution"


def _concatenates(state: State, levels: int) -> bool:
    """Whether skips are concatenated: then what follows them reads twice the channels."""
    for level in range(levels):
        for block in (f"decoders.{level}.", f"decoders.{level}.0."):
            if f"{block}conv_1.weight" in state:
                shape = state[f"{block}conv_1.weight"].shape
                return shape[1] == 2 * shape[0]
    return state["output.weight"].shape[1] == 2 * state["first.weight"].shape[0]


def _one_or_all(values: Iterable[Any]) -> Any:
    """Return the value that all levels share, or the list of them."""
    listed = list(values)
    return listed[0] if len(set(listed)) == 1 else listed


def _assumed(options: Mapping[str, Any]) -> str:
    parts = []
    if "heads" in options:
        parts.append(f"attention has {options['heads']} head{'s' * (options['heads'] > 1)}")
    adds = "adds its prediction to" if options["residual"] else "does not add its prediction to"
    parts.append(f"the network {adds} its input")
    if options["likelihood"] == "laplace":
        parts.append("σ belongs to a Laplace distribution")
    return (
        "Weights do not tell some options, which are taken from the published configurations: "
        f"{'; '.join(parts)}; activations are ReLU6."
    )
