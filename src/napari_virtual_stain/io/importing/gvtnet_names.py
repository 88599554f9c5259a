"""Names of variables in the GVTNets' TensorFlow code, and of the same tensors in our networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

LEAVES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
ENDS = {
    "first_convolution": "first",
    "batch_norm_output": "norm",
    "output_convolution": "output",
    "out_conv": "output",
    "out_sigma_conv": "sigma",
}
BLOCK = {
    "batch_norm_1": "norm_1",
    "batch_norm_2": "norm_2",
    "convolution_1": "conv_1",
    "convolution_2": "conv_2",
    "projection_shortcut": "shortcut",
}
ATTENTION = {
    "batch_norm": "norm",
    "attention/q_transform": "query",
    "attention/k_transform": "key",
    "attention/v_transform": "value",
    "attention/out_transform": "out",
}
RESAMPLING = {"convolution": "conv", "transposed_convolution": "conv"}
RESAMPLING_BLOCK = RESAMPLING | BLOCK | {"convolution_1": "conv_1.conv"}
RESAMPLING_ATTENTION = ATTENTION | {
    "attention/q_transform": "query.conv",
    "projection_shortcut": "shortcut.conv",
}

Place = tuple[str, Mapping[str, str]]
"""A part of our network, and the names of the layers within it."""


def our_names(variables: Iterable[str]) -> dict[str, str]:
    """Return our names by theirs; variables without a place in our networks are left out.

    Parameters
    ----------
    variables : iterable of str
        All of a network: where a level lies is counted from the number of levels.
    """
    layers = {variable: variable.rpartition("/") for variable in variables}
    layout = _layout([layer for layer, _, _ in layers.values()])
    projects = any(layer.startswith("projection/") for layer, _, _ in layers.values())
    names = {}
    for variable, (layer, _, leaf) in layers.items():
        if layer.startswith("projection/"):
            ours = _projection(layer)
        else:
            ours = _u_shaped(layer, layout)
            if ours is not None and projects:
                ours = f"denoising.{ours}"
        if ours is not None and leaf in LEAVES:
            names[variable] = f"{ours}.{LEAVES[leaf]}"
    return names


@dataclass(frozen=True)
class _Layout:
    """What the place of a layer depends on.

    Parameters
    ----------
    depth : int
        Number of levels.
    blocks : dict of str to list of int
        The numbers of the residual blocks of each level, in order.
    attending : set of str
        The resampling operators with attention.
    """

    depth: int
    blocks: dict[str, list[int]]
    attending: set[str]


def _layout(layers: Iterable[str]) -> _Layout:
    depth, attending = 0, set()
    blocks: dict[str, set[int]] = {}
    for layer in layers:
        if match := re.match(r"encoding_block_(\d{1,3})/", layer):
            depth = max(depth, int(match[1]))
        if match := re.match(r"(\w+_block_\d+)/res_(\d{1,3})/", layer):
            blocks.setdefault(match[1], set()).add(int(match[2]))
        if match := re.match(r"(\w+_block_\d+/\w+)/attention/", layer):
            attending.add(match[1])
    return _Layout(depth, {level: sorted(numbers) for level, numbers in blocks.items()}, attending)


def _u_shaped(layer: str, layout: _Layout) -> str | None:
    """Return our name of a layer of the U-shaped network."""
    if layer in ENDS:
        return ENDS[layer]
    if match := re.fullmatch(r"bottom_block/\w+?_\d+/(.+)", layer):
        return _within(("bottom", ATTENTION | BLOCK), match[1])
    match = re.fullmatch(r"((encoding|decoding)_block_(\d{1,3}))/(\w+)/(.+)", layer)
    if match is None:
        return None
    block, side, level, kind, rest = match[1], match[2], int(match[3]), match[4], match[5]
    upwards = layout.depth - 1 - level
    place: Place | None = None
    if number := re.fullmatch(r"res_(\d{1,3})", kind):
        part = f"decoders.{upwards}"
        if side == "encoding":
            part = "encoder" if level == 1 else f"encoders.{level - 2}"
        if len(layout.blocks[block]) > 1:
            part = f"{part}.{layout.blocks[block].index(int(number[1]))}"
        place = part, BLOCK
    elif kind in ("downsampling", "upsampling"):
        part = f"downs.{level - 2}" if kind == "downsampling" else f"ups.{upwards}"
        attends = f"{block}/{kind}" in layout.attending
        place = part, RESAMPLING_ATTENTION if attends else RESAMPLING_BLOCK
    return None if place is None else _within(place, rest)


_PROJECTION: dict[str, Callable[[int], Place]] = {
    "Conv_down": lambda i: (f"projection.downs.{i}", {"": ""}),
    "Bottom": lambda i: ("projection.bottom", ATTENTION),
    "Conv_bottom": lambda i: ("projection.bottom_conv", {"": ""}),
    "Upsample": lambda i: (f"projection.ups.{1 - i}", ATTENTION),
    "Conv_up": lambda i: (f"projection.up_convs.{1 - i}", {"": ""}),
}
"""Upsample_1 is applied before Upsample_0."""


def _projection(layer: str) -> str | None:
    """Return our name of a layer of the network that projects."""
    if layer == "projection/Conv_final":
        return "projection.output"
    match = re.fullmatch(r"projection/([A-Za-z]+(?:_[a-z]+)?)_(\d{1,3})(?:/(.+))?", layer)
    if match is None or match[1] not in _PROJECTION:
        return None
    return _within(_PROJECTION[match[1]](int(match[2])), match[3] or "")


def _within(place: Place, layer: str) -> str | None:
    part, names = place
    if layer not in names:
        return None
    return f"{part}.{names[layer]}".removesuffix(".")
