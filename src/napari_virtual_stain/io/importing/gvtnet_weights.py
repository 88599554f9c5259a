"""The options of a GVTNet, from the names and shapes of its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from napari_virtual_stain.io.importing.recognized import Chosen, Recognized, channels, count
from napari_virtual_stain.io.importing.tensors import State


def gvtnet(state: State, chosen: Chosen) -> Recognized:
    """Return the options of a GVTNet."""
    first, output = state["first.weight"].shape, state["output.weight"].shape
    levels, norm = count(state, "downs"), "norm.weight" in state
    shared = channels(first, output[0])
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
    return Recognized(name, options, _assumed(options | dict(chosen)))


def gvtnet_projection(state: State, chosen: Chosen) -> Recognized:
    """Return the options of a projecting GVTNet."""
    prefix = "denoising."
    inner = gvtnet(
        {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}, chosen
    )
    shared = ("in_channels", "out_channels", "filters", "depth", "heads", "residual", "likelihood")
    options = {option: inner.options[option] for option in shared} | {
        "ndim": 3,
        "projection_filters": state["projection.downs.0.weight"].shape[0],
    }
    return Recognized("gvtnet-projection", options, inner.assumptions)


def _blocks(state: State, part: str) -> int:
    """Return how many residual blocks follow each other; one alone has no number."""
    return 1 if f"{part}.conv_1.weight" in state else count(state, part)


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


def _assumed(options: Mapping[str, Any]) -> dict[str, str]:
    heads, adds = options.get("heads"), "adds" if options["residual"] else "does not add"
    assumptions = {
        "residual": f"the network {adds} its prediction to its input",
        "activation": "activations are ReLU6",
    }
    if heads is not None:
        assumptions["heads"] = f"attention has {heads} head{'s' * (heads != 1)}"
        assumptions["attention"] = "attention is linear"
    if options["likelihood"] != "none":
        assumptions["likelihood"] = "σ belongs to a Laplace distribution"
    return assumptions
