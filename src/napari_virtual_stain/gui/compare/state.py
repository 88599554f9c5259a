"""What the dock shows, from what is chosen and what is on. Pure, so that it can be tested."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from napari_virtual_stain.gui.compare.form import Readiness, Verdict
from napari_virtual_stain.gui.compare.grids import Relation
from napari_virtual_stain.gui.compare.work import Shifted
from napari_virtual_stain.gui.sentences import Line, Tone, joined

if TYPE_CHECKING:
    from napari_virtual_stain.evaluation import FeatureComparison


class Stage(Enum):
    """What the comparison is at."""

    IDLE = auto()
    STARTING = auto()
    ON = auto()


@dataclass(frozen=True)
class Run:
    """The comparison that is on, or what became of the last one.

    Parameters
    ----------
    stage : Stage
    lines : tuple of Line
        What is to be said of it.
    works : bool
        Whether something is being computed.
    """

    stage: Stage = Stage.IDLE
    lines: tuple[Line, ...] = ()
    works: bool = False

    def said(self, line: Line) -> Run:
        """Return the run with one more line; what is said twice is kept once."""
        return self if line in self.lines else replace(self, lines=(*self.lines, line))


@dataclass(frozen=True)
class Panel:
    """What can be pressed and what is said.

    Parameters
    ----------
    can_compare, can_choose, is_on, works : bool
        Whether the button and the form are enabled, the comparison is on, and something runs.
    button : str
        Text of the button.
    offers : str
        What of cropping and resampling it is asked for; empty for nothing.
    before, after : tuple of Line
        Above the button and below it.
    """

    can_compare: bool
    can_choose: bool
    is_on: bool
    works: bool
    button: str
    offers: str
    before: tuple[Line, ...]
    after: tuple[Line, ...]


TONES = {
    Readiness.EMPTY: Tone.HINT,
    Readiness.REFUSED: Tone.ERROR,
    Readiness.OFFERED: Tone.WARNING,
    Readiness.READY: Tone.GOOD,
}


def panel(verdict: Verdict, run: Run, agreed: bool) -> Panel:
    """Return what the dock shows."""
    notices = tuple(Line(Tone.INFO, text) for text in verdict.notices)
    before = (Line(TONES[verdict.readiness], verdict.text), *notices)
    is_on = run.stage is Stage.ON
    idle = run.stage is Stage.IDLE
    offers = verdict.readiness is Readiness.OFFERED or (agreed and _was_offered(verdict))
    return Panel(
        can_compare=is_on or (idle and verdict.readiness is Readiness.READY),
        can_choose=idle,
        is_on=is_on,
        works=run.works or run.stage is Stage.STARTING,
        button="End comparison" if is_on else "Compare",
        offers=_offer(verdict) if offers and idle else "",
        before=before if idle else (),
        after=run.lines,
    )


def shift_line(name: str, shift: Shifted) -> Line:
    """Return the sentence about a pair that lies apart."""
    return Line(
        Tone.WARNING,
        f"{name}: the prediction lies about {_directed(shift)} px off the observed image. Scores "
        "suffer from that; check that both are of one acquisition, or align them.",
    )


def features_sentence(found: FeatureComparison) -> str:
    """Return what was measured, and how well the features of each channel agree."""
    medians = [
        f"{name} {r:.2f}" for name in found.channels if not math.isnan(r := found.median_r(name))
    ]
    text = f"Measured {found.counted}."
    return f"{text} Median r of their features: {joined(medians)}." if medians else text


def failed(text: str) -> Run:
    """Return the end of a comparison that could not begin."""
    return Run(Stage.IDLE, (Line(Tone.ERROR, text),))


def _was_offered(verdict: Verdict) -> bool:
    request = verdict.request
    return request is not None and any(pair.common.text for pair in request.pairs)


def _offer(verdict: Verdict) -> str:
    request = verdict.request
    relations = {pair.common.relation for pair in request.pairs} if request is not None else set()
    if Relation.RESAMPLE in relations:
        return "Resample the prediction to compare"
    return "Compare the part that both show"


def _directed(shift: Shifted) -> str:
    parts = [
        f"{abs(by):.1f} {words[by > 0]}"
        for by, words in ((shift.y, ("up", "down")), (shift.x, ("left", "right")))
        if abs(by) >= 0.25
    ]
    return " and ".join(parts)
