"""One run of a training: where it is kept, resumed from, logged, and what Ctrl-C leaves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from napari_virtual_stain.cli.output import drive, say
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Event, Losses, Result, Stopped, Work
from napari_virtual_stain.events import run as run_work

if TYPE_CHECKING:
    from napari_virtual_stain.io import RunFile
    from napari_virtual_stain.training import Control, TrainingPair, TrainOptions
    from napari_virtual_stain.training.options import Pair


class Log(Protocol):
    """Writes events."""

    def add(self, event: Event) -> None:
        """Write one."""

    def close(self) -> None:
        """Write the rest."""


def check_unfinished(run: RunFile, output: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse to begin anew where an unfinished training would be lost.

    Raises
    ------
    VirtualStainError
        If there is one, and it is neither to be resumed nor discarded.
    """
    if run.exists and not (resume or overwrite):
        raise VirtualStainError(
            f"{run.path} is an unfinished training of {output.name}; go on with it (--resume), or "
            "discard it (--overwrite)."
        )
    if resume and not run.exists:
        say(f"there is no unfinished training of {output.name}; it begins anew.")


def checked(
    pairs: Sequence[Pair], options: TrainOptions, *, correct: bool, speak: bool
) -> tuple[tuple[TrainingPair, ...], TrainOptions]:
    """Look for what would spoil a training, say it, and correct what can be.

    Parameters
    ----------
    pairs : sequence of (Image, Image) or TrainingPair
    options : TrainOptions
        Its validation pairs are looked at too.
    correct : bool
        Whether to correct.
    speak : bool
        Whether to say what was found.

    Returns
    -------
    pairs : tuple of TrainingPair
    options : TrainOptions
        With its validation pairs.

    Raises
    ------
    VirtualStainError
        If a pair cannot be trained with.
    """
    from napari_virtual_stain.training.checks import check_pairs_events, corrected_as_found

    every = (*pairs, *options.validation)
    work = check_pairs_events(every, options)
    findings = drive(work, "Checking") if speak else run_work(work, lambda _: None)
    for finding in findings:
        if not finding.warning:
            raise VirtualStainError(finding.text)
        if speak:
            done = " (corrected)" if correct and finding.can_be_corrected else ""
            say(f"note: {finding.text}{done}")
    if speak and not findings:
        say("nothing was found that would spoil the training.")
    mended = corrected_as_found(every, findings if correct else ())
    return mended[: len(pairs)], replace(options, validation=mended[len(pairs) :])


@contextmanager
def kept_when_interrupted(run: RunFile) -> Iterator[None]:
    """Say after Ctrl-C how the training goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if run.holds:
            say(f"the training is kept in {run.path}; the same command with --resume goes on.")
        raise


@contextmanager
def left_by_interrupt(control: Control) -> Iterator[Callable[[], None]]:
    """Let the first Ctrl-C leave a training after its step, when all of it is kept.

    The second one ends it at once.

    Yields
    ------
    callable
        To be called when the steps begin: before them, there is nothing to keep.
    """
    before = signal.getsignal(signal.SIGINT)

    def leave(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        control.leave()

    def begin() -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, leave)

    try:
        yield begin
    except Stopped:
        raise KeyboardInterrupt from None
    finally:
        if signal.getsignal(signal.SIGINT) is leave:
            signal.signal(signal.SIGINT, before)


def logged(work: Work[Result], log: Log) -> Work[Result]:
    """Do `work`, and write its events."""
    try:
        while True:
            event = next(work)
            log.add(event)
            yield event
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        work.close()
        log.close()


def once_begun(work: Work[Result], act: Callable[[], object]) -> Work[Result]:
    """Do `work`, and `act` after its first step: what fails before that leaves nothing behind."""
    acted = False
    try:
        while True:
            event = next(work)
            if isinstance(event, Losses) and not acted:
                acted = True
                act()
            yield event
    except StopIteration as end:
        if not acted:  # An earlier run has done all steps.
            act()
        result: Result = end.value
        return result
    finally:
        work.close()


def output_names(pairs: Sequence[Pair]) -> list[str]:
    """Return the names of what will be predicted: the targets in the order of their appearance."""
    from napari_virtual_stain.training.pairs import as_pairs

    names: dict[str, None] = {}
    for pair in as_pairs(pairs):
        names |= dict.fromkeys(pair.target.channels or ["target"])
    return list(names)
