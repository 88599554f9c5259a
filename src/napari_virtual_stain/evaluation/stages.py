"""The stages of a comparison, each a generator of events over frames that returns its part.

Everything is an array of shape (T, C, [Z,] Y, X): `observed` as it was given,
`given` the predicted one as it was given, `predicted` the same after the match,
`counts` which pixels count (None where all do).
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
from napari_virtual_stain.evaluation.noise import noise_ceiling
from napari_virtual_stain.evaluation.similarity import WINDOW, similarity_sum
from napari_virtual_stain.events import Notice, Progress, Work
from napari_virtual_stain.normalization import histogram

Thresholds = dict[str, list[list[list[float]]]]
"""Thresholds of ``observed`` and ``predicted``, by channel, time point and plane."""


def match_frames(
    observed: np.ndarray,
    given: np.ndarray,
    method: Match,
    labels: Sequence[str],
    counts: np.ndarray | None,
) -> Work[tuple[np.ndarray, list[list[Coefficients]]]]:
    """Return the matched frames, float32, and their coefficients by channel and time point."""
    times, channels = given.shape[:2]
    coefficients: list[list[Coefficients]] = [[] for _ in range(channels)]
    as_it_is = method == "none" and given.dtype == np.float32
    matched = given if as_it_is else np.empty(given.shape, np.float32)
    for done, (t, c) in enumerate(np.ndindex(times, channels), 1):
        try:
            mask = _frame(counts, (t, c))
            taken = mask if method == "none" else _also_predicted(given[t, c], mask)
            found = match_coefficients(observed[t, c], given[t, c], method, taken)
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


def map_errors(
    observed: np.ndarray, predicted: np.ndarray, counts: np.ndarray | None
) -> Work[dict[str, np.ndarray]]:
    """Return every map of `ERRORS`, float32; NaN where a pixel does not count."""
    maps = {kind: np.empty(predicted.shape, np.float32) for kind in ERRORS}
    total = observed.shape[0] * observed.shape[1]
    for done, frame in enumerate(np.ndindex(observed.shape[:2]), 1):
        for kind, error in ERRORS.items():
            with np.errstate(invalid="ignore"):
                maps[kind][frame] = error(observed[frame], predicted[frame])
            if counts is not None:
                maps[kind][frame][~counts[frame]] = np.nan
        yield Progress("error maps", done, total)
    return maps


def mask_frames(
    observed: np.ndarray, predicted: np.ndarray, per: MaskPer, counts: np.ndarray | None
) -> Work[tuple[dict[str, np.ndarray], Thresholds]]:
    """Return the Otsu masks of both, uint8, and their thresholds.

    A mask is 0 where a pixel does not count or is no number, and its threshold is that of the
    others.
    """
    times, channels = observed.shape[:2]
    pair = {"observed": observed, "predicted": predicted}
    masks = {which: np.empty(observed.shape, np.uint8) for which in pair}
    thresholds: Thresholds = {which: [[] for _ in range(channels)] for which in pair}
    for done, (t, c) in enumerate(np.ndindex(times, channels)):
        for part, (which, frames) in enumerate(pair.items(), 1):
            found = otsu_mask(frames[t, c], per, _frame(counts, (t, c)))
            masks[which][t, c] = found.mask
            thresholds[which][c].append(list(found.thresholds))
            yield Progress("masks", 2 * done + part, 2 * times * channels)
    return masks, thresholds


def clip_frames(
    observed: np.ndarray, mask: np.ndarray, counts: np.ndarray | None
) -> Work[np.ndarray]:
    """Return the observed frames inside the mask, each frame's minimum outside."""
    clipped = np.empty(observed.shape, observed.dtype)
    total = observed.shape[0] * observed.shape[1]
    for done, frame in enumerate(np.ndindex(observed.shape[:2]), 1):
        counted = _frame(counts, frame)
        clipped[frame] = clip_to_mask(observed[frame], mask[frame].view(bool), counted)
        yield Progress("clipping", done, total)
    return clipped


