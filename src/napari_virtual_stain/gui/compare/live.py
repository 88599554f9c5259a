"""Scores of what is shown: what follows from sums at once, structural similarity after that."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_virtual_stain.evaluation.confusion import ConfusionCounter
from napari_virtual_stain.evaluation.matching import apply_match
from napari_virtual_stain.evaluation.similarity import WINDOW, structural_similarity
from napari_virtual_stain.evaluation.survey import BINS, Survey
from napari_virtual_stain.evaluation.tally import tally
from napari_virtual_stain.events import Progress, Work
from napari_virtual_stain.gui.compare.subject import Subject


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
    """

    scores: dict[str, float]
    region: dict[str, float] = field(default_factory=dict)
    counts: np.ndarray | None = None


def score_shown(
    subject: Subject,
    survey: Survey,
    index: dict[str, int],
    region: np.ndarray | None = None,
) -> Generator[ShownScores, None, ShownScores]:
    """Score what is shown; a generator that yields what it knows and returns all.

    Parameters
    ----------
    subject : Subject
    survey : Survey
        Of the subject.
    index : dict of str to int
        Positions along the axes that have a slider.
    region : ndarray of bool, optional
        Which of the shown pixels are in a region, of their shape.
    """
    observed, predicted = subject.at(index)
    time = index.get("T", 0)
    match, thresholds = survey.coefficients[time], survey.thresholds[time]

    def scored(mask: np.ndarray | None) -> dict[str, float]:
        sums = tally(observed, predicted, mask, match=match, thresholds=thresholds)
        return sums.scores(survey.scale)

    found = scored(None)
    inside = scored(region) if region is not None and region.any() else {}
    yield ShownScores(found, inside)
    matched = predicted if match == (1.0, 0.0) else apply_match(predicted, match)
    counter = ConfusionCounter(*survey.display_limits, BINS)
    counter.add(observed, matched)
    counts = counter.result().counts
    yield ShownScores(found, inside, counts)
    found = found | _similar(observed, matched, survey.scale.data_range)
    if inside:
        inside = inside | _similar(observed, matched, survey.scale.data_range, region)
    return ShownScores(found, inside, counts)


def whole_similarity(subject: Subject, survey: Survey) -> Work[float]:
    """Return structural similarity of all time points together, in cubes where there are planes."""
    values = []
    for time in range(len(survey.planes)):
        yield Progress("structural similarity", time, len(survey.planes))
        index = {"T": time} if "T" in subject.observed.axes else {}
        observed, predicted = subject.at(index)
        match = survey.coefficients[time]
        matched = predicted if match == (1.0, 0.0) else apply_match(predicted, match)
        values.append(
            _similar(observed, matched, survey.scale.data_range).get(
                "structural_similarity", float("nan")
            )
        )
    return float(np.mean(values))


def _similar(
    observed: np.ndarray, predicted: np.ndarray, data_range: float, mask: Any = None
) -> dict[str, float]:
    if min(observed.shape[-2:]) < WINDOW:
        return {}
    deep = observed.ndim > 2 and observed.shape[0] >= WINDOW
    value = structural_similarity(
        observed,
        predicted,
        mask,
        data_range=data_range,
        per="volume" if deep else "plane",
    )
    return {"structural_similarity": value}
