"""Observed + predicted -> Comparison: errors, masks, limits and scores, channel by channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from napari_virtual_stain.evaluation import stages
from napari_virtual_stain.evaluation.counting import check_predicted, find_counted, spread_mask
from napari_virtual_stain.evaluation.details import Details, details_of
from napari_virtual_stain.evaluation.display import Limits
from napari_virtual_stain.evaluation.errors import ERROR_TITLES
from napari_virtual_stain.evaluation.frames import read_channels
from napari_virtual_stain.evaluation.masks import MaskPer, check_per
from napari_virtual_stain.evaluation.matching import Coefficients, Match, check_method
from napari_virtual_stain.evaluation.noise import noise_variances
from napari_virtual_stain.evaluation.pairing import check_grids, describe, pair_channels
from napari_virtual_stain.evaluation.sigma import read_sigma
from napari_virtual_stain.events import Work, run
from napari_virtual_stain.image import AXES, Image


@dataclass(frozen=True, eq=False)
class Comparison:
    """What an observed image and its prediction have to say about each other.

    All images lie on the observed image's grid, and have a C axis with one position for each
    pair of channels, whose names they bear.

    Parameters
    ----------
    observed : Image
        The observed channels that have a partner; dtype kept.
    predicted : Image
        Their predictions after the match, float32.
    errors : dict of str to Image
        ``observed_minus_predicted``, ``predicted_minus_observed``, ``absolute_error``; float32.
        NaN where a pixel does not count.
    masks : dict of str to Image
        Otsu masks of ``observed`` and ``predicted``; uint8, 0 or 1; 0 where a pixel does not
        count.
    clipped : Image
        Observed where the predicted mask is 1, the minimum of its channel and time point where
        it is 0; dtype of the observed image.
    display_limits : dict of str to (low, high)
        By channel, for observed and predicted alike.
    error_limits : dict of str to (low, high)
        By channel, for the three error maps.
    metrics : dict of str to dict
        By channel: every metric of `METRICS` over all its pixels, structural similarity and the
        error of a restoration, as ``docs/metrics-json.md`` has them; ``pixels``, how many of
        them count; ``pearson_r_per_time``, a list, where there is a T axis; ``noise_ceiling`` and
        ``noise_variance`` where noise was given; and ``otsu_thresholds``, for ``observed`` and
        ``predicted`` a list over time points of the list of their thresholds (one, or one for
        each plane; NaN where no pixel counts).
    match : str
        How the predicted image was matched: ``none``, ``z-score`` or ``least-squares``.
    coefficients : dict of str to list of Coefficients
        By channel, the gain and offset of the match at each time point.
    mask_per : str
        What one Otsu threshold holds for: ``volume`` or ``plane``.
    counts : Image, optional
        Which pixels count; uint8, 0 or 1. None where all do.
    sigma : Image, optional
        The standard deviations that were predicted, in the units of `observed`, float32; NaN for
        a channel without any. None where none were given.
    """

    observed: Image
    predicted: Image
    errors: dict[str, Image]
    masks: dict[str, Image]
    clipped: Image
    display_limits: dict[str, Limits]
    error_limits: dict[str, Limits]
    metrics: dict[str, dict[str, Any]]
    match: Match
    coefficients: dict[str, list[Coefficients]]
    mask_per: MaskPer
    counts: Image | None = None
    sigma: Image | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the pairs of channels."""
        return tuple(self.observed.channels)

    @cached_property
    def details(self) -> dict[str, Details]:
        """By channel, what takes longer than the scores; computed when it is first asked for."""
        return {name: details_of(self, c) for c, name in enumerate(self.channels)}


def compare(
    observed: Image,
    predicted: Image,
    *,
    match: Match = "none",
    mask_per: MaskPer = "volume",
    mask: Image | None = None,
    noise: Image | None = None,
    uncertainty: Image | None = None,
) -> Comparison:
    """Compare a predicted image with the observed one, pixel by pixel.

    Parameters
    ----------
    observed, predicted : Image
        On one grid. Channels are paired by name, or by position where no name is shared. Where
        an image is a NumPy array the comparison may share its memory; neither is written to.
        Observed pixels that are NaN or infinite were not measured and do not count. A predicted
        pixel that counts and is NaN or infinite makes the scores of its channel NaN.
    match : {"none", "z-score", "least-squares"}
        How the predicted intensities are brought to the observed ones, for each channel and
        time point, before they are subtracted. Pearson r is that of the images as given.
    mask_per : {"volume", "plane"}
        Whether one Otsu threshold holds for the whole volume of a time point, or for a plane.
    mask : Image, optional
        0 where a pixel does not count; labels do too. It holds for all positions of an axis that
        it lacks, and its channels are those of `observed`, in their order.
    noise : Image, optional
        An image of nothing, or a field taken again and again (T), with the settings of
        `observed`: from its variance follows how large r can become (`noise_ceiling`).
    uncertainty : Image, optional
        What came with `predicted`: its channels named as the predicted ones, with `` σ`` behind.

    Returns
    -------
    Comparison

    Raises
    ------
    VirtualStainError
        If the images do not share a grid, their channels cannot be paired, no pixel of a channel
        counts or is predicted as a number, or a constant predicted channel is to be matched by
        z-score.

    Warns
    -----
    VirtualStainWarning
        If several channels were paired by position although they have names, a least-squares
        match turned a prediction over, or predicted pixels that count are no numbers.

    References
    ----------
    .. [1] Allen Institute for Cell Science, "Fluorescence images without fluorescent markers".
    """
    work = compare_events(
        observed,
        predicted,
        match=match,
        mask_per=mask_per,
        mask=mask,
        noise=noise,
        uncertainty=uncertainty,
    )
    return run(work)


