"""Features as tables and plain values: rendered here, written by `io`."""

from __future__ import annotations

import math
from typing import Any

from napari_virtual_stain.evaluation.features.result import FeatureComparison

FORMAT = 1
"""Version of the form of :func:`features_json`, described in ``docs/metrics-json.md``."""


def features_table(features: FeatureComparison) -> list[dict[str, Any]]:
    """Return a row for each object and channel: each feature as observed and as predicted.

    Columns are ``image``, ``time`` (from 1), ``compartment``, ``object`` (its label),
    ``channel``, and ``observed:`` and ``predicted:`` with the name of each feature. None where a
    feature is not defined.
    """
    return [
        {
            "image": one.image,
            "time": one.time + 1,
            "compartment": block.compartment,
            "object": one.label,
            "channel": block.channel,
        }
        | {
            f"{which}:{name}": _plain(values[row, column])
            for column, name in enumerate(block.features)
            for which, values in (("observed", block.observed), ("predicted", block.predicted))
        }
        for block in features.blocks
        for row, one in enumerate(block.objects)
    ]


def feature_correlations_table(features: FeatureComparison) -> list[dict[str, Any]]:
    """Return a row for each channel, compartment and feature; None for r that is not defined."""
    return [one._asdict() | {"r": _plain(one.r)} for one in features.correlations]


def features_json(features: FeatureComparison) -> dict[str, Any]:
    """Return the correlations as plain JSON values; NaN becomes None.

    Returns
    -------
    dict
        Its form is described in ``docs/metrics-json.md``.
    """
    channels: dict[str, dict[str, dict[str, Any]]] = {}
    for one in features.correlations:
        of_compartment = channels.setdefault(one.channel, {}).setdefault(one.compartment, {})
        of_compartment[one.feature] = {
            "group": one.group,
            "pearson_r": _plain(one.r),
            "objects": one.objects,
        }
    return {
        "format": FORMAT,
        "images": list(features.images),
        "objects": features.objects,
        "nuclear_channel": features.nuclear_channel,
        "projected": features.projected,
        "median_r": {
            channel: {name: _plain(features.median_r(channel, name)) for name in of_channel}
            for channel, of_channel in channels.items()
        },
        "channels": channels,
    }


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
