"""Which of our networks a state dict belongs to, and with which options, from names and shapes.

What leaves no trace in the weights is taken from the published configurations, and said. Whether
all names and shapes fit is not decided here: the network that is found is built and compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.gvtnet_weights import gvtnet, gvtnet_projection
from napari_virtual_stain.io.importing.recognized import Chosen, Recognized, channels, count
from napari_virtual_stain.io.importing.tensors import State

CHANNELS = ("ndim", "in_channels", "out_channels")

GT_CLASSES = (256, 64)
"""Classes of grey values in GT U-Net's paper, and in its code."""

SQUARE = 2
"""Pixels along the side of a square that becomes channels in a U-Net on squares of pixels."""

FEW = 8
"""Fewer classes of grey values than this are taken for outputs without classes."""


def recognized(state: State, chosen: Chosen) -> Recognized | None:
    """Return the network that a state dict looks like, or None.

    Parameters
    ----------
    state : mapping of str to Stored
    chosen : mapping
        Options that the weights do not tell, and what they are.

    Raises
    ------
    VirtualStainError
        If axes or channels were chosen that contradict the weights. Other contradictions show
        when the network is built.
    """
    for name, recognize in _BY_TENSOR.items():
        if name in state:
            try:
                found = recognize(state, chosen)
            except (LookupError, ZeroDivisionError):
                return None
            return _with_chosen(found, chosen)
    return None


def _with_chosen(found: Recognized, chosen: Chosen) -> Recognized:
    for option in CHANNELS:
        if option in chosen and chosen[option] != found.options[option]:
            raise VirtualStainError(
                f"the weights have {option} {found.options[option]}, not {chosen[option]}; leave "
                "that option out."
            )
    left = {option: words for option, words in found.assumptions.items() if option not in chosen}
    return replace(found, options=found.options | dict(chosen), assumptions=left)


def fnet(state: State, chosen: Chosen) -> Recognized:
    """Return the options of an fnet; what its outputs stand for is not among the weights."""
    first, raw = state["encoders.0.0.weight"].shape, state["output.weight"].shape[0]
    outputs = raw // 2 if chosen.get("likelihood") == "gaussian" else raw
    options = {
        **channels(first, outputs),
        "filters": first[0],
        "depth": count(state, "encoders"),
    }
    assumptions = {}
    if raw % 2 == 0:
        assumptions["likelihood"] = f"its {raw} channels are outputs, none of them a variance"
    return Recognized("fnet", options, assumptions)


def subpixel_unet(state: State, chosen: Chosen) -> Recognized:
    """Return the options of a U-Net on squares of pixels; see :func:`fnet`."""
    first, raw = state["first.weight"].shape, state["output.weight"].shape[0] // SQUARE**2
    outputs = raw // 2 if chosen.get("likelihood") == "gaussian" else raw
    levels = range(count(state, "encoders"))
    options = {
        **channels(first, outputs),
        "in_channels": first[1] // SQUARE**2,
        "widths": tuple(state[f"encoders.{level}.conv_2.weight"].shape[0] for level in levels),
    }
    assumptions = {}
    if raw % 2 == 0:
        assumptions["likelihood"] = f"its {raw} channels are outputs, none of them a variance"
    return Recognized("subpixel-unet", options, assumptions)


def virfluonet(state: State, _: Chosen) -> Recognized:
    """Return the options of a generator of VirFluoNet."""
    first = state["first.conv.weight"].shape
    options = {
        **channels(first, state["last.1.conv.weight"].shape[1]),
        "filters": first[0],
        "depth": 1 + count(state, "encoders"),
    }
    return Recognized("virfluonet", options)


def gt_unet(state: State, chosen: Chosen) -> Recognized:
    """Return the options of a GT U-Net."""
    fuse = state["scales.fuse.weight"].shape
    learned, plain = "scales.project.weight" in state, "encoders.0.0.0.weight" in state
    attends = any(name.startswith("across.key.") for name in state)
    residual = "heads.0.output.weight" in state
    if residual:
        labels, classes = count(state, "heads"), state["heads.0.output.weight"].shape[0]
    else:
        labels, classes = _labels(state["heads.weight"].shape[0], chosen)
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
        "operators": "gt" if attends else "convolution",
        "norm": ("encoders.0.0.1.weight" if plain else "encoders.0.0.layers.0.1.weight") in state,
        "head": "residual" if residual else "plain",
    }
    assumptions = {"window": "the window is 128 px"}
    if attends:
        options["output_projection"] = any(name.startswith("across.out.") for name in state)
        options["relu_projections"] = "across.key.0.weight" in state
        assumptions["query_scaling"] = "queries are scaled"
    if not residual:
        assumptions["classes"] = f"outputs: {labels}, classes of each: {classes}"
    return Recognized("gt-unet", options, assumptions)


def _labels(logits: int, chosen: Chosen) -> tuple[int, int]:
    """Return how many outputs and classes a number of channels stands for: any product is it."""
    classes, labels = chosen.get("classes"), chosen.get("out_channels")
    if type(classes) is int and classes > 0:
        return max(1, logits // classes), classes
    if type(labels) is int and labels > 0:
        return labels, logits // labels
    for usual in GT_CLASSES:
        if logits % usual == 0:
            return logits // usual, usual
    return (logits, 1) if logits < FEW else (1, logits)


_BY_TENSOR: dict[str, Callable[[State, Chosen], Recognized]] = {
    "encoders.0.0.weight": fnet,
    "last.0.weight": subpixel_unet,
    "first.weight": gvtnet,
    "projection.downs.0.weight": gvtnet_projection,
    "first.conv.weight": virfluonet,
    "scales.fuse.weight": gt_unet,
}
