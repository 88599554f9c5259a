"""What the dock shows, from what is chosen and what is running. Pure, so that it can be tested."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from napari_virtual_stain.events import Notice
from napari_virtual_stain.gui.predict.conversion import Converted
from napari_virtual_stain.gui.predict.form import Readiness, Verdict
from napari_virtual_stain.gui.predict.work import Outcome
from napari_virtual_stain.gui.sentences import Line, Tone, joined, sentence


class Stage(Enum):
    """What the last prediction is at."""

    IDLE = auto()
    RUNNING = auto()
    CANCELLING = auto()
    ADDING = auto()
    FINISHED = auto()
    FAILED = auto()
    CANCELLED = auto()


@dataclass(frozen=True)
class Run:
    """The last prediction, and what is to be said of it."""

    stage: Stage = Stage.IDLE
    lines: tuple[Line, ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether it has begun and not ended."""
        return self.stage in (Stage.RUNNING, Stage.CANCELLING, Stage.ADDING)

    def with_notice(self, notice: Notice) -> Run:
        """Return the run with something it has said; what it says twice is kept once."""
        line = _line(notice)
        return self if line in self.lines else Run(self.stage, (*self.lines, line))


@dataclass(frozen=True)
class Panel:
    """What can be pressed and what is said.

    Parameters
    ----------
    can_predict, can_choose, can_cancel : bool
        Whether the button, the form and Cancel are enabled.
    cancel : str
        Text of Cancel.
    before, after : tuple of Line
        Above the button (whether it can be pressed, and why not) and below it.
    can_replace, replaces : bool
        Whether there are results on disk, so that it is asked whether they may be replaced, and
        whether they may.
    """

    can_predict: bool
    can_choose: bool
    can_cancel: bool
    cancel: str
    before: tuple[Line, ...]
    after: tuple[Line, ...]
    can_replace: bool
    replaces: bool


TONES = {
    Readiness.EMPTY: Tone.HINT,
    Readiness.REFUSED: Tone.ERROR,
    Readiness.EXISTS: Tone.HINT,
    Readiness.READY: Tone.GOOD,
}


def panel(verdict: Verdict, run: Run) -> Panel:
    """Return what the dock shows."""
    said = tuple(_line(notice) for notice in verdict.notices)
    before = (Line(TONES[verdict.readiness], verdict.text), *said)
    return Panel(
        can_predict=verdict.readiness is Readiness.READY and not run.is_on,
        can_choose=not run.is_on,
        can_cancel=run.stage is Stage.RUNNING,
        cancel="Cancelling…" if run.stage is Stage.CANCELLING else "Cancel",
        before=() if run.is_on else before,
        after=run.lines if run.is_on else tuple(one for one in run.lines if one not in said),
        can_replace=bool(verdict.existing) and not run.is_on,
        replaces=bool(verdict.existing) and verdict.readiness is Readiness.READY,
    )


def finished(outcome: Outcome, notes: tuple[Line, ...] = ()) -> Run:
    """Return the end of a run that came to an outcome."""
    problems = tuple(Line(Tone.WARNING, sentence(text)) for text in outcome.problems)
    warnings = tuple(one for one in notes if one.tone is Tone.WARNING and one not in problems)
    return Run(Stage.FINISHED, (Line(Tone.GOOD, result_sentence(outcome)), *problems, *warnings))


def converted(result: Converted) -> Run:
    """Return the end of a conversion."""
    text = (
        f"Converted {result.source.name}, a checkpoint of the network {result.kind}, to "
        f"{result.path.name} in the model folder."
    )
    return Run(Stage.FINISHED, (Line(Tone.GOOD, text),))


def failed(text: str) -> Run:
    """Return the end of a run that could not be finished."""
    return Run(Stage.FAILED, (Line(Tone.ERROR, text),))


def cancelled(goes_on: bool = False) -> Run:
    """Return the end of a run that was cancelled; on disk, the next may go on where it stopped."""
    text = "Predict goes on where it stopped." if goes_on else "Nothing was added or changed."
    return Run(Stage.CANCELLED, (Line(Tone.INFO, f"Cancelled. {text}"),))


def result_sentence(outcome: Outcome) -> str:
    """Return what was predicted, in what time, on what, and how well where that is known."""
    names, origin = list(outcome.predicted.channels), outcome.predicted.provenance
    what = names[0] if len(names) == 1 else f"{len(names)} channels"
    text = f"Predicted {what} in {duration(outcome.seconds)}"
    if "device" in origin:
        text += f" on the {origin['device']}"
    if "precision" in origin:
        text += f" in {origin['precision']}"
    scores = [
        f"{name} r = {comparison.metrics[name]['pearson_r']:.2f}"
        for name, comparison in outcome.comparisons.items()
    ]
    return f"{text}. {joined(scores)}." if scores else f"{text}."


def duration(seconds: float) -> str:
    """Return a time as people say it: ``2.1 s``, ``1 min 5 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _line(notice: Notice) -> Line:
    return Line(Tone.WARNING if notice.warning else Tone.INFO, sentence(notice.text))
