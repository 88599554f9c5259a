"""The scores of every plane and time point, as rows for a spreadsheet."""

from __future__ import annotations

import math
from typing import Any

from napari_virtual_stain.evaluation.survey import Survey
from napari_virtual_stain.gui.compare.subject import Subject


def score_rows(
    subject: Subject, survey: Survey, similarity: float | None = None
) -> list[dict[str, Any]]:
    """Return a row for each plane of a pair, and one for the whole.

    Parameters
    ----------
    subject : Subject
    survey : Survey
        Of the subject.
    similarity : float, optional
        Structural similarity of the whole.
    """
    rows = []
    for t, frame in enumerate(survey.planes):
        for z, plane in enumerate(frame):
            rows.append(
                {"channel": subject.name, "time_point": t + 1, "plane": z + 1}
                | _plain(plane.scores(survey.scale))
            )
    whole = survey.whole.scores(survey.scale)
    if similarity is not None:
        whole["structural_similarity"] = similarity
    last = {"channel": subject.name, "time_point": "all", "plane": "all"} | _plain(whole)
    return [*rows, last]


def _plain(scores: dict[str, float]) -> dict[str, Any]:
    return {name: "" if math.isnan(value) else value for name, value in scores.items()}
