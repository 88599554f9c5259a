"""Scores over a set of images: a row for each image, means with their intervals, and tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.comparison import Comparison
from napari_virtual_stain.evaluation.sampled import SampledR
from napari_virtual_stain.evaluation.significance import bootstrap_interval, paired_t_test
from napari_virtual_stain.evaluation.tolerance import LEVELS, Tolerance

FORMAT = 1
"""Version of the form of :func:`set_json`, described in ``docs/metrics-json.md``."""

TESTED = "pearson_r"
"""The score by which two models are compared, as in the paper that does so."""

WORDS = frozenset({"structural_similarity_per", "resolution_unit"})
"""Single values of a channel that are no numbers."""


@dataclass(frozen=True, eq=False)
class SetScores:
    """The scores of one model's predictions of a set of images.

    Parameters
    ----------
    model : str
        What the predictions are called.
    images : tuple of str
    metrics : tuple of dict
        Of each image, by channel: its scores that are single numbers.
    tolerances : mapping of str to Tolerance
        By channel, the curves over the tolerance, as means over the images.
    sampled : mapping of str to SampledR
        By channel, r of random pixels of all images together.
    """

    model: str
    images: tuple[str, ...]
    metrics: tuple[dict[str, dict[str, Any]], ...]
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    sampled: Mapping[str, SampledR] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[str, ...]:
        """All channels, in the order of their appearance."""
        return tuple(dict.fromkeys(name for one in self.metrics for name in one))

    def scores(self, channel: str) -> tuple[str, ...]:
        """Return the names of the scores of a channel that are numbers."""
        found = {
            name: None
            for one in self.metrics
            for name, value in one.get(channel, {}).items()
            if isinstance(value, float)
        }
        return tuple(found)

    def values(self, channel: str, score: str) -> list[float]:
        """Return a score of each image; NaN where an image lacks it."""
        return [float(one.get(channel, {}).get(score, math.nan)) for one in self.metrics]


def single_scores(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """Return the scores of a comparison that are single values, by channel."""
    return {
        channel: single_values({**scores, **comparison.details[channel].as_scores()})
        for channel, scores in comparison.metrics.items()
    }


def single_values(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the scores of a channel that are single values.

    None, which in ``metrics.json`` stands for a number that is not defined, becomes NaN.
    """
    return {
        name: math.nan if value is None and name not in WORDS else value
        for name, value in scores.items()
        if not isinstance(value, list | dict)
    }


def set_table(sets: Sequence[SetScores]) -> list[dict[str, Any]]:
    """Return a row for each model, image and channel; None for a score that is not defined."""
    return [
        {"model": one.model, "image": image, "channel": channel}
        | {name: _plain(value) for name, value in scores.items()}
        for one in sets
        for image, metrics in zip(one.images, one.metrics, strict=True)
        for channel, scores in metrics.items()
    ]


def set_json(sets: Sequence[SetScores]) -> dict[str, Any]:
    """Return means with their intervals, and tests whether the first model is better.

    Parameters
    ----------
    sets : sequence of SetScores
        Of one model or several, of the same images in one order.

    Returns
    -------
    dict
        Plain JSON values; the form is described in ``docs/metrics-json.md``.

    Raises
    ------
    VirtualStainError
        If sets are of different images.
    """
    return {
        "format": FORMAT,
        "images": len(sets[0].images),
        "models": {
            one.model: {
                channel: {
                    score: summary(one.values(channel, score)) for score in one.scores(channel)
                }
                for channel in one.channels
            }
            for one in sets
        },
        "random_pixels": {
            one.model: {
                channel: {
                    "mean": _plain(drawn.mean),
                    "spread": _plain(drawn.spread),
                    "pixels": drawn.pixels,
                    "draws": len(drawn.values),
                }
                for channel, drawn in one.sampled.items()
            }
            for one in sets
            if one.sampled
        },
        "tests": [test for other in sets[1:] for test in _tests(sets[0], other)],
    }


def mean_tolerance(curves: Sequence[Mapping[str, Any]]) -> Tolerance:
    """Return the mean of curves over the tolerance.

    Parameters
    ----------
    curves : sequence of mapping
        Each with ``intensity_error`` and ``spatial_error``, as ``docs/metrics-json.md`` has them;
        None stands for what is not defined, and such curves are left out.
    """
    intensity, spatial = (
        np.array([curve[kind] for curve in curves], np.float64).reshape(len(curves), LEVELS)
        for kind in ("intensity_error", "spatial_error")
    )
    known = np.isfinite(intensity + spatial).all(1)
    nothing = np.full(LEVELS, np.nan)
    of_intensity, of_place = (
        part[known].mean(0) if known.any() else nothing for part in (intensity, spatial)
    )
    levels = np.arange(LEVELS) / LEVELS
    return Tolerance(levels, of_intensity, of_place, of_intensity + of_place)


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, spread and the interval of the mean of a score, as plain JSON values."""
    known = [value for value in values if math.isfinite(value)]
    low, high = bootstrap_interval(values)
    return {
        "mean": _plain(float(np.mean(known)) if known else math.nan),
        "spread": _plain(float(np.std(known, ddof=1)) if len(known) > 1 else math.nan),
        "interval": [_plain(low), _plain(high)],
        "images": len(known),
    }


def _tests(first: SetScores, second: SetScores) -> list[dict[str, Any]]:
    if first.images != second.images:
        raise VirtualStainError(
            f"{first.model} and {second.model} have predictions of different images; a paired "
            "test needs both of each."
        )
    tests = []
    for channel in first.channels:
        if channel not in second.channels:
            continue
        pair = first.values(channel, TESTED), second.values(channel, TESTED)
        if sum(map(math.isfinite, np.subtract(*pair))) < 2:
            continue
        found = paired_t_test(*pair)
        tests.append(
            {
                "channel": channel,
                "score": TESTED,
                "better": first.model,
                "than": second.model,
                "mean_difference": found.mean_difference,
                "t": _plain(found.statistic),
                "degrees_of_freedom": found.degrees,
                "p": found.p,
            }
        )
    return tests


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
