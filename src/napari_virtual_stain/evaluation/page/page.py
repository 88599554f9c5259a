"""The page: pictures first, then plots, then tables, then where everything comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_stain.evaluation.comparison import Comparison
from napari_virtual_stain.evaluation.confusion import Confusion, confusion_matrix
from napari_virtual_stain.evaluation.overlap import Overlap, mask_overlap, overlap_labels
from napari_virtual_stain.evaluation.page import pictures
from napari_virtual_stain.evaluation.tolerance import Tolerance, tolerance_index
from napari_virtual_stain.image import Image
from napari_virtual_stain.version import __version__

if TYPE_CHECKING:
    from jinja2 import Template

TITLES = {
    "pearson_r": ("Pearson r", ""),
    "structural_similarity": ("SSIM", ""),
    "r_squared": ("R²", ""),
    "fitted_normalized_root_mean_squared_error": ("NRMSE after the best fit", ""),
    "normalized_root_mean_squared_error": ("NRMSE", ""),
    "relative_squared_error": ("relative squared error (blank = 1)", ""),
    "relative_absolute_error": ("relative absolute error (blank = 1)", ""),
    "mean_absolute_error": ("mean absolute error", "grey values"),
    "root_mean_squared_error": ("root mean squared error", "grey values"),
    "peak_signal_to_noise_ratio": ("PSNR", "dB"),
    "data_range": ("data range of SSIM and PSNR", "grey values"),
}
"""What a person calls the scores, and their units, in the order of the table."""

HEADLINES = (
    "pearson_r",
    "structural_similarity",
    "fitted_normalized_root_mean_squared_error",
)


@dataclass(frozen=True, eq=False)
class _Channel:
    """What the page says about one channel."""

    name: str
    headlines: list[tuple[str, str]]
    views: list[_View]
    against: str
    bins: str
    tolerances: str
    tolerance: Tolerance
    confusion: Confusion
    masks: Overlap
    scores: list[tuple[str, str, str]]
    error_limits: tuple[str, str]


@dataclass(frozen=True)
class _View:
    """One plane, or a projection, as pictures."""

    title: str
    observed: str
    predicted: str
    merged: str
    error: str
    masks: str


def html(comparison: Comparison) -> str:
    """Render a comparison as one HTML page, which needs no other file and no network.

    For each channel: observed and predicted that flip in place, the two merged, the signed
    error and the Otsu masks over each other (of a stack, as maximum projection and through its
    brightest voxel in three directions); grey values against each other, their confusion
    matrix, the tolerance curve; all scores; and what the images and the prediction come from.
    Of a movie, pictures are those of the middle time point; scores are over everything.

    Returns
    -------
    str
        The page, UTF-8 when written.
    """
    observed = comparison.observed
    return template("image.html").render(
        observed=observed.name,
        predicted=comparison.predicted.name,
        about=_about(comparison),
        channels=[_channel(comparison, index) for index in range(len(comparison.channels))],
        origin=list(_flattened(comparison.predicted.provenance)),
        version=__version__,
    )


def template(name: str) -> Template:
    """Return a template of a page by the name of its file. What is put into it is escaped."""
    # Half a second that most who compare do not need.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("napari_virtual_stain.evaluation", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment.get_template(name)


def number(value: Any) -> str:
    """Return a number with four digits; a dash for one that is not defined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        text = f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"
        return "∞" if math.isinf(value) else text.replace("-", "−")
    return str(value)


def _channel(comparison: Comparison, index: int) -> _Channel:
    from napari_virtual_stain.evaluation.page import plots

    name = comparison.channels[index]
    scores = comparison.metrics[name]
    limits = comparison.display_limits[name]
    seen, made = (
        image.channel(index).numpy() for image in (comparison.observed, comparison.predicted)
    )
    confusion = confusion_matrix(seen, made, limits=limits)
    tolerance = tolerance_index(seen, made)
    masks = [comparison.masks[which].channel(index) for which in ("observed", "predicted")]
    return _Channel(
        name,
        [(TITLES[score][0], number(scores[score])) for score in HEADLINES],
        _views(comparison, index),
        plots.against(seen, made, limits),
        plots.bins(confusion),
        plots.tolerances(tolerance),
        tolerance,
        confusion,
        mask_overlap(*(mask.numpy() for mask in masks)),
        [
            (title, number(scores[score]), unit)
            for score, (title, unit) in TITLES.items()
            if score in scores
        ],
        (number(comparison.error_limits[name][0]), number(comparison.error_limits[name][1])),
    )


def _views(comparison: Comparison, index: int) -> list[_View]:
    name = comparison.channels[index]
    images = (
        comparison.observed,
        comparison.predicted,
        comparison.errors["observed_minus_predicted"],
        comparison.masks["observed"],
        comparison.masks["predicted"],
    )
    volumes = [_at_middle_time(image.channel(index)).numpy() for image in images]
    voxel = comparison.observed.voxel_size
    grey = pictures.grey(comparison.display_limits[name])
    signed = pictures.signed(comparison.error_limits[name])

    def view(title: str, planes: list[np.ndarray], axes: str) -> _View:
        across, down = voxel.get(axes[1]), voxel.get(axes[0])
        aspect = down / across if across and down else 1.0
        o, p = grey(planes[0]), grey(planes[1])
        painted = (
            o,
            p,
            pictures.magenta_green(o, p),
            signed(planes[2]),
            pictures.overlap(overlap_labels(planes[3], planes[4])),
        )
        return _View(title, *(pictures.picture(pixels, aspect) for pixels in painted))

    depth = 1 if volumes[0].ndim == 2 else len(volumes[0])
    if depth == 1:
        return [view("", [volume.reshape(volume.shape[-2:]) for volume in volumes], "YX")]
    projected = [volume.max(axis=0) for volume in volumes]
    # Errors of either sign: the largest along the line of sight.
    error = volumes[2]
    largest = np.abs(error).argmax(axis=0)[np.newaxis]
    projected[2] = np.take_along_axis(error, largest, axis=0)[0]
    at = pictures.brightest(volumes[0])
    through = [pictures.orthogonal(volume, at) for volume in volumes]
    titles = (f"plane {at[0] + 1} of {depth}", f"at Y = {at[1]}", f"at X = {at[2]}")
    return [
        view(f"maximum projection over {depth} planes", projected, "YX"),
        *(
            view(title, [planes[which] for planes in through], axes)
            for which, (title, axes) in enumerate(zip(titles, ("YX", "ZX", "ZY"), strict=True))
        ),
    ]


def _at_middle_time(image: Image) -> Image:
    return image.select("T", image.sizes["T"] // 2) if "T" in image.axes else image


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
