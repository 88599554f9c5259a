"""Maps of what is right and wrong, computed where they are looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from napari.utils.colormaps import Colormap, DirectLabelColormap

from napari_virtual_stain.evaluation.colours import FALSE, HIT, MISSED
from napari_virtual_stain.evaluation.errors import (
    absolute_error,
    observed_minus_predicted,
    predicted_minus_observed,
    relative_error,
)
from napari_virtual_stain.evaluation.overlap import overlap_labels
from napari_virtual_stain.evaluation.survey import Survey
from napari_virtual_stain.gui.compare.derived import Derived
from napari_virtual_stain.gui.compare.scene import Kind
from napari_virtual_stain.gui.compare.subject import Subject
from napari_virtual_stain.gui.result_maps import ABSOLUTE_ERROR, MASK_COLORS, SIGNED_ERROR

TOLERANCE = Colormap([[0, 0, 0, 0], [0.25, 1.0, 0.3, 1.0]], name="above the tolerance")
"""Green above the level, and nothing where the error is forgiven."""

TOLERANCE_ALONE = Colormap([[0, 0, 0, 1], [0.25, 1.0, 0.3, 1.0]], name="tolerance")

OUTLINE = 2
"""Pixels of the outline of a mask."""


@dataclass(frozen=True)
class Map:
    """A map that can be chosen.

    Parameters
    ----------
    name : str
    title : str
        What a person calls it.
    tip : str
    covers : bool
        Whether it hides what is below it.
    """

    name: str
    title: str
    tip: str
    covers: bool = True


MAPS = (
    Map("", "none", "Observed and predicted alone."),
    Map(
        "observed_minus_predicted",
        "observed − predicted",
        "Orange where signal was missed, blue where it was made up.",
    ),
    Map(
        "predicted_minus_observed",
        "predicted − observed",
        "Orange where signal was made up, blue where it was missed.",
    ),
    Map("absolute_error", "absolute error", "How large the error is, whatever its direction."),
    Map(
        "relative_error",
        "relative error",
        "The absolute error as a part of the observed value; white from 100 % on.",
    ),
    Map(
        "tolerance",
        "error above a tolerance",
        "Green where the error is larger than a part of the displayed range.",
        covers=False,
    ),
    Map(
        "masks",
        "Otsu masks, outlined",
        "What is bright by Otsu's threshold: white in the observed, orange in the predicted image.",
        covers=False,
    ),
    Map(
        "overlap",
        "hit, missed, made up",
        "Where the two Otsu masks overlap (light), where the observed one is alone (orange), and "
        "where the predicted one is (blue).",
    ),
    Map(
        "clipped",
        "observed in the predicted mask",
        "The observed image where the prediction is bright, and black elsewhere: what a mask of "
        "the prediction would let through.",
    ),
)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A layer of a map.

    Parameters
    ----------
    part : str
        Tells the layers of one map apart.
    title : str
    kind : {"image", "labels"}
    pixels : callable
    attributes : dict
        Of the layer.
    version : tuple
        Changes with the pixels.
    """

    part: str
    title: str
    kind: Kind
    pixels: Callable[[], Any]
    attributes: dict[str, Any]
    version: tuple[Any, ...] = ()


def drawn(
    name: str, subject: Subject, survey: Survey, tolerance: float, *, alone: bool = False
) -> list[Drawn]:
    """Return the layers of a map, the first on top.

    Parameters
    ----------
    name : str
        Of one of `MAPS`.
    subject : Subject
    survey : Survey
        Of the subject.
    tolerance : float
        As a part of the displayed range, 0 to 1.
    alone : bool
        Whether it stands beside the pair, and not on it.
    """
    if not name:
        return []
    title = next(one.title for one in MAPS if one.name == name)
    observed, matched = subject.pixels[0], subject.matched(survey.coefficients)
    largest = max(-survey.error_limits[0], survey.error_limits[1])
    opaque = {"blending": "translucent_no_depth", "opacity": 1.0}

    def image(function: Callable[..., np.ndarray], **attributes: Any) -> list[Drawn]:
        def pixels() -> Any:
            return Derived((observed, matched), function, np.float32)

        return [Drawn("", title, "image", pixels, {**opaque, **attributes}, survey.coefficients)]

    if name in ("observed_minus_predicted", "predicted_minus_observed"):
        function = (
            observed_minus_predicted
            if name == "observed_minus_predicted"
            else predicted_minus_observed
        )
        return image(function, colormap=SIGNED_ERROR, contrast_limits=(-largest, largest))
    if name == "absolute_error":
        return image(absolute_error, colormap=ABSOLUTE_ERROR, contrast_limits=(0.0, largest))
    if name == "relative_error":
        return image(_bounded_relative_error, colormap="magma", contrast_limits=(0.0, 1.0))
    if name == "tolerance":
        low, high = survey.display_limits
        level = tolerance * (high - low)

        def above() -> Any:
            return Derived((observed, matched), lambda o, p: absolute_error(o, p) > level, np.uint8)

        look = {
            "colormap": TOLERANCE_ALONE if alone else TOLERANCE,
            "contrast_limits": (0, 1),
            "blending": "translucent_no_depth",
            "opacity": 1.0 if alone else 0.75,
        }
        return [Drawn("", title, "image", above, look, (*survey.coefficients, level))]
    seen, given = (
        subject.along_time([float(pair[which]) for pair in survey.thresholds]) for which in (0, 1)
    )
    version = (*survey.coefficients, *survey.thresholds)
    if name == "masks":
        sources = {"predicted": (matched, given), "observed": (observed, seen)}
        return [
            Drawn(
                which,
                f"Otsu mask of {which}",
                "labels",
                partial(Derived, pair, np.greater, np.uint8),
                {
                    "colormap": _one_colour(MASK_COLORS[which], alone),
                    "contour": 0 if alone else OUTLINE,
                    "opacity": 1.0,
                },
                version,
            )
            for which, pair in sources.items()
        ]
    every = (observed, matched, seen, given)
    if name == "overlap":
        colours = {None: (0, 0, 0, 0), 0: "#000000", 1: HIT, 2: MISSED, 3: FALSE}
        return [
            Drawn(
                "",
                title,
                "labels",
                lambda: Derived(every, _overlap, np.uint8),
                {"colormap": DirectLabelColormap(color_dict=colours), "opacity": 1.0},
                version,
            )
        ]
    black = np.asarray(survey.display_limits[0]).astype(observed.dtype)

    def clipped(o: np.ndarray, p: np.ndarray, _: np.ndarray, level: np.ndarray) -> np.ndarray:
        return np.where(p > level, o, black)

    return [
        Drawn(
            "",
            title,
            "image",
            lambda: Derived(every, clipped, observed.dtype),
            {**opaque, "colormap": "gray", "contrast_limits": survey.display_limits},
            version,
        )
    ]


def _bounded_relative_error(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    # What is infinite has no colour.
    bounded: np.ndarray = np.minimum(relative_error(observed, predicted), np.float32(1e6))
    return bounded


def _overlap(
    observed: np.ndarray, predicted: np.ndarray, seen: np.ndarray, given: np.ndarray
) -> np.ndarray:
    return overlap_labels(observed > seen, predicted > given)


def _one_colour(colour: str, covers: bool) -> DirectLabelColormap:
    background = (0, 0, 0, 1 if covers else 0)
    return DirectLabelColormap(color_dict={None: (0, 0, 0, 0), 0: background, 1: colour})
