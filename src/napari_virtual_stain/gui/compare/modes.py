"""The ways of looking at a pair, and which layers each of them shows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from napari_virtual_stain.evaluation.display import Limits
from napari_virtual_stain.evaluation.survey import Survey
from napari_virtual_stain.gui.compare.derived import Curtain
from napari_virtual_stain.gui.compare.maps import MAPS, drawn
from napari_virtual_stain.gui.compare.scene import Look
from napari_virtual_stain.gui.compare.subject import Subject

TITLE = "Compare"
"""What the names of all these layers begin with."""

OPAQUE: dict[str, Any] = {"blending": "translucent_no_depth", "opacity": 1.0}
"""What covers everything below it, so that no layer of the user's must be hidden."""

SHOWN = ("blending", "colormap", "contour", "opacity")
"""What of a map's looks follows the mode."""

OBSERVED_COLOUR, PREDICTED_COLOUR = "magenta", "green"
"""Of the overlay: where both are equal it is grey to white."""

FAINT = 0.5
"""Opacity of transmitted light under several channels."""


class Mode(Enum):
    """A way of looking at a pair."""

    FLIP = "Flip"
    CURTAIN = "Curtain"
    SIDE = "Side by side"
    OVERLAY = "Overlay"
    MERGED = "Merged"


TIPS = {
    Mode.FLIP: "One in the place of the other: the eye sees every difference.",
    Mode.CURTAIN: "Observed on one side of a line that can be dragged, predicted on the other.",
    Mode.SIDE: "Beside each other; both move together.",
    Mode.OVERLAY: "Observed in magenta, predicted in green: grey where they agree.",
    Mode.MERGED: "All channels in their colours, over the transmitted light if one is chosen.",
}


@dataclass(frozen=True, eq=False)
class Shown:
    """A subject that can be shown, and what is known of it.

    Parameters
    ----------
    key : hashable
        Tells subjects apart: position of the pair, and whether it is projected.
    subject : Subject
    limits : (low, high)
        For observed and predicted.
    survey : Survey, optional
        None until it has been made.
    """

    key: Hashable
    subject: Subject
    limits: Limits
    survey: Survey | None = None

    @property
    def predicted(self) -> Any:
        """The predicted pixels, after the match where there is one."""
        if self.survey is None:
            return self.subject.pixels[1]
        return self.subject.matched(self.survey.coefficients)

    @property
    def version(self) -> Hashable:
        """Changes with the predicted pixels."""
        return () if self.survey is None else self.survey.coefficients


@dataclass(frozen=True, eq=False)
class View:
    """What a person wants to see.

    Parameters
    ----------
    mode : Mode
    map_name : str
        Of one of `MAPS`.
    turn : int
        What a flip shows: 0 the observed image, 1 the predicted one, 2 a map that covers both.
    tolerance : float
        As a part of the displayed range.
    split : float
        Where the curtain hangs, 0 to 1.
    split_axis : int
        Axis of the pixels that it divides, counted from the last, -1.
    line : int
        Thickness of its line (px).
    """

    mode: Mode = Mode.FLIP
    map_name: str = ""
    turn: int = 0
    tolerance: float = 0.1
    split: float = 0.5
    split_axis: int = -1
    line: int = 1

    @property
    def turns(self) -> int:
        """How many things a flip goes through."""
        covers = any(one.covers for one in MAPS if one.name and one.name == self.map_name)
        return 3 if covers and self.mode in (Mode.FLIP, Mode.MERGED) else 2

    @property
    def shows_predicted(self) -> bool:
        """Whether the predicted one of the two is shown."""
        return self.turn > 0

    @property
    def shows_map(self) -> bool:
        """Whether the map is shown."""
        return self.turns == 2 or self.turn == 2


