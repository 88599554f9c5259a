"""A comparison as one picture and as plain numbers: rendered here, written by `io`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from napari_virtual_stain.evaluation.comparison import Comparison
from napari_virtual_stain.evaluation.features.result import FeatureComparison
from napari_virtual_stain.evaluation.set_scores import SetScores, single_scores
from napari_virtual_stain.evaluation.transfer import TransferMatrix

FORMAT = 1
"""Version of the form of :func:`metrics_json`, described in ``docs/metrics-json.md``."""


def metrics_json(comparison: Comparison) -> dict[str, Any]:
    """Return all numbers of a comparison as plain JSON values; NaN becomes None.

    Returns
    -------
    dict
        Its form is described in ``docs/metrics-json.md``.
    """
    channels = {
        name: {
            **scores,
            **comparison.details[name].as_scores(),
            "match_coefficients": [{"gain": g, "offset": o} for g, o in coefficients],
            "display_limits": comparison.display_limits[name],
            "error_limits": comparison.error_limits[name],
        }
        for (name, scores), coefficients in zip(
            comparison.metrics.items(), comparison.coefficients.values(), strict=True
        )
    }
    observed = comparison.observed
    values: dict[str, Any] = _plain(
        {
            "format": FORMAT,
            "observed": observed.name,
            "predicted": comparison.predicted.name,
            "axes": observed.axes,
            "shape": observed.shape,
            "voxel_size": dict(observed.voxel_size),
            "match": comparison.match,
            "mask_per": comparison.mask_per,
            "channels": channels,
        }
    )
    return values


def metrics_table(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the scores that are single values, a row for each channel; None if not defined."""
    return [
        {"channel": name} | {key: _plain(value) for key, value in scores.items()}
        for name, scores in single_scores(comparison).items()
    ]


def html(comparison: Comparison, features: FeatureComparison | None = None) -> str:
    """Render a comparison as one HTML page that holds all that it shows.

    Returns
    -------
    str
        See :func:`napari_virtual_stain.evaluation.page.html`.
    """
    # matplotlib takes half a second to import, and most who compare draw nothing.
    from napari_virtual_stain.evaluation.page import html as page

    return page(comparison, features)


def set_html(
    sets: Sequence[SetScores],
    links: Mapping[tuple[str, str], str] | None = None,
    features: Mapping[str, FeatureComparison] | None = None,
) -> str:
    """Render the scores of a set of images as one HTML page.

    Returns
    -------
    str
        See :func:`napari_virtual_stain.evaluation.page.set_html`.
    """
    from napari_virtual_stain.evaluation.page import set_html as page

    return page(sets, links, features)


def transfer_html(
    matrices: Sequence[TransferMatrix], links: Mapping[str, str] | None = None
) -> str:
    """Render matrices of models × data sets as one HTML page.

    Returns
    -------
    str
        See :func:`napari_virtual_stain.evaluation.page.transfer_html`.
    """
    from napari_virtual_stain.evaluation.page import transfer_html as page

    return page(matrices, links)


def features_html(features: FeatureComparison) -> str:
    """Render features of cells as one HTML page.

    Returns
    -------
    str
        See :func:`napari_virtual_stain.evaluation.page.features_html`.
    """
    from napari_virtual_stain.evaluation.page import features_html as page

    return page(features)


def figure(comparison: Comparison) -> bytes:
    """Render a comparison as one PNG picture.

    One row a channel: observed and predicted under the same limits, the three error maps under
    the same limits, and the two Otsu masks over each other. Stacks are shown as maximum
    projections over Z, movies at their middle time point, and the picture says so.

    Returns
    -------
    bytes
        The PNG file.
    """
    # matplotlib takes half a second to import, and most who compare draw nothing.
    from napari_virtual_stain.evaluation.panels import draw

    return draw(comparison)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
