"""Long work in napari: one adapter from a generator of events to a napari worker.

napari's own generator worker loses every ``RuntimeError`` (and torch raises little else) and
leaves the generator open when it is cancelled. This one drives the generator itself: an error
reaches the window, and a cancelled generator is closed, in the middle of a forward pass.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

from napari.qt.threading import WorkerBase, WorkerBaseSignals, create_worker
from qtpy.QtCore import Signal

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Progress, Stopped, Work, stop_when
from napari_virtual_stain.gui.sentences import sentence
from napari_virtual_stain.inference.devices import is_out_of_memory

SECONDS_BETWEEN_EVENTS = 0.05
"""Progress that comes faster is dropped: nobody sees it, and the window has to draw it."""


NICENESS = 10
"""Of the threads that compute: the window has about ten times their share of a busy processor."""


_unfinished: set[Job] = set()
"""Jobs that were made and are not over; touched by the thread of the window alone."""


def _nothing() -> Generator[Any, None, Any]:
    """Return the work of a job that is over."""
    yield from ()


class _Signals(WorkerBaseSignals):  # type: ignore[misc]
    yielded = Signal(object)
    aborted = Signal()


class Job(WorkerBase):  # type: ignore[misc]
    """Drives a generator of events in a thread.

    Its signals are ``started``, ``yielded`` (each event), and then one of ``returned`` (the
    result), ``errored`` (the exception) and ``aborted``; at last ``finished``. All of them
    arrive in the GUI thread. ``quit()`` cancels.

    Parameters
    ----------
    make_work : callable
        Makes the generator, in the thread, so that its imports do not stop the window.
    """

    def __init__(self, make_work: Callable[[], Generator[Any, None, Any]]) -> None:
        super().__init__(SignalsClass=_Signals)
        self._make_work = make_work
        self._last_shown = 0.0

    def work(self) -> Any:
        """Drive the generator to its end; return its result, or None if cancelled."""
        # In a thread of its own: one of the pool would keep its low priority for what comes after.
        try:
            with ThreadPoolExecutor(1, "job", initializer=give_way) as thread:
                return thread.submit(self._drive).result()
        finally:
            # Whoever keeps a job that is over need not keep the images that it was about.
            self._make_work = _nothing

    def _drive(self) -> Any:
        try:
            with stop_when(self._is_cancelled), closing(self._make_work()) as work:
                while not self._is_cancelled():
                    try:
                        event = next(work)
                    except StopIteration as end:
                        if self._is_cancelled():
                            break
                        return end.value
                    self._show(event)
        except Stopped:
            pass
        self.aborted.emit()
        return None

    def _is_cancelled(self) -> bool:
        return bool(self.abort_requested)

    def _show(self, event: Any) -> None:
        if isinstance(event, Progress) and event.done < event.total:
            now = time.monotonic()
            if now - self._last_shown < SECONDS_BETWEEN_EVENTS:
                return
            self._last_shown = now
        self.yielded.emit(event)


class _Titled:
    """The work under the name that napari shows when it asks whether to close the window."""

    def __init__(self, make_work: Callable[[], Work[Any]], title: str) -> None:
        self._make_work, self._title = make_work, title

    def __call__(self) -> Work[Any]:
        return self._make_work()

    def __repr__(self) -> str:
        return self._title


def create_job(make_work: Callable[[], Work[Any]], title: str) -> Job:
    """Return a job, not yet started, that the window of napari knows of; in the GUI thread.

    The window asks before it closes over a running job, and cancels it when it does. Errors
    are not raised anywhere: whoever makes the job connects ``errored``, for example to
    :func:`report`.

    Parameters
    ----------
    make_work : callable
        Makes the generator of events; called in the thread.
    title : str
        What a person calls the work.
    """
    job: Job = create_worker(
        _Titled(make_work, title), _worker_class=Job, _start_thread=False, _ignore_errors=True
    )
    job.warned.connect(_log_warning)
    _set_garbage_aside(job)
    return job


def _set_garbage_aside(job: Job) -> None:
    """Let no collection look at what exists now, until the job is over.

    Python collects garbage in whatever thread it is, and what is left of a window that was
    closed before takes Qt down with it unless it goes in the thread of the window. And napari
    collects whenever a layer is removed, which takes half a second where PyTorch is loaded.
    """
    gc.freeze()
    _unfinished.add(job)

    def over() -> None:
        _unfinished.discard(job)
        if not _unfinished:
            gc.unfreeze()

    job.finished.connect(over)


def has_unfinished() -> bool:
    """Whether a job is on for which garbage is set aside."""
    return bool(_unfinished)


def give_way() -> None:
    """Let the window go first wherever both want a processor, for this thread and its children.

    On Linux alone: there each thread has a priority of its own, which the threads that PyTorch
    starts from it inherit. With as many of them as there are processors, the window would otherwise
    wait for up to a tenth of a second again and again.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def explain(error: BaseException) -> str | None:
    """Return the sentence that an error is for a person, or None if it is a bug."""
    if isinstance(error, VirtualStainError):
        return sentence(str(error))
    if is_out_of_memory(error):
        return (
            "The memory did not suffice. Close other programs, or choose a smaller tile or the "
            "device cpu in the advanced options, and try again."
        )
    return None


def report(error: BaseException) -> str:
    """Show an error as napari does, and return what it says in one line.

    What is for a person becomes a notification; a bug gets napari's dialog with a traceback.
    """
    from napari.utils.notifications import notification_manager, show_error

    text = explain(error)
    if text is not None:
        show_error(text)
        return text
    notification_manager.receive_error(type(error), error, error.__traceback__)
    return f"An error inside the program: {type(error).__name__}: {error}"


def _log_warning(warning: tuple[Any, ...]) -> None:
    # What a person should know comes as a Notice; libraries warn their programmers.
    logging.getLogger(__name__).warning("%s: %s", warning[1].__name__, warning[0])
