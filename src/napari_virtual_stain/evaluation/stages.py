"""The stages of a comparison, each a generator of events over frames that returns its part.

Everything is an array of shape (T, C, [Z,] Y, X): `observed` as it was given,
`given` the predicted one as it was given, `predicted` the same after the match.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.display import Limits, display_limits, error_limits
from napari_virtual_stain.evaluation.errors import ERRORS
from napari_virtual_stain.evaluation.masks import MaskPer, clip_to_mask, otsu_mask
from napari_virtual_stain.evaluation.matching import (
    Coefficients,
    Match,
    apply_match,
    match_coefficients,
)
from napari_virtual_stain.evaluation.metrics import (
    BEFORE_MATCH,
    FIT_PERCENTILES,
    SCORES,
    fitted_error_of,
)
from napari_virtual_stain.evaluation.moments import moments, pooled
from napari_virtual_stain.evaluation.similarity import WINDOW, structural_similarity
from napari_virtual_stain.events import Notice, Progress, Work
from napari_virtual_stain.normalization import histogram

Thresholds = dict[str, list[list[list[float]]]]
"""Thresholds of ``observed`` and ``predicted``, by channel, time point and plane."""


def match_frames(
    observed: np.ndarray, given: np.ndarray, method: Match, labels: Sequence[str]
) -> Work[tuple[np.ndarray, list[list[Coefficients]]]]:
    """Return the matched frames, float32, and their coefficients by channel and time point."""
    times, channels = given.shape[:2]
    coefficients: list[list[Coefficients]] = [[] for _ in range(channels)]
    as_it_is = method == "none" and given.dtype == np.float32
    matched = given if as_it_is else np.empty(given.shape, np.float32)
    for done, (t, c) in enumerate(np.ndindex(times, channels), 1):
        try:
            found = match_coefficients(observed[t, c], given[t, c], method)
        except VirtualStainError as error:
            when = f" at time point {t + 1}" if times > 1 else ""
            raise VirtualStainError(f"{labels[c]}{when}: {error}") from None
        coefficients[c].append(found)
        if not as_it_is:
            matched[t, c] = apply_match(given[t, c], found)
        yield Progress("matching", done, times * channels)
    for label, of_channel in zip(labels, coefficients, strict=True):
        if any(gain < 0 for gain, _ in of_channel):
            yield Notice(
                f"{label}: the prediction is dark where the observed image is bright, and the "
                "least-squares match turned it over (its gain is negative); use the match "
                "'z-score' to see it as it is.",
                warning=True,
            )
    return matched, coefficients


def map_errors(observed: np.ndarray, predicted: np.ndarray) -> Work[dict[str, np.ndarray]]:
    """Return every map of `ERRORS`, float32."""
    maps = {kind: np.empty(predicted.shape, np.float32) for kind in ERRORS}
    total = observed.shape[0] * observed.shape[1]
    for done, frame in enumerate(np.ndindex(observed.shape[:2]), 1):
        for kind, error in ERRORS.items():
            maps[kind][frame] = error(observed[frame], predicted[frame])
        yield Progress("error maps", done, total)
    return maps


def mask_frames(
    observed: np.ndarray, predicted: np.ndarray, per: MaskPer
) -> Work[tuple[dict[str, np.ndarray], Thresholds]]:
    """Return the Otsu masks of both, uint8, and their thresholds."""
    times, channels = observed.shape[:2]
    pair = {"observed": observed, "predicted": predicted}
    masks = {which: np.empty(observed.shape, np.uint8) for which in pair}
    thresholds: Thresholds = {which: [[] for _ in range(channels)] for which in pair}
    for done, (t, c) in enumerate(np.ndindex(times, channels)):
        for part, (which, frames) in enumerate(pair.items(), 1):
            found = otsu_mask(frames[t, c], per)
            masks[which][t, c] = found.mask
            thresholds[which][c].append(list(found.thresholds))
            yield Progress("masks", 2 * done + part, 2 * times * channels)
    return masks, thresholds


def clip_frames(observed: np.ndarray, mask: np.ndarray) -> Work[np.ndarray]:
    """Return the observed frames inside the mask, each frame's minimum outside."""
    clipped = np.empty(observed.shape, observed.dtype)
    total = observed.shape[0] * observed.shape[1]
    for done, frame in enumerate(np.ndindex(observed.shape[:2]), 1):
        clipped[frame] = clip_to_mask(observed[frame], mask[frame].view(bool))
        yield Progress("clipping", done, total)
    return clipped


def score_channels(
    observed: np.ndarray, given: np.ndarray, predicted: np.ndarray, per_time: bool
) -> Work[list[dict[str, Any]]]:
    """Return every score of `SCORES` and SSIM for each channel, and r at each time point."""
    times, channels = observed.shape[:2]
    per = _windows(observed.shape[2:])
    total = channels * times * (1 if per is None else 2)
    scores: list[dict[str, Any]] = []
    done = 0
    for c in range(channels):
        before, after, similar = [], [], []
        for t in range(times):
            before.append(moments(observed[t, c], given[t, c]))
            same = given is predicted
            after.append(before[-1] if same else moments(observed[t, c], predicted[t, c]))
            yield Progress("scores", done := done + 1, total)
        whole = {True: pooled(before), False: pooled(after)}
        # Signal-to-noise ratios and similarities of different ranges cannot be compared.
        data_range = whole[True].range_observed
        for t in range(times):
            if per is None:
                break
            seen, made = observed[t, c], predicted[t, c]
            similar.append(structural_similarity(seen, made, data_range=data_range, per=per))
            yield Progress("scores", done := done + 1, total)
        found: dict[str, Any] = {
            name: score(whole[name in BEFORE_MATCH]) for name, score in SCORES.items()
        }
        span = _span(observed[:, c]) if data_range > 0 else 0.0
        found["fitted_normalized_root_mean_squared_error"] = fitted_error_of(whole[True], span)
        found["structural_similarity"] = float(np.mean(similar)) if similar else math.nan
        found["structural_similarity_per"] = per
        found["data_range"] = data_range
        if per_time:
            found["pearson_r_per_time"] = [SCORES["pearson_r"](one) for one in before]
        scores.append(found)
    return scores


def _span(channel: np.ndarray) -> float:
    counts = histogram(channel, "the observed image")
    low, high = (counts.quantile(percent) for percent in FIT_PERCENTILES)
    return high - low


def _windows(spatial: Sequence[int]) -> Literal["volume", "plane"] | None:
    """Return of what windows are of which structural similarity is had; None if none fits."""
    if min(spatial[-2:]) < WINDOW:
        return None
    return "volume" if len(spatial) > 2 and spatial[0] >= WINDOW else "plane"


def find_limits(
    observed: np.ndarray, absolute_error: np.ndarray
) -> Work[tuple[list[Limits], list[Limits]]]:
    """Return for each channel the limits of the images and those of the error maps."""
    channels = observed.shape[1]
    of_images, of_errors = [], []
    for c in range(channels):
        of_images.append(display_limits(observed[:, c]))
        yield Progress("display limits", 2 * c + 1, 2 * channels)
        of_errors.append(error_limits(absolute_error[:, c]))
        yield Progress("display limits", 2 * c + 2, 2 * channels)
    return of_images, of_errors
