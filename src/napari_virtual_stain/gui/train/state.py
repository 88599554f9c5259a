"""What the dock shows, from what is chosen and what is running. Pure, so that it can be tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from napari_virtual_stain.events import Notice
from napari_virtual_stain.gui.predict.state import duration
from napari_virtual_stain.gui.sentences import Line, Tone, joined, sentence
from napari_virtual_stain.gui.train.verdict import Readiness, Verdict

if TYPE_CHECKING:
    from napari_virtual_stain.gui.train.work import Trained
    from napari_virtual_stain.training.checks import Finding


class Stage(Enum):
    """What the last training is at."""

    IDLE = auto()
    CHECKING = auto()
    ASKING = auto()
    TRAINING = auto()
    PAUSED = auto()
    STOPPING = auto()
    SAVING = auto()
    CANCELLING = auto()
    FINISHED = auto()
    FAILED = auto()
    CANCELLED = auto()


KEPT = "What it had learned is kept: see above."

IN_THREAD = frozenset(
    {
        Stage.CHECKING,
        Stage.TRAINING,
        Stage.PAUSED,
        Stage.STOPPING,
        Stage.SAVING,
        Stage.CANCELLING,
    }
)
LIVE = frozenset({Stage.TRAINING, Stage.PAUSED, Stage.STOPPING})


@dataclass(frozen=True)
class Run:
    """The last training, and what is to be said of it."""

    stage: Stage = Stage.IDLE
    lines: tuple[Line, ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether something is being computed."""
        return self.stage in IN_THREAD

    def with_notice(self, notice: Notice) -> Run:
        """Return the run with something it has said; what it says twice is kept once."""
        line = line_of(notice)
        return self if line in self.lines else replace(self, lines=(*self.lines, line))

    def at(self, stage: Stage) -> Run:
        """Return the run at another stage."""
        return replace(self, stage=stage)


@dataclass(frozen=True)
class Panel:
    """What can be pressed and what is said.

    Parameters
    ----------
    shows_form, shows_live, shows_progress, asks : bool
        Whether there are the form, the curves, a progress bar, and the question after findings.
    can_train, can_correct, can_ignore : bool
        Whether Train can be pressed; whether something that was found can be corrected; whether it
        can be trained in spite of what was found.
    can_pause, can_stop, can_cancel : bool
    pause, stop, cancel, correct : str
        Texts of the buttons.
    before, after : tuple of Line
        Above the buttons and below them.
    """

    shows_form: bool
    shows_live: bool
    shows_progress: bool
    asks: bool
    can_train: bool
    can_correct: bool
    can_ignore: bool
    can_pause: bool
    can_stop: bool
    can_cancel: bool
    pause: str
    stop: str
    cancel: str
    correct: str
    before: tuple[Line, ...]
    after: tuple[Line, ...]


TONES = {
    Readiness.EMPTY: Tone.HINT,
    Readiness.REFUSED: Tone.ERROR,
    Readiness.READY: Tone.GOOD,
}


def panel(
    verdict: Verdict, run: Run, findings: Sequence[Finding] = (), *, learned: bool = False
) -> Panel:
    """Return what the dock shows.

    Parameters
    ----------
    verdict : Verdict
    run : Run
    findings : sequence of Finding
        What the checks have found, where they ask.
    learned : bool
        Whether there has been a step, so that there is something to keep.
    """
    stage, asks = run.stage, run.stage is Stage.ASKING
    said = tuple(line_of(notice) for notice in verdict.notices)
    quiet = not run.is_on and not asks
    return Panel(
        shows_form=quiet,
        shows_live=stage in LIVE or stage in (Stage.SAVING, Stage.FINISHED),
        shows_progress=run.is_on,
        asks=asks,
        can_train=verdict.readiness is Readiness.READY and quiet,
        can_correct=asks
        and any(finding.can_be_corrected for finding in findings)
        and all(finding.warning or finding.can_be_corrected for finding in findings),
        can_ignore=asks and all(finding.warning for finding in findings),
        # Before the first step, nothing waits.
        can_pause=stage is Stage.PAUSED or (stage is Stage.TRAINING and learned),
        can_stop=stage in (Stage.TRAINING, Stage.PAUSED) and learned,
        can_cancel=stage in (Stage.CHECKING, Stage.TRAINING, Stage.PAUSED),
        pause="Resume" if stage is Stage.PAUSED else "Pause",
        stop="Stopping…" if stage is Stage.STOPPING else "Stop and keep the best",
        cancel="Cancelling…" if stage is Stage.CANCELLING else "Cancel",
        correct=_correct(findings),
        before=(Line(TONES[verdict.readiness], verdict.text), *said) if quiet else (),
        after=run.lines if not quiet else tuple(one for one in run.lines if one not in said),
    )


def _correct(findings: Sequence[Finding]) -> str:
    shifts = any(finding.shift for finding in findings)
    pixels = any(finding.leave_out for finding in findings)
    # A button of a dock has room for few words.
    if shifts and pixels:
        return "Correct both and train"
    return "Leave them out and train" if pixels else "Correct the shift and train"


def asking(findings: Sequence[Finding]) -> Run:
    """Return the run that waits for what is to be done about findings."""
    lines = tuple(
        Line(Tone.WARNING if finding.warning else Tone.ERROR, sentence(finding.text))
        for finding in findings
    )
    return Run(Stage.ASKING, lines)


def finished(trained: Trained, notes: Sequence[Line] = ()) -> Run:
    """Return the end of a run that came to a model."""
    warnings = tuple(line for line in notes if line.tone is Tone.WARNING)
    return Run(Stage.FINISHED, (Line(Tone.GOOD, result_sentence(trained)), *warnings))


def recovered(trained: Trained) -> Run:
    """Return the end of the rescue of an unfinished run."""
    text = f"{trained.spec.name}{_scores(trained)} is in the model folder ({trained.path.name})."
    return Run(Stage.FINISHED, (Line(Tone.GOOD, text),))


def failed(text: str, kept: bool) -> Run:
    """Return the end of a run that could not be finished."""
    also = (Line(Tone.INFO, KEPT),) if kept else ()
    return Run(Stage.FAILED, (Line(Tone.ERROR, text), *also))


def cancelled(kept: bool = False) -> Run:
    """Return the end of a run that was cancelled, or ended by a window that closes."""
    text = f"Interrupted. {KEPT}" if kept else "Cancelled. No model was kept."
    return Run(Stage.CANCELLED, (Line(Tone.INFO, text),))


def result_sentence(trained: Trained) -> str:
    """Return what was trained, in what time, how well, and where it is."""
    steps = trained.spec.provenance.steps
    best = f"; the best is that of step {steps:,}" if steps else ""
    return (
        f"Trained {trained.spec.name}{_scores(trained)} in {duration(trained.seconds)}{best}. "
        f"It is in the model folder ({trained.path.name})."
    )


def line_of(notice: Notice) -> Line:
    """Return a notice as a line."""
    return Line(Tone.WARNING if notice.warning else Tone.INFO, sentence(notice.text))


def _scores(trained: Trained) -> str:
    found = trained.spec.provenance.scores
    r = {name: scores["validation_pearson_r"] for name, scores in found.items() if scores}
    if not r:
        return ""
    if len(r) == 1:
        return f" (r = {next(iter(r.values())):.2f})"
    return f" ({joined([f'{name} r = {value:.2f}' for name, value in r.items()])})"