def compare_events(
    observed: Image,
    predicted: Image,
    *,
    match: Match = "none",
    mask_per: MaskPer = "volume",
    mask: Image | None = None,
    noise: Image | None = None,
    uncertainty: Image | None = None,
) -> Work[Comparison]:
    """Do what :func:`compare` does, as a generator of events that returns the comparison."""
    check_method(match)
    check_per(mask_per)
    check_grids(observed, predicted)
    pairing = pair_channels(observed, predicted)
    yield from pairing.notices

    names = pairing.names
    spatial = [size for axis, size in observed.sizes.items() if axis not in "TC"]
    labels = [describe(predicted, position) for position in pairing.predicted]
    chosen = None if mask is None else spread_mask(mask, observed, pairing.observed, spatial)
    variances = None if noise is None else noise_variances(noise, names)
    seen = yield from read_channels(observed, pairing.observed, spatial, "reading observed")
    given = yield from read_channels(predicted, pairing.predicted, spatial, "reading predicted")
    of_mask = "" if mask is None else mask.name
    counts = yield from find_counted(observed, pairing.observed, seen, chosen, of_mask)
    yield from check_predicted(predicted, pairing.predicted, given, counts)
    matched, coefficients = yield from stages.match_frames(seen, given, match, labels, counts)
    sigma: np.ndarray | None = None
    if uncertainty is not None:
        sigma = yield from read_sigma(uncertainty, predicted, pairing.predicted, coefficients)
    errors = yield from stages.map_errors(seen, matched, counts)
    masks, thresholds = yield from stages.mask_frames(seen, matched, mask_per, counts)
    clipped = yield from stages.clip_frames(seen, masks["predicted"], counts)
    scores = yield from stages.score_channels(
        seen, given, matched, "T" in observed.axes, counts, variances
    )
    limits, error_limits = yield from stages.find_limits(seen, errors["absolute_error"], counts)

    for c, score in enumerate(scores):
        score["otsu_thresholds"] = {which: found[c] for which, found in thresholds.items()}
    used = {
        name: [{"gain": gain, "offset": offset} for gain, offset in found]
        for name, found in zip(names, coefficients, strict=True)
    }
    origin = {
        "observed": observed.name,
        "predicted": predicted.name,
        "prediction": dict(predicted.provenance),
        "match": {"method": match, "coefficients": used},
    }
    blank = _Blank(observed, predicted, names)
    return Comparison(
        observed=blank.image(seen, observed.name, dict(observed.provenance)),
        predicted=blank.image(
            matched, predicted.name, {**predicted.provenance, "match": origin["match"]}
        ),
        errors={
            kind: blank.image(frames, f"{observed.name}: {ERROR_TITLES[kind]}", origin)
            for kind, frames in errors.items()
        },
        masks={
            which: blank.image(
                frames,
                f"{observed.name}: Otsu mask of {which}",
                {
                    **origin,
                    "labels": True,
                    "thresholds": dict(zip(names, _plain(thresholds[which]), strict=True)),
                },
            )
            for which, frames in masks.items()
        },
        clipped=blank.image(clipped, f"{observed.name}: observed in the predicted mask", origin),
        display_limits=dict(zip(names, limits, strict=True)),
        error_limits=dict(zip(names, error_limits, strict=True)),
        metrics=dict(zip(names, scores, strict=True)),
        match=match,
        coefficients=dict(zip(names, coefficients, strict=True)),
        mask_per=mask_per,
        counts=None
        if counts is None
        else blank.image(counts.view(np.uint8), f"{observed.name}: what counts", origin),
        sigma=None if sigma is None else blank.image(sigma, f"{predicted.name}: σ", origin),
    )


def _plain(thresholds: list[list[list[float]]]) -> list[list[list[float | None]]]:
    """Return thresholds as JSON has them: None where no pixel counted."""
    return [
        [[None if math.isnan(one) else one for one in frame] for frame in channel]
        for channel in thresholds
    ]


class _Blank:
    """What all images of a comparison have in common."""

    def __init__(self, observed: Image, predicted: Image, names: tuple[str, ...]) -> None:
        self.axes = "".join(axis for axis in AXES if axis == "C" or axis in observed.axes)
        voxel_size = {**predicted.voxel_size, **observed.voxel_size}
        self.voxel_size = {axis: size for axis, size in voxel_size.items() if axis in self.axes}
        self.names = names
        known = observed.time_step is not None
        self.time_step = observed.time_step if known else predicted.time_step

    def image(self, frames: np.ndarray, name: str, provenance: dict[str, Any]) -> Image:
        """Make an image of frames of shape (T, C, [Z,] Y, X)."""
        return Image(
            frames if "T" in self.axes else frames[0],
            self.axes,
            voxel_size=self.voxel_size,
            channels=self.names,
            time_step=self.time_step if "T" in self.axes else None,
            name=name,
            provenance=provenance,
        )
