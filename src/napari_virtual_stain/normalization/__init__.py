"""How pixels are scaled for a network, and how its output becomes grey values again."""

from napari_virtual_stain.normalization.histogram import Histogram, histogram
from napari_virtual_stain.normalization.moments import Statistics, pooled, statistics
from napari_virtual_stain.normalization.scaling import (
    Equalization,
    Method,
    Scaling,
    between,
    measure,
    normalize,
    restore,
)

__all__ = [
    "Equalization",
    "Histogram",
    "Method",
    "Scaling",
    "Statistics",
    "between",
    "histogram",
    "measure",
    "normalize",
    "pooled",
    "restore",
    "statistics",
]