def score_channels(
    observed: np.ndarray,
    given: np.ndarray,
    predicted: np.ndarray,
    per_time: bool,
    counts: np.ndarray | None,
    noise: Sequence[float] | None,
) -> Work[list[dict[str, Any]]]:
    """Return every score of `SCORES` and SSIM for each channel, and r at each time point.

    With the variance of the noise of each channel, also how large r can become.
    """
    times, channels = observed.shape[:2]
    per = _windows(observed.shape[2:])
    total = channels * times * (1 if per is None else 2)
    scores: list[dict[str, Any]] = []
    done = 0
    for c in range(channels):
        before, after, similar, windows = [], [], 0.0, 0
        for t in range(times):
            mask = _frame(counts, (t, c))
            before.append(moments(observed[t, c], given[t, c], mask))
            same = given is predicted
            after.append(before[-1] if same else moments(observed[t, c], predicted[t, c], mask))
            yield Progress("scores", done := done + 1, total)
        whole = {True: pooled(before), False: pooled(after)}
        # Signal-to-noise ratios and similarities of different ranges cannot be compared.
        data_range = whole[True].range_observed
        for t in range(times):
            if per is None:
                break
            pair, mask = (observed[t, c], predicted[t, c]), _frame(counts, (t, c))
            total_of_frame, count = similarity_sum(*pair, mask, data_range=data_range, per=per)
            similar, windows = similar + total_of_frame, windows + count
            yield Progress("scores", done := done + 1, total)
        found: dict[str, Any] = {
            name: score(whole[name in BEFORE_MATCH]) for name, score in SCORES.items()
        }
        counted = None if counts is None else counts[:, c]
        span = _span(observed[:, c], counted) if data_range > 0 else 0.0
        found["fitted_normalized_root_mean_squared_error"] = fitted_error_of(whole[True], span)
        found["structural_similarity"] = similar / windows if windows else math.nan
        found["structural_similarity_per"] = per
        found["data_range"] = data_range
        found["pixels"] = whole[True].count
        if noise is not None:
            found["noise_ceiling"] = noise_ceiling(noise[c], whole[True].var_observed)
            found["noise_variance"] = noise[c]
        if per_time:
            found["pearson_r_per_time"] = [SCORES["pearson_r"](one) for one in before]
        scores.append(found)
    return scores


def _span(channel: np.ndarray, counted: np.ndarray | None) -> float:
    pixels = channel if counted is None else channel[counted][np.newaxis]
    found = histogram(pixels, "the observed image")
    low, high = (found.quantile(percent) for percent in FIT_PERCENTILES)
    return high - low


def _windows(spatial: Sequence[int]) -> Literal["volume", "plane"] | None:
    """Return of what windows are of which structural similarity is had; None if none fits."""
    if min(spatial[-2:]) < WINDOW:
        return None
    return "volume" if len(spatial) > 2 and spatial[0] >= WINDOW else "plane"


def find_limits(
    observed: np.ndarray, absolute_error: np.ndarray, counts: np.ndarray | None
) -> Work[tuple[list[Limits], list[Limits]]]:
    """Return for each channel the limits of the images and those of the error maps."""
    channels = observed.shape[1]
    of_images, of_errors = [], []
    for c in range(channels):
        pixels = observed[:, c] if counts is None else observed[:, c][counts[:, c]]
        of_images.append(display_limits(pixels))
        yield Progress("display limits", 2 * c + 1, 2 * channels)
        # NaN where a pixel does not count, and where its prediction is no number.
        errors = absolute_error[:, c]
        known = np.isfinite(errors)
        if not known.all():
            errors = errors[known] if known.any() else np.zeros(1, np.float32)
        of_errors.append(error_limits(errors))
        yield Progress("display limits", 2 * c + 2, 2 * channels)
    return of_images, of_errors


def _frame(counts: np.ndarray | None, frame: tuple[int, ...]) -> np.ndarray | None:
    return None if counts is None else counts[frame]


def _also_predicted(given: np.ndarray, counts: np.ndarray | None) -> np.ndarray | None:
    """Return what counts without pixels that were predicted as no number.

    One of them would leave no coefficient, and so nothing to look at of all the others.
    """
    if given.dtype.kind != "f":
        return counts
    known: np.ndarray = np.isfinite(given)
    if known.all():
        return counts
    return known if counts is None else known & counts
