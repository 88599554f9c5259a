"""The long work of a comparison, as generators of events for threads."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.display import Limits
from napari_virtual_stain.evaluation.matching import Match, apply_match
from napari_virtual_stain.evaluation.survey import Survey, survey_events
from napari_virtual_stain.events import Progress, Work
from napari_virtual_stain.gui.compare.cells import labels_on
from napari_virtual_stain.gui.compare.form import Request
from napari_virtual_stain.gui.compare.live import whole_similarity
from napari_virtual_stain.gui.compare.modes import Shown
from napari_virtual_stain.gui.compare.subject import Subject, projected, subject
from napari_virtual_stain.gui.layers import Layer
from napari_virtual_stain.image import Image

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import FeatureComparison

MOST_FOR_SHIFT = 512
"""Side of the middle of a plane on which a shift is measured (px)."""


@dataclass(frozen=True, eq=False)
class Surveyed:
    """The survey of a pair has been made."""

    channel: int
    survey: Survey
    flat: bool


@dataclass(frozen=True, eq=False)
class Projected:
    """The maximum projection of a pair has been made."""

    channel: int
    subject: Subject


@dataclass(frozen=True)
class Similar:
    """Structural similarity of the whole of a pair is known."""

    channel: int
    value: float
    flat: bool


@dataclass(frozen=True)
class Shifted:
    """A pair lies apart: the prediction by so many px along Y and X off the observed."""

    channel: int
    y: float
    x: float


@dataclass(frozen=True)
class Failed:
    """A pair cannot be surveyed, for a reason that the text gives."""

    channel: int
    flat: bool
    text: str


Found = Generator[Any, None, None]


def begin(request: Request) -> Work[list[Subject]]:
    """Bring every pair to its common grid."""
    subjects = []
    for pair in request.pairs:
        made = yield from subject(
            pair.name, pair.observed, pair.predicted, pair.common, pair.colormap
        )
        subjects.append(made)
    return subjects


def survey_all(
    subjects: Sequence[Subject], match: Match, *, flat: bool = False, first: int = 0
) -> Found:
    """Survey every pair, the one that is looked at first; tells what it finds as it goes."""
    order = sorted(range(len(subjects)), key=lambda channel: channel != first)
    surveys: dict[int, Survey] = {}
    known: dict[int, Subject] = {}
    for channel in order:
        one = subjects[channel]
        if flat:
            one = yield from projected(one)
            yield Projected(channel, one)
        try:
            surveys[channel] = yield from survey_events(one.observed, one.predicted, match=match)
        except VirtualStainError as error:
            yield Failed(channel, flat, f"{one.name}: {error}")
            continue
        known[channel] = one
        yield Surveyed(channel, surveys[channel], flat)
    for channel in known:
        value = yield from whole_similarity(known[channel], surveys[channel])
        yield Similar(channel, value, flat)
    for channel in () if flat else known:
        shift = yield from measured(known[channel])
        if shift is not None:
            yield Shifted(channel, *shift)


def measured(one: Subject) -> Work[tuple[float, float] | None]:
    """Return how far the prediction lies off the observed image (Y, X, px), where that matters."""
    from napari_virtual_stain.training.checks import FAR, HARMFUL
    from napari_virtual_stain.training.registration import measured_shift

    yield Progress("looking for a shift", 0, 1)
    middle = {axis: size // 2 for axis, size in one.observed.sizes.items() if axis in "TZ"}
    observed, predicted = (_middle(plane) for plane in one.at(middle))
    if not (np.isfinite(observed).all() and np.isfinite(predicted).all()):
        return None
    shift = measured_shift(predicted, observed)
    if not shift.is_told or shift.length < FAR or shift.cost < HARMFUL:
        return None
    return shift.pixels[-2], shift.pixels[-1]


def report(subjects: Sequence[Subject], match: Match, folder: Path) -> Work[Path]:
    """Compare all pairs and write the report of them into a folder; returns its page."""
    from napari_virtual_stain.evaluation import compare_events
    from napari_virtual_stain.io import write_report

    observed, predicted = joined(subjects)
    comparison = yield from compare_events(observed, predicted, match=match)
    yield Progress("writing", 0, 0)
    return write_report(comparison, folder)["report"]


def picture(
    subjects: Sequence[Subject],
    surveys: Sequence[Survey | None],
    index: dict[str, int],
    path: Path,
) -> Work[Path]:
    """Draw what is shown of all pairs beside each other, after the match, and write it as PNG."""
    from napari_virtual_stain.evaluation import compare_events, figure
    from napari_virtual_stain.io import write_picture

    observed, predicted = joined(subjects, index, surveys)
    comparison = yield from compare_events(observed, predicted)
    yield Progress("drawing", 0, 0)
    return write_picture(figure(comparison), path, overwrite=True)


def flip(
    shown: Sequence[Shown],
    limits: Sequence[Limits],
    index: dict[str, int],
    colours: Sequence[Any],
    path: Path,
) -> Work[Path]:
    """Write observed and predicted as pictures that take turns."""
    from napari_virtual_stain.gui.compare.rendered import flip_pictures
    from napari_virtual_stain.io import write_flip

    yield Progress("drawing", 0, 0)
    pictures = flip_pictures(shown, limits, index, colours)
    return write_flip(pictures, path, overwrite=True)


def scores(shown: Sequence[Shown], similar: Sequence[float | None], path: Path) -> Work[Path]:
    """Write the scores of every plane of all pairs, and of the whole of each."""
    from napari_virtual_stain.gui.compare.table import score_rows
    from napari_virtual_stain.io import write_table

    yield Progress("writing", 0, 0)
    rows = [
        row
        for one, similarity in zip(shown, similar, strict=True)
        if one.survey is not None
        for row in score_rows(one.subject, one.survey, similarity)
    ]
    return write_table(rows, path, overwrite=True)


def features(
    subjects: Sequence[Subject], folder: Path, nuclei: Layer | None, cells: Layer | None
) -> Work[tuple[Path, FeatureComparison]]:
    """Measure the cells of all pairs, and write that into a folder; returns page and result."""
    from napari_virtual_stain.evaluation import compare_features_events
    from napari_virtual_stain.io import write_features

    observed, predicted = joined(subjects)
    labels = (labels_on(layer, subjects[0].observed) for layer in (nuclei, cells))
    found = yield from compare_features_events(observed, predicted, *labels)
    yield Progress("writing", 0, 0)
    return write_features(found, folder)["features_page"], found


def joined(
    subjects: Sequence[Subject],
    index: dict[str, int] | None = None,
    surveys: Sequence[Survey | None] = (),
) -> tuple[Image, Image]:
    """Return all pairs as an observed and a predicted image with a channel for each.

    Parameters
    ----------
    subjects : sequence of Subject
        Of one grid.
    index : dict of str to int, optional
        Positions along axes that are dropped.
    surveys : sequence of Survey, optional
        By which predictions are matched first, at a time point of the `index`.
    """
    first = subjects[0].observed
    place_of = {axis: at for axis, at in (index or {}).items() if axis not in "YX"}
    keep = [axis for axis in first.axes if axis not in place_of]
    pairs = [one.at(place_of) for one in subjects]
    for position, survey in enumerate(surveys):
        if survey is not None:
            match = survey.coefficients[place_of.get("T", 0)]
            observed, predicted = pairs[position]
            if match != (1.0, 0.0):
                pairs[position] = observed, apply_match(predicted, match)
    place = keep.index("T") + 1 if "T" in keep else 0
    axes = [*keep[:place], "C", *keep[place:]]
    images = [
        Image(
            np.stack([pair[part] for pair in pairs], axis=place),
            "".join(axes),
            voxel_size={a: s for a, s in first.voxel_size.items() if a in axes},
            channels=tuple(one.name for one in subjects),
            time_step=first.time_step if "T" in axes else None,
            name=source.name,
            provenance=dict(source.provenance),
        )
        for part, source in enumerate((first, subjects[0].predicted))
    ]
    return images[0], images[1]


def _middle(plane: np.ndarray) -> np.ndarray:
    starts = [max(0, (size - MOST_FOR_SHIFT) // 2) for size in plane.shape]
    return plane[tuple(slice(start, start + MOST_FOR_SHIFT) for start in starts)]
