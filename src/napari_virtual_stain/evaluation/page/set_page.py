"""The page of a set: box plots of the scores, means, tests, and a row for each image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from napari_virtual_stain.evaluation.features.result import FeatureComparison
from napari_virtual_stain.evaluation.page.channel import TITLES
from napari_virtual_stain.evaluation.page.numbers import number
from napari_virtual_stain.evaluation.page.templates import template
from napari_virtual_stain.evaluation.set_scores import SetScores, set_json
from napari_virtual_stain.version import __version__

SHOWN = ("pearson_r", "structural_similarity", "fitted_normalized_root_mean_squared_error")
"""Scores that are drawn; the table file has all."""

IN_TABLE = {
    "pearson_r": "Pearson r",
    "noise_ceiling": "at most, for noise",
    "structural_similarity": "SSIM",
    "fitted_normalized_root_mean_squared_error": "NRMSE after the best fit",
    "mask_dice": "Dice of Otsu masks",
    "tolerance_index": "tolerance index",
}
"""Scores of the table of means, and what they are called there."""

LESS_IS_BETTER = frozenset({"fitted_normalized_root_mean_squared_error", "tolerance_index"})


def set_html(
    sets: Sequence[SetScores],
    links: Mapping[tuple[str, str], str] | None = None,
    features: Mapping[str, FeatureComparison] | None = None,
) -> str:
    """Render the scores of a set as one HTML page.

    Parameters
    ----------
    sets : sequence of SetScores
        Of the same images.
    links : mapping of (model, image) to str, optional
        Addresses of the pages of single images, relative to this page.
    features : mapping of str to FeatureComparison, optional
        By model, the features of the cells of all images.

    Returns
    -------
    str
        The page, UTF-8 when written.
    """
    from napari_virtual_stain.evaluation.page import plots
    from napari_virtual_stain.evaluation.page.feature_section import feature_section

    summary = set_json(sets)
    channels = tuple(dict.fromkeys(name for one in sets for name in one.channels))
    drawn = []
    for score in SHOWN:
        values = {
            channel: {one.model: _known(one.values(channel, score)) for one in sets}
            for channel in channels
        }
        better = "Lower" if score in LESS_IS_BETTER else "Higher"
        drawn.append((TITLES[score][0], plots.boxes(values, TITLES[score][0]), better))
    # The ceiling of noise is there only if noise was given.
    known = {score for one in sets for channel in one.channels for score in one.scores(channel)}
    in_table = [score for score in IN_TABLE if score in known]
    means = [
        {
            "model": model,
            "channel": channel,
            "scores": [mean_and_interval(scores.get(score)) for score in in_table],
        }
        for model, of_channels in summary["models"].items()
        for channel, scores in of_channels.items()
    ]
    return template("set.html").render(
        models=[one.model for one in sets],
        count=summary["images"],
        titles=[IN_TABLE[score] for score in in_table],
        plots=drawn,
        tolerances=_tolerances(sets, channels),
        means=means,
        sampled=[
            (
                one.model,
                channel,
                f"{number(found.mean)} ± {found.spread:.2g}",
                f"{len(found.values)} × {found.pixels:,}",
            )
            for one in sets
            for channel, found in one.sampled.items()
        ],
        tests=summary["tests"],
        channels=channels,
        rows=[
            {
                "model": one.model,
                "image": image,
                "link": (links or {}).get((one.model, image)),
                "scores": [number(metrics.get(channel, {}).get(SHOWN[0])) for channel in channels],
            }
            for one in sets
            for image, metrics in zip(one.images, one.metrics, strict=True)
        ],
        features_of=[(model, feature_section(one)) for model, one in (features or {}).items()],
        version=__version__,
    )


def mean_and_interval(found: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return a mean and the interval that it lies in; a dash, and nothing, where there is none."""
    if found is None:
        return "–", ""
    low, high = (number(end) for end in found["interval"])
    return number(found["mean"]), "" if found["interval"][0] is None else f"{low} … {high}"


def _tolerances(sets: Sequence[SetScores], channels: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return for each channel its name, the curves of all models, and where they are lowest."""
    from napari_virtual_stain.evaluation.page import plots

    drawn = []
    for channel in channels:
        found = {one.model: one.tolerances[channel] for one in sets if channel in one.tolerances}
        if not found:
            continue
        told = "; ".join(
            f"{model}: {number(one.index)} at {number(100 * one.level)} %"
            for model, one in found.items()
        )
        drawn.append((channel, plots.tolerances_of_models(found), told))
    return drawn


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]
