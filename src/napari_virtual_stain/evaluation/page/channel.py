"""What the page says about one channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_virtual_stain.evaluation.comparison import Comparison
from napari_virtual_stain.evaluation.details import Details
from napari_virtual_stain.evaluation.page.numbers import number
from napari_virtual_stain.evaluation.page.views import View, views

TITLES = {
    "pearson_r": ("Pearson r", ""),
    "noise_ceiling": ("largest r that the noise allows (C_max)", ""),
    "structural_similarity": ("SSIM", ""),
    "r_squared": ("R²", ""),
    "fitted_normalized_root_mean_squared_error": ("NRMSE after the best fit", ""),
    "normalized_root_mean_squared_error": ("NRMSE", ""),
    "relative_squared_error": ("relative squared error", ""),
    "relative_absolute_error": ("relative absolute error", ""),
    "mean_absolute_error": ("mean absolute error", "grey values"),
    "root_mean_squared_error": ("root mean squared error", "grey values"),
    "peak_signal_to_noise_ratio": ("PSNR", "dB"),
    "data_range": ("data range of SSIM and PSNR", "grey values"),
}
"""What a person calls the scores, and their units, in the order of the table."""

HINTS = {
    "pearson_r": "Do bright and dark lie in the same places? 1: everywhere; 0: no relation.",
    "noise_ceiling": "What even a perfect prediction would reach.",
    "structural_similarity": "Are structures alike, window by window? 1: all of them.",
    "r_squared": "Are the grey values right? 1: all; 0: no better than their mean everywhere.",
    "fitted_normalized_root_mean_squared_error": "Error as a part of the observed range, after "
    "brightness and contrast were fitted. 0: none.",
    "normalized_root_mean_squared_error": "Error as a part of the observed grey values. 0: none.",
    "relative_squared_error": "0: exact; 1: no better than a black image.",
    "relative_absolute_error": "0: exact; 1: no better than a black image.",
    "peak_signal_to_noise_ratio": "Range over error; more is better. Compare it only at one range.",
}
"""What the scores tell."""

HEADLINES = (
    "pearson_r",
    "structural_similarity",
    "fitted_normalized_root_mean_squared_error",
)


@dataclass(frozen=True, eq=False)
class Channel:
    """What the page says about one channel."""

    name: str
    headlines: list[tuple[str, str]]
    left_out: str
    views: list[View]
    plots: list[tuple[str, str, str]]
    scores: list[tuple[str, str, str, str]]
    error_limits: tuple[str, str]


def channel_of(comparison: Comparison, index: int) -> Channel:
    """Return the content of a channel's section."""
    name = comparison.channels[index]
    scores, details = comparison.metrics[name], comparison.details[name]
    low, high = comparison.error_limits[name]
    return Channel(
        name,
        _headlines(scores, details),
        _left_out(comparison, index),
        views(comparison, index),
        _plots(comparison, index, details),
        _table(scores, details),
        (number(low), number(high)),
    )


def _headlines(scores: dict[str, Any], details: Details) -> list[tuple[str, str]]:
    lines = [(TITLES[score][0], number(scores[score])) for score in HEADLINES]
    if "noise_ceiling" in scores:
        lines[0] = (f"Pearson r, of at most {number(scores['noise_ceiling'])}", lines[0][1])
    if details.spectrum is not None:
        resolution = f"{number(details.spectrum.resolution())} {details.spectrum_unit}"
        lines.append(("finest structure followed", resolution))
    return lines


def _left_out(comparison: Comparison, index: int) -> str:
    """Return the share of the pixels that do not count, or nothing where all do."""
    if comparison.counts is None:
        return ""
    gone = 1 - comparison.counts.channel(index).numpy().mean()
    return f"{number(float(100 * gone))} %" if gone else ""


def _plots(comparison: Comparison, index: int, details: Details) -> list[tuple[str, str, str]]:
    """Return plots as their address, what they show, and what is said below."""
    from napari_virtual_stain.evaluation.page import plots

    name = comparison.channels[index]
    seen, made = (
        image.channel(index).numpy() for image in (comparison.observed, comparison.predicted)
    )
    counts = None if comparison.counts is None else comparison.counts.channel(index).numpy()
    accuracy = number(100 * details.confusion.overall_accuracy)
    tolerance = details.tolerance
    drawn = [
        (
            plots.against(seen, made, comparison.display_limits[name], counts),
            "predicted against observed grey values",
            "How often each observed grey value was predicted as which (logarithmic). On the line "
            "it is right.",
        ),
        (
            plots.bins(details.confusion),
            "confusion matrix of ten bins",
            "Ten bins between the display limits, in % of each observed bin. In the right bin: "
            f"{accuracy} %.",
        ),
        (
            plots.tolerances(tolerance),
            "errors over the tolerance",
            f"Tolerance index {number(tolerance.index)}, at a tolerance of "
            f"{number(100 * tolerance.level)} % of the range.",
        ),
    ]
    if details.spectrum is not None:
        drawn.append(
            (
                plots.spectrum(details.spectrum, details.spectrum_unit),
                "correlation of the spectra over the fineness",
                "How well structures are followed, from coarse (left) to fine. Below the dashed "
                "line (1/7) they are not.",
            )
        )
    if details.calibration is not None:
        scale = details.calibration.scale
        drawn.append(
            (
                plots.coverage(details.calibration),
                "share of the pixels within the predicted uncertainty",
                "How many pixels lie within the intervals that the predicted σ promises. Below "
                f"the line it promises too much: σ should be {number(scale)} times as large.",
            )
        )
    return drawn


def _table(scores: dict[str, Any], details: Details) -> list[tuple[str, str, str, str]]:
    """Return rows of title, value, unit and what it tells."""
    lines = [
        (title, number(scores[score]), unit, HINTS.get(score, ""))
        for score, (title, unit) in TITLES.items()
        if score in scores
    ]
    overlap = details.overlap
    lines += [
        (
            "Otsu masks: Dice",
            number(overlap.dice),
            "",
            "Are the segmented areas alike? 1: the same.",
        ),
        (
            "Otsu masks: intersection over union",
            number(overlap.iou),
            "",
            "The same, more strictly.",
        ),
        (
            "Otsu masks: found of the observed",
            number(100 * overlap.recall),
            "%",
            "The rest was missed.",
        ),
        (
            "Otsu masks: right of the predicted",
            number(100 * overlap.precision),
            "%",
            "The rest was made up.",
        ),
        (
            "tolerance index",
            number(details.tolerance.index),
            "",
            "Error of grey values and of place when they balance. 0: none.",
        ),
        (
            "grey values in the right one of ten bins",
            number(100 * details.confusion.overall_accuracy),
            "%",
            "Mostly background: look at the bins above.",
        ),
    ]
    if details.spectrum is not None:
        resolution = number(details.spectrum.resolution())
        hint = "Finer ones are not followed."
        lines.append(("finest structure followed", resolution, details.spectrum_unit, hint))
    if details.calibration is not None:
        error = number(100 * details.calibration.error)
        hint = "0: σ means what it says."
        lines.append(("σ: mean difference of promised and true coverage", error, "%", hint))
        scale = number(details.calibration.scale)
        hint = "1: right; above, the model is too sure of itself."
        lines.append(("σ: should be multiplied by", scale, "", hint))
    lines.append(("pixels that count", number(scores["pixels"]), "", ""))
    return lines
