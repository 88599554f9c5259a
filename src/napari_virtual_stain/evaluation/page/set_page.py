"""The page of a set: box plots of the scores, means, tests, and a row for each image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from napari_virtual_stain.evaluation.page.channel import TITLES
from napari_virtual_stain.evaluation.page.numbers import number
from napari_virtual_stain.evaluation.page.page import template
from napari_virtual_stain.evaluation.set_scores import SetScores, set_json
from napari_virtual_stain.version import __version__

SHOWN = ("pearson_r", "structural_similarity", "fitted_normalized_root_mean_squared_error")
"""Scores of the page; the table file has all."""


def set_html(sets: Sequence[SetScores], links: Mapping[tuple[str, str], str] | None = None) -> str:
    """Render the scores of a set as one HTML page.

    Parameters
    ----------
    sets : sequence of one or two SetScores
    links : mapping of (model, image) to str, optional
        Addresses of the pages of single images, relative to this page.

    Returns
    -------
    str
        The page, UTF-8 when written.
    """
    from napari_virtual_stain.evaluation.page import plots

    summary = set_json(sets)
    channels = tuple(dict.fromkeys(name for one in sets for name in one.channels))
    drawn = []
    for score in SHOWN:
        values = {
            channel: {one.model: _known(one.values(channel, score)) for one in sets}
            for channel in channels
        }
        drawn.append((TITLES[score][0], plots.boxes(values, TITLES[score][0])))
    means: list[dict[str, Any]] = []
    for model, of_channels in summary["models"].items():
        for channel, scores in of_channels.items():
            means.append(
                {
                    "model": model,
                    "channel": channel,
                    "scores": [_mean(scores.get(score)) for score in SHOWN],
                }
            )
    return template("set.html").render(
        models=[one.model for one in sets],
        count=summary["images"],
        titles=[TITLES[score][0] for score in SHOWN],
        plots=drawn,
        means=means,
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
        version=__version__,
    )


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _mean(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "–"
    low, high = (number(end) for end in found["interval"])
    return f"{number(found['mean'])} ({low} … {high})"
