"""The networks by name. A model file names its network here and nowhere else."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.networks import fnet, gt_unet, subpixel_unet, virfluonet
from napari_virtual_stain.networks import gvtnet_options as gvtnet
from napari_virtual_stain.networks.geometry import Geometry
from napari_virtual_stain.networks.gvtnet import GVTNet
from napari_virtual_stain.networks.gvtnet_projection import GVTNetProjection
from napari_virtual_stain.networks.heads import Head
from napari_virtual_stain.networks.options import Rule, check_options

MAX_PARAMETERS = 10**9
"""Fifty times the largest network of the papers; 4 GB of weights."""


@dataclass(frozen=True)
class Entry:
    """A network that can be built by name.

    Parameters
    ----------
    factory : callable
        Builds it from keyword options, which all have defaults.
    rules : mapping of str to Rule
        Which values each option takes.
    reference : str
        The paper that describes it.
    defaults : mapping, optional
        Defaults that differ from those of the factory.
    """

    factory: Callable[..., nn.Module]
    rules: Mapping[str, Rule]
    reference: str
    defaults: Mapping[str, Any] | None = None


_ENTRIES: dict[str, Entry] = {
    "fnet": Entry(fnet.FNet, fnet.RULES, fnet.REFERENCE),
    "gt-unet": Entry(gt_unet.GTUNet, gt_unet.RULES, gt_unet.REFERENCE),
    "gvtnet": Entry(GVTNet, gvtnet.RULES, gvtnet.REFERENCE),
    "gvtnet-denoise": Entry(GVTNet, gvtnet.RULES, gvtnet.REFERENCE, gvtnet.DENOISE),
    "gvtnet-projection": Entry(GVTNetProjection, gvtnet.PROJECTION_RULES, gvtnet.REFERENCE),
    "subpixel-unet": Entry(
        subpixel_unet.SubpixelUNet, subpixel_unet.RULES, subpixel_unet.REFERENCE
    ),
    "unet": Entry(GVTNet, gvtnet.UNET_RULES, gvtnet.REFERENCE, {"bottom": "residual"}),
    "virfluonet": Entry(virfluonet.VirFluoNet, virfluonet.RULES, virfluonet.REFERENCE),
}


@dataclass(frozen=True)
class Architecture:
    """What there is to know of a network with its default options.

    Parameters
    ----------
    name : str
    options : dict
        Options and their defaults.
    parameters : dict of int to int
        Trainable parameters, keyed by the number of spatial axes.
    geometry : Geometry
    head : Head
    reference : str
    """

    name: str
    options: dict[str, Any]
    parameters: dict[int, int]
    geometry: Geometry
    head: Head
    reference: str


def names() -> list[str]:
    """Return the names of the networks that :func:`build` knows."""
    return sorted(_ENTRIES)


def options(name: str) -> dict[str, Any]:
    """Return the options of a network and their defaults.

    Raises
    ------
    VirtualStainError
        If there is no network of that name.
    """
    entry = _entry(name)
    parameters = inspect.signature(entry.factory).parameters.values()
    known = {parameter.name: parameter.default for parameter in parameters}
    changed = dict(entry.defaults or {})
    return {option: changed.get(option, known[option]) for option in known if option in entry.rules}


def rules(name: str) -> Mapping[str, Rule]:
    """Return which values each option of a network takes."""
    return _entry(name).rules


def build(name: str, **chosen: Any) -> nn.Module:
    """Build a network with random weights.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    **chosen
        The network's options (:func:`options`): ``ndim``, ``in_channels``, ``out_channels``,
        ``filters``, ``depth``, …

    Returns
    -------
    torch.nn.Module
        Maps a float tensor (B, in_channels, [Z,] Y, X) to raw channels (B, raw, [Z,] Y, X). It
        states its ``geometry`` and its ``head``, which says what the raw channels stand for.

    Raises
    ------
    VirtualStainError
        If the name, an option or its value is unknown or out of range.
    """
    entry = _entry(name)
    check_options(name, entry.rules, chosen)
    everything = {**(entry.defaults or {}), **chosen}
    try:
        with torch.device("meta"):  # without memory for its weights
            size = _parameters(entry.factory(**everything))
        if size > MAX_PARAMETERS:
            raise ValueError(
                f"with these options it would have {size:,} parameters; choose fewer filters or "
                "less depth"
            )
        return entry.factory(**everything)
    except ValueError as error:
        raise VirtualStainError(f"the network {name!r} cannot be built: {error}.") from None


def describe(name: str) -> Architecture:
    """Return what there is to know of a network, without memory for its weights.

    Raises
    ------
    VirtualStainError
        If there is no network of that name.
    """
    entry = _entry(name)
    rule = entry.rules.get("ndim")
    axes = [ndim for ndim in (2, 3) if rule is not None and rule.accepts(ndim)]
    with torch.device("meta"):
        built = {ndim: build(name, ndim=ndim) for ndim in axes} or {2: build(name)}
    default: Any = built[options(name).get("ndim", min(built))]
    counts = {ndim: _parameters(network) for ndim, network in built.items()}
    return Architecture(
        name, options(name), counts, default.geometry, default.head, entry.reference
    )


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _entry(name: str) -> Entry:
    if name in _ENTRIES:
        return _ENTRIES[name]
    near = difflib.get_close_matches(str(name).casefold(), names(), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise VirtualStainError(
        f"there is no network named {name!r}; known: {', '.join(names())}.{hint}"
    )
