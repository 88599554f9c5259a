"""Features as tables and plain values: rendered here, written by `io`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_virtual_stain.evaluation.features.result import (
    FeatureBlock,
    FeatureComparison,
    MeasuredObject,
)

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


def features_from_tables(
    rows: Sequence[Mapping[str, str]], values: Mapping[str, Any]
) -> FeatureComparison:
    """Return what :func:`features_table`, as text, and :func:`features_json` were made of.

    Labels and the picture of a page are not among it.
    """
    blocks = []
    for channel, of_channel in values["channels"].items():
        for compartment, of_compartment in of_channel.items():
            features = tuple(of_compartment)
            own = [
                row
                for row in rows
                if (row["channel"], row["compartment"]) == (channel, compartment)
            ]

            def measured(which: str, own: Any = own, features: Any = features) -> np.ndarray:
                found = [[row[f"{which}:{name}"] for name in features] for row in own]
                texts = np.array(found, dtype=object).reshape(len(own), len(features))
                return np.where(texts == "", "nan", texts).astype(np.float64)

            objects = (
                MeasuredObject(row["image"], int(row["time"]) - 1, int(row["object"]))
                for row in own
            )
            blocks.append(
                FeatureBlock(
                    channel,
                    compartment,
                    tuple(objects),
                    features,
                    measured("observed"),
                    measured("predicted"),
                )
            )
    return FeatureComparison(
        tuple(values["images"]),
        tuple(blocks),
        nuclear_channel=values["nuclear_channel"],
        projected=values["projected"],
    )


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
