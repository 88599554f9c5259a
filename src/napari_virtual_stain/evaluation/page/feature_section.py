"""What a page says about features of cells."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.evaluation.colours import FALSE, MISSED, rgb
from napari_virtual_stain.evaluation.features.limits import plane_limits
from napari_virtual_stain.evaluation.features.measuring import GROUPS
from napari_virtual_stain.evaluation.features.result import FeatureComparison
from napari_virtual_stain.evaluation.page import pictures
from napari_virtual_stain.evaluation.page.templates import template
from napari_virtual_stain.version import __version__


@dataclass(frozen=True)
class Row:
    """Medians of r in one compartment of a channel, by group; NaN for groups it lacks."""

    channel: str
    compartment: str
    objects: int
    medians: list[float]


@dataclass(frozen=True)
class FeatureSection:
    """The section of a page: pictures as addresses of an ``img``, ``""`` where there is none."""

    counted: str
    median: float
    heat_map: str
    histogram: str
    outlines: str
    under: str
    groups: tuple[str, ...]
    rows: list[Row]


def features_html(features: FeatureComparison) -> str:
    """Render features of cells as one HTML page, which needs no other file and no network.

    Returns
    -------
    str
        The page, UTF-8 when written.
    """
    images = features.images
    return template("features_page.html").render(
        title=images[0] if len(images) == 1 else f"{len(images)} images",
        features=feature_section(features),
        version=__version__,
    )


def feature_section(features: FeatureComparison) -> FeatureSection:
    """Return what a page says about features; of one image with the outlines of its objects."""
    return FeatureSection(
        _counted(features),
        features.median_r(),
        _address(features.pictures["heat_map"]),
        _address(features.pictures["histogram"]),
        _outlines(features),
        features.shown.channel if features.shown else "",
        GROUPS,
        [
            Row(
                block.channel,
                block.compartment,
                len(block.objects),
                [features.median_r(block.channel, block.compartment, group) for group in GROUPS],
            )
            for block in features.blocks
        ],
    )


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _counted(features: FeatureComparison) -> str:
    images = f" of {len(features.images)} images" if len(features.images) > 1 else ""
    where = f", found in {features.nuclear_channel}" if features.nuclear_channel else ""
    projected = ", in maximum projections" if features.projected else ""
    return f"Measured in {features.counted}{images}{where}{projected}."


def _outlines(features: FeatureComparison) -> str:
    from skimage.segmentation import find_boundaries

    shown = features.shown
    if shown is None:
        return ""
    low, high = plane_limits(shown.plane)
    grey = pictures.grey((low, high if high > low else low + 1))(shown.plane)
    painted = np.stack([grey] * 3, axis=-1)
    for compartment, colour in (("cells", FALSE), ("nuclei", MISSED)):
        if compartment in features.labels:
            labels = features.labels[compartment][shown.time]
            painted[find_boundaries(labels, mode="inner")] = rgb(colour)
    return pictures.picture(painted, shown.aspect)