def looks(
    view: View, shown: Shown, every: Sequence[Shown] = (), under: tuple[Any, Subject] | None = None
) -> list[Look]:
    """Return the layers of a view, the first on top.

    Parameters
    ----------
    view : View
    shown : Shown
        The pair that is looked at.
    every : sequence of Shown
        All pairs, for what is merged.
    under : (attributes, Subject), optional
        Transmitted light below the merged channels.
    """
    if view.mode is Mode.MERGED:
        return [*_map(view, shown), *_merged(view, every or (shown,), under)]
    if view.mode is Mode.CURTAIN:
        return [*_map(view, shown), _curtain(view, shown)]
    if view.mode is Mode.OVERLAY:
        predicted = _one(shown, True, colormap=PREDICTED_COLOUR, blending="additive", opacity=1.0)
        observed = _one(shown, False, colormap=OBSERVED_COLOUR, **OPAQUE)
        return [*_map(view, shown), predicted, observed]
    grey: dict[str, Any] = {"colormap": "gray", **OPAQUE}
    if view.mode is Mode.SIDE:
        pair = [_one(shown, False, **grey), _one(shown, True, **grey)]
        return [*pair, *_map(view, shown)]
    return [
        *_map(view, shown),
        _one(shown, True, visible=view.shows_predicted, **grey),
        _one(shown, False, visible=not view.shows_predicted, **grey),
    ]


def split_position(view: View, subject: Subject) -> int:
    """Return the first position along the divided axis that shows the prediction."""
    size = subject.place.shape[view.split_axis]
    return round(view.split * size)


def _one(shown: Shown, predicted: bool, visible: bool = True, **attributes: Any) -> Look:
    which = "predicted" if predicted else "observed"
    subject = shown.subject
    return Look(
        key=(which, shown.key),
        version=shown.version if predicted else (),
        pixels=lambda: shown.predicted if predicted else subject.pixels[0],
        fixed={
            "name": f"{TITLE}: {subject.name} {which}",
            "contrast_limits": shown.limits,
            **subject.place.attributes(),
        },
        shown=attributes,
        linked=("limits", shown.key),
        visible=visible,
    )


def _curtain(view: View, shown: Shown) -> Look:
    subject = shown.subject

    def pixels() -> Curtain:
        axis = len(subject.place.shape) + view.split_axis
        position = split_position(view, subject)
        bright = shown.limits[1]
        observed = subject.pixels[0]
        return Curtain(observed, shown.predicted, axis, position, line=view.line, bright=bright)

    return Look(
        key=("curtain", shown.key),
        version=(shown.version, view.split_axis),
        pixels=pixels,
        fixed={
            "name": f"{TITLE}: {subject.name} observed | predicted",
            "contrast_limits": shown.limits,
            **subject.place.attributes(),
        },
        shown={"colormap": "gray", **OPAQUE},
        linked=("limits", shown.key),
    )


def _merged(view: View, every: Sequence[Shown], under: tuple[Any, Subject] | None) -> list[Look]:
    """Return the channels over each other; the lowest hides what is below."""
    found: list[Look] = []
    for position, shown in enumerate(every):
        lowest = position == len(every) - 1 and under is None
        blending = "translucent_no_depth" if lowest else "additive"
        for predicted in (True, False):
            found.append(
                _one(
                    shown,
                    predicted,
                    visible=predicted == view.shows_predicted,
                    colormap=shown.subject.colormap,
                    blending=blending,
                    opacity=1.0,
                )
            )
    if under is not None:
        attributes, subject = under
        found.append(
            Look(
                key=("under", attributes["name"]),
                version=(),
                pixels=lambda: subject.pixels[0],
                fixed={**attributes, **subject.place.attributes()},
                shown={"blending": "translucent_no_depth", "opacity": FAINT},
            )
        )
    return found


def _map(view: View, shown: Shown) -> list[Look]:
    if not view.map_name or shown.survey is None:
        return []
    subject = shown.subject
    alone = view.mode is Mode.SIDE
    parts = drawn(view.map_name, subject, shown.survey, view.tolerance, alone=alone)
    return [
        Look(
            visible=view.shows_map,
            key=(view.map_name, part.part, shown.key),
            version=part.version,
            pixels=part.pixels,
            kind=part.kind,
            fixed={
                "name": f"{TITLE}: {subject.name} {part.title}",
                **{name: value for name, value in part.attributes.items() if name not in SHOWN},
                **subject.place.attributes(),
            },
            shown={name: value for name, value in part.attributes.items() if name in SHOWN},
        )
        for part in parts
    ]
