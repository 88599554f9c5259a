"""Networks: ``torch.nn.Module`` and nothing else, built by name."""

from napari_virtual_stain.networks.attention import Gathered
from napari_virtual_stain.networks.discriminator import Discriminator
from napari_virtual_stain.networks.geometry import Geometry, Window
from napari_virtual_stain.networks.global_operators import GlobalOperator
from napari_virtual_stain.networks.heads import Head, Statistic
from napari_virtual_stain.networks.options import check_options
from napari_virtual_stain.networks.precision import to_half
from napari_virtual_stain.networks.registry import (
    Architecture,
    build,
    describe,
    names,
    options,
    rules,
)

__all__ = [
    "Architecture",
    "Discriminator",
    "Gathered",
    "Geometry",
    "GlobalOperator",
    "Head",
    "Statistic",
    "Window",
    "build",
    "check_options",
    "describe",
    "names",
    "options",
    "rules",
    "to_half",
]
