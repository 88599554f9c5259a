"""One look at a whole pair of channels: its limits, thresholds, match, and the sums of each plane.

It is what a person who compares needs before anything else, and it takes a time point after the
other, so that a movie or a lazy stack is never held as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.confusion import ConfusionCounter
from napari_virtual_stain.evaluation.display import Limits, display_limits, error_limits
from napari_virtual_stain.evaluation.errors import absolute_error
from napari_virtual_stain.evaluation.masks import otsu_threshold
from napari_virtual_stain.evaluation.matching import (
    Coefficients,
    Match,
    apply_match,
    check_method,
    match_coefficients,
)
from napari_virtual_stain.evaluation.metrics import FIT_PERCENTILES
from napari_virtual_stain.evaluation.pairing import check_grids
from napari_virtual_stain.evaluation.tally import Scale, Tally, joined_tally, tally
from napari_virtual_stain.events import Progress, Work
from napari_virtual_stain.image import Image

SAMPLE = 1 << 25
"""Pixels of all time points together from which limits are found; of more, some at random."""

BINS = 64
"""Of the histogram of observed and predicted grey values."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What a pair of channels is like.

    Parameters
    ----------
    planes : tuple of tuple of Tally
        The sums of each plane, by time point and plane. A frame without Z is one plane.
    coefficients : tuple of Coefficients
        Of the match, by time point.
    thresholds : tuple of (observed, predicted)
        Otsu's, by time point, of the predicted image after the match. NaN where there is none.
    display_limits : (low, high)
        For observed and predicted alike.
    error_limits : (low, high)
        For the error maps.
    scale : Scale
        What scores of parts are measured by.
    counts : ndarray of int64, shape (BINS, BINS)
        Pixels by bins of observed (rows) and matched predicted grey values, between the display
        limits.
    """

    planes: tuple[tuple[Tally, ...], ...]
    coefficients: tuple[Coefficients, ...]
    thresholds: tuple[tuple[float, float], ...]
    display_limits: Limits
    error_limits: Limits
    scale: Scale
    counts: np.ndarray

    @property
    def whole(self) -> Tally:
        """The sums of all planes and time points."""
        return joined_tally([plane for frame in self.planes for plane in frame])

    def of_time(self, time: int) -> Tally:
        """Return the sums of a time point."""
        return joined_tally(self.planes[time])

    def of_plane(self, plane: int) -> Tally:
        """Return the sums of a plane at all time points."""
        return joined_tally([frame[plane] for frame in self.planes])


def survey_events(observed: Image, predicted: Image, *, match: Match = "none") -> Work[Survey]:
    """Survey a pair of channels; a generator of events that returns a :class:`Survey`.

    Parameters
    ----------
    observed, predicted : Image
        On one grid, one channel each, without C axis. Observed pixels that are no finite number
        do not count.
    match : {"none", "z-score", "least-squares"}
        As in :func:`compare`.

    Raises
    ------
    VirtualStainError
        If the two do not share a grid, no observed pixel is a number, or a constant prediction is
        to be matched by z-score.

    Notes
    -----
    Of more than 2²⁵ pixels, the limits and the span are those of so many at random; everything else
    is exact. The pixels are read twice, and a time point at a time is held.
    """
    check_method(match)
    check_grids(observed, predicted)
    times, depth = observed.sizes.get("T", 1), observed.sizes.get("Z", 1)
    pairs = list(_pairs(observed, predicted))
    seen: list[np.ndarray] = []
    wrong: list[np.ndarray] = []
    coefficients, thresholds = [], []
    low, high = math.inf, -math.inf
    for time, pair in enumerate(pairs):
        yield Progress("looking at the images", time, 2 * times)
        o, p = (_frame(one) for one in pair)
        known = _known(o)
        if not known.size:
            when = f" at time point {time + 1}" if times > 1 else ""
            raise VirtualStainError(
                f"no pixel of {observed.name} is a number{when}; there is nothing to compare with."
            )
        found = match_coefficients(o, p, match)
        matched = p if match == "none" else apply_match(p, found)
        coefficients.append(found)
        thresholds.append((otsu_threshold(known), _threshold(matched)))
        low, high = min(low, float(known.min())), max(high, float(known.max()))
        seen.append(_sample(known, times))
        wrong.append(_sample(_known(absolute_error(o, matched)), times))
    samples = np.concatenate(seen)
    limits = display_limits(samples)
    errors = np.concatenate(wrong)
    span = float(np.subtract(*np.percentile(samples.astype(np.float64), FIT_PERCENTILES[::-1])))
    counter, planes = ConfusionCounter(*limits, BINS), []
    for time, pair in enumerate(pairs):
        o, p = (_frame(one).reshape(depth, *one.shape[-2:]) for one in pair)
        frame = []
        for z in range(depth):
            yield Progress("scores of planes", time * depth + z, times * depth)
            changed = p[z] if match == "none" else apply_match(p[z], coefficients[time])
            counter.add(o[z], changed)
            frame.append(tally(o[z], p[z], match=coefficients[time], thresholds=thresholds[time]))
        planes.append(tuple(frame))
    return Survey(
        tuple(planes),
        tuple(coefficients),
        tuple(thresholds),
        limits,
        error_limits(errors) if errors.size else (-1.0, 1.0),
        Scale(high - low, span),
        counter.result().counts,
    )


def _pairs(observed: Image, predicted: Image) -> Iterator[tuple[Any, Any]]:
    """Yield the frames of both at each time point, as lazy as they are."""
    for time in range(observed.sizes.get("T", 1)):
        o, p = (
            image.data[time] if "T" in image.axes else image.data for image in (observed, predicted)
        )
        yield o, p


def _frame(data: Any) -> np.ndarray:
    frame = np.asarray(data)
    return frame.reshape([size for size in frame.shape[:-2] if size > 1] + list(frame.shape[-2:]))


def _known(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return values
    known: np.ndarray = values[np.isfinite(values)]
    return known


def _threshold(matched: np.ndarray) -> float:
    known = _known(matched)
    return otsu_threshold(known) if known.size else math.nan


def _sample(values: np.ndarray, times: int) -> np.ndarray:
    """Return all values, or of a large image or movie so many that they can be held together."""
    flat: np.ndarray = values.ravel()
    wanted = SAMPLE // times
    if flat.size <= wanted:
        return flat if times == 1 else flat.copy()
    # At random: every so manyth pixel could be one column.
    return flat[np.random.default_rng(0).integers(flat.size, size=wanted)]
