"""Presets: a network and the recipe by which it is trained, under one name.

The published recipes are those of Ounkomol et al. 2018 (fnet) and Wang et al. 2021 (GVTNet,
label-free task): patch, batch, optimizer and rate as in their code. In 2D, where
there is no published recipe for GVTNet, patch and batch are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from napari_virtual_stain.errors import VirtualStainError


@dataclass(frozen=True)
class Preset:
    """A recipe.

    Parameters
    ----------
    name, description : str
    network : str
        Name in the registry.
    options : dict
        Options of the network, beside its channels.
    spatial_axes : {"YX", "ZYX"}
    patch : tuple of int
        Size of a patch along the spatial axes (px); smaller where an image is.
    batch : int
        Patches in a step.
    steps : int
    learning_rate : float
    betas : tuple of float
        Of Adam.
    schedule : {"constant", "one-cycle"}
        Smith & Topin 2017 for the latter.
    """

    name: str
    description: str
    network: str
    spatial_axes: Literal["YX", "ZYX"]
    patch: tuple[int, ...]
    batch: int
    steps: int
    options: dict[str, int] = field(default_factory=dict)
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["constant", "one-cycle"] = "constant"


_PRESETS = (
    Preset(
        "fnet",
        "3D U-Net of Ounkomol et al. 2018, as published.",
        "fnet",
        "ZYX",
        (32, 64, 64),
        batch=24,
        steps=50_000,
        betas=(0.5, 0.999),
    ),
    Preset(
        "fnet-2d",
        "2D U-Net of Ounkomol et al. 2018, as published.",
        "fnet",
        "YX",
        (256, 256),
        batch=32,
        steps=50_000,
        betas=(0.5, 0.999),
    ),
    Preset(
        "gvtnet",
        "3D network with global attention of Wang et al. 2021, label-free task, as published.",
        "gvtnet",
        "ZYX",
        (32, 64, 64),
        batch=16,
        steps=70_000,
        betas=(0.5, 0.999),
    ),
    Preset(
        "gvtnet-2d",
        "The network of Wang et al. 2021 in 2D.",
        "gvtnet",
        "YX",
        (256, 256),
        batch=16,
        steps=20_000,
        betas=(0.5, 0.999),
    ),
    Preset(
        "gvtnet-2d-small",
        "A quarter of gvtnet-2d's weights and a short one-cycle schedule: minutes on a CPU.",
        "gvtnet",
        "YX",
        (256, 256),
        batch=8,
        steps=2_000,
        options={"filters": 16},
        schedule="one-cycle",
    ),
)


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises
    ------
    VirtualStainError
        If there is none of that name.
    """
    for one in _PRESETS:
        if one.name == name:
            return one
    raise VirtualStainError(
        f"there is no preset named {name!r}; known: {', '.join(one.name for one in _PRESETS)}."
    )


def presets() -> tuple[Preset, ...]:
    """Return all presets."""
    return _PRESETS
