"""Scores of what is shown: what follows from sums at once, structural similarity after that."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from napari_virtual_stain.evaluation.confusion import ConfusionCounter
from napari_virtual_stain.evaluation.matching import Coefficients, apply_match
from napari_virtual_stain.evaluation.similarity import WINDOW, structural_similarity
from napari_virtual_stain.evaluation.survey import BINS, Survey
from napari_virtual_stain.evaluation.tally import NO_MATCH, joined_tally, tally
from napari_virtual_stain.events import Progress, Work
from napari_virtual_stain.gui.compare.profile import Profile, profile
from napari_virtual_stain.gui.compare.subject import Subject
from napari_virtual_stain.gui.regions import rasterized


@dataclass(frozen=True, eq=False)
class ShownScores:
    """Scores of some pixels.

    Parameters
    ----------
    scores : dict of str to float
        Without structural similarity, where that takes longer.
    region : dict of str to float
        The same within the region, where there is one.
    counts : ndarray, shape (BINS, BINS), optional
        Pixels by bins of observed and predicted grey values.
    profile : Profile, optional
        Of both along a line, where there is one on a plane.
    """

    scores: dict[str, float]
    region: dict[str, float] = field(default_factory=dict)
    counts: np.ndarray | None = None
    profile: Profile | None = None


def score_shown(
    subject: Subject,
    survey: Survey,
    index: dict[str, int],
    polygons: Sequence[np.ndarray] | None = None,
    line: np.ndarray | None = None,
) -> Generator[ShownScores, None, ShownScores]:
    """Score what is shown; a generator that yields what it knows and returns all.

    Parameters
    ----------
    subject : Subject
    survey : Survey
        Of the subject.
    index : dict of str to int
        Positions along the axes that have a slider.
    polygons : sequence of ndarray, shape (vertices, 2), optional
        Around a region, in pixels along Y and X. It holds for all planes and time points.
    line : ndarray, shape (vertices, 2), optional
        In pixels along Y and X.
    """
    region = None if polygons is None else region_mask(subject, index, polygons)
    parts = list(_parts(subject, survey, index, region))

    def scored(which: int) -> dict[str, float]:
        sums = [
            tally(one.observed, one.predicted, mask, match=one.match, thresholds=one.thresholds)
            for one in parts
            for mask in (one.region if which else None,)
        ]
        return joined_tally(sums).scores(survey.scale)

    found = scored(0)
    inside = scored(1) if region is not None and region.any() else {}
    along = None if line is None else _profile(parts, subject, line)
    yield ShownScores(found, inside, profile=along)
    counter = ConfusionCounter(*survey.display_limits, BINS)
    for one in parts:
        counter.add(one.observed, one.matched)
    counts = counter.result().counts
    yield ShownScores(found, inside, counts, along)
    found = found | _similar(parts, survey.scale.data_range)
    if inside:
        inside = inside | _similar(parts, survey.scale.data_range, inside=True)
    return ShownScores(found, inside, counts, along)


def region_mask(
    subject: Subject, index: dict[str, int], polygons: Sequence[np.ndarray]
) -> np.ndarray | None:
    """Return which of the shown pixels lie in polygons; None where no plane YX is shown.

    Parameters
    ----------
    subject : Subject
    index : dict of str to int
        Positions along the axes that have a slider.
    polygons : sequence of ndarray, shape (vertices, 2)
        In pixels along Y and X.

    Returns
    -------
    ndarray of bool, of the shape of what is shown
    """
    if "Y" in index or "X" in index:
        return None
    sizes = subject.observed.sizes
    flat = rasterized(polygons, (sizes["Y"], sizes["X"]))
    leading = [size for axis, size in sizes.items() if axis not in (*index, "Y", "X")]
    return np.broadcast_to(flat, (*leading, *flat.shape))


def _profile(parts: Sequence[_Part], subject: Subject, line: np.ndarray) -> Profile | None:
    (one, *more) = parts
    if more or one.observed.ndim != 2:
        return None
    sizes = subject.observed.voxel_size
    known = (sizes["Y"], sizes["X"]) if {"Y", "X"} <= sizes.keys() else None
    found = profile(one.observed, one.predicted, line, known)
    gain, offset = one.match
    return replace(found, predicted=found.predicted * gain + offset)


@dataclass(frozen=True, eq=False)
class _Part:
    """The shown pixels of a time point, and what they are scored by."""

    observed: np.ndarray
    predicted: np.ndarray
    match: Coefficients
    thresholds: tuple[float, float]
    region: np.ndarray | None

    @property
    def matched(self) -> np.ndarray:
        if self.match == NO_MATCH:
            return self.predicted
        return apply_match(self.predicted, self.match)


def _parts(
    subject: Subject, survey: Survey, index: dict[str, int], region: np.ndarray | None
) -> Iterator[_Part]:
    """Yield what is shown, time point by time point: each has a match and thresholds of its own."""
    moves = "T" in subject.observed.axes and "T" not in index
    for at in range(len(survey.planes)) if moves else (index.get("T", 0),):
        observed, predicted = subject.at({**index, "T": at} if moves else index)
        mask = region if region is None or not moves else region[at]
        yield _Part(observed, predicted, survey.coefficients[at], survey.thresholds[at], mask)


def whole_similarity(subject: Subject, survey: Survey) -> Work[float]:
    """Return structural similarity of all time points together, in cubes where there are planes."""
    values = []
    for time in range(len(survey.planes)):
        yield Progress("structural similarity", time, len(survey.planes))
        index = {"T": time} if "T" in subject.observed.axes else {}
        found = _similar(list(_parts(subject, survey, index, None)), survey.scale.data_range)
        values.append(found.get("structural_similarity", math.nan))
    return float(np.mean(values))


def _similar(
    parts: Sequence[_Part], data_range: float, *, inside: bool = False
) -> dict[str, float]:
    first = parts[0].observed
    if min(first.shape[-2:]) < WINDOW:
        return {}
    deep = first.ndim > 2 and first.shape[0] >= WINDOW
    values = [
        structural_similarity(
            one.observed,
            one.matched,
            one.region if inside else None,
            data_range=data_range,
            per="volume" if deep else "plane",
        )
        for one in parts
    ]
    return {"structural_similarity": float(np.mean(values))}
