"""The grey values that become 0 and 1 before textures are measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from napari_virtual_stain.evaluation.features.planes import read_planes
from napari_virtual_stain.events import run
from napari_virtual_stain.image import Image

PERCENTILES = (0.1, 99.9)
"""Of the observed pixels; so that single hot pixels leave a texture its grey levels."""

GreyLimits = Mapping[str, tuple[float, float]]
"""By channel: the observed grey values that become 0 and 1."""


def plane_limits(planes: np.ndarray) -> tuple[float, float]:
    """Return the limits of a channel's planes, any shape; of what is NaN (0, 0)."""
    known = planes[np.isfinite(planes)]
    low, high = np.percentile(known, PERCENTILES) if known.size else (0.0, 0.0)
    return float(low), float(high)


def observed_limits(observed: Image) -> dict[str, tuple[float, float]]:
    """Return the limits of each channel of an image, by its name; of a stack, projected."""
    planes = run(read_planes(observed, range(observed.n_channels), "reading observed"))
    names = observed.channels or ("",)
    return {name: plane_limits(planes[:, c]) for c, name in enumerate(names)}


def joint_limits(images: Iterable[GreyLimits]) -> dict[str, tuple[float, float]]:
    """Return limits that hold those of all images of a set.

    The same for all of them: were each image scaled by itself, the scale would differ from image
    to image for observed and predicted alike, and let their features seem to agree.
    """
    found: dict[str, tuple[float, float]] = {}
    for limits in images:
        for name, (low, high) in limits.items():
            known = found.get(name, (low, high))
            found[name] = min(low, known[0]), max(high, known[1])
    return found
