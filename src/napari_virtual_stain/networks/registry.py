"""The networks by name. A model file names its network here and nowhere else."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.networks.fnet import FNet
from napari_virtual_stain.networks.gvtnet import GVTNet

_NETWORKS: dict[str, Callable[..., nn.Module]] = {"fnet": FNet, "gvtnet": GVTNet}

_LIMITS = {
    "ndim": (2, 3),
    "in_channels": (1, 1024),
    "out_channels": (1, 1024),
    "filters": (1, 1024),
    "depth": (1, 8),
    "heads": (1, 64),
}


def names() -> list[str]:
    """Return the names of the networks that :func:`build` knows."""
    return sorted(_NETWORKS)


def options(name: str) -> dict[str, int]:
    """Return the options of a network and their defaults."""
    parameters = inspect.signature(_factory(name)).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def build(name: str, **chosen: Any) -> nn.Module:
    """Build a network with random weights.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    **chosen : int
        The network's options (:func:`options`): ``ndim``, ``in_channels``, ``out_channels``,
        ``filters``, ``depth``, …

    Returns
    -------
    torch.nn.Module
        Maps a float tensor (B, in_channels, [Z,] Y, X) to (B, out_channels, [Z,] Y, X) and
        states its ``geometry``.

    Raises
    ------
    VirtualStainError
        If the name, an option or its value is unknown or out of range.
    """
    factory = _factory(name)
    known = options(name)
    for option, value in chosen.items():
        if option not in known:
            raise VirtualStainError(
                f"the network {name!r} has no option {option!r}; it has {', '.join(known)}."
            )
        low, high = _LIMITS[option]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise VirtualStainError(
                f"the network {name!r} takes a whole number from {low} to {high} for "
                f"{option!r}, not {value!r}."
            )
    everything = known | chosen
    if name == "gvtnet" and everything["depth"] < 2:
        raise VirtualStainError("the network 'gvtnet' needs a depth of at least 2.")
    widest = everything["filters"] * 2 ** everything["depth"]
    if widest > 16384:
        raise VirtualStainError(
            f"the network {name!r} with {everything['filters']} filters and depth "
            f"{everything['depth']} would be up to {widest} channels wide; choose fewer."
        )
    try:
        return factory(**chosen)
    except ValueError as error:
        raise VirtualStainError(f"the network {name!r} cannot be built: {error}.") from None


def _factory(name: str) -> Callable[..., nn.Module]:
    if name not in _NETWORKS:
        raise VirtualStainError(f"there is no network named {name!r}; known: {', '.join(names())}.")
    return _NETWORKS[name]
