"""The page: pictures first, then plots, then tables, then where everything comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_virtual_stain.evaluation.colours import UNMEASURED
from napari_virtual_stain.evaluation.comparison import Comparison
from napari_virtual_stain.evaluation.features.result import FeatureComparison
from napari_virtual_stain.evaluation.page.channel import channel_of
from napari_virtual_stain.evaluation.page.templates import template
from napari_virtual_stain.version import __version__


def html(comparison: Comparison, features: FeatureComparison | None = None) -> str:
    """Render a comparison as one HTML page, which needs no other file and no network.

    For each channel: observed and predicted that flip in place, the two merged, the signed
    error and the Otsu masks over each other (of a stack, as maximum projection and through its
    brightest voxel in three directions); grey values against each other, their confusion
    matrix, the tolerance curve, the correlation of the spectra, and how far σ can be trusted;
    all scores; and what the images and the prediction come from.
    Of a movie, pictures are those of the middle time point; scores are over everything. Features
    of cells, where they were measured, are a section of their own.

    Returns
    -------
    str
        The page, UTF-8 when written.
    """
    # matplotlib takes half a second to import, and not all who use a template draw.
    from napari_virtual_stain.evaluation.page.feature_section import feature_section

    observed = comparison.observed
    return template("image.html").render(
        observed=observed.name,
        predicted=comparison.predicted.name,
        about=_about(comparison),
        channels=[channel_of(comparison, index) for index in range(len(comparison.channels))],
        origin=list(_flattened(comparison.predicted.provenance)),
        features=None if features is None else feature_section(features),
        unmeasured=UNMEASURED,
        version=__version__,
    )


def _about(comparison: Comparison) -> list[tuple[str, str]]:
    observed = comparison.observed
    sizes = observed.sizes
    size = " × ".join(f"{sizes[axis]} {axis}" for axis in observed.axes if axis != "C")
    voxel = ", ".join(f"{axis} {value:g}" for axis, value in observed.voxel_size.items())
    matched = {
        "none": "as it was predicted",
        "z-score": "brought to the mean and standard deviation of the observed image",
        "least-squares": "with the gain and offset of least squared error",
    }
    lines = [
        ("Size", size),
        ("Voxel size", f"{voxel} µm" if voxel else "unknown"),
        ("Predicted intensities", matched[comparison.match]),
        ("Otsu masks", f"one threshold for each {comparison.mask_per}"),
    ]
    if sizes.get("T", 1) > 1:
        lines.append(("Pictures", f"time point {sizes['T'] // 2 + 1} of {sizes['T']}"))
    return lines


def _flattened(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Return nested values as lines, such as ``model · preset``."""
    lines: list[tuple[str, str]] = []
    for key, value in values.items():
        label = f"{before} · {key}" if before else str(key)
        if isinstance(value, Mapping):
            lines += _flattened(value, label)
        elif value not in (None, "", [], ()):
            lines.append((label.replace("_", " "), str(value)))
    return lines
