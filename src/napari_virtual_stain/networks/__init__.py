"""Networks: ``torch.nn.Module`` and nothing else, built by name."""

from napari_virtual_stain.networks.geometry import Geometry
from napari_virtual_stain.networks.global_operators import GlobalOperator, GlobalSums
from napari_virtual_stain.networks.precision import to_half
from napari_virtual_stain.networks.registry import build, names, options

__all__ = ["Geometry", "GlobalOperator", "GlobalSums", "build", "names", "options", "to_half"]
