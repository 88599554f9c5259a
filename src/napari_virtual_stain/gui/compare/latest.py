"""Runs the newest of many small pieces of work, and drops those that it has overtaken."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_virtual_stain.gui.jobs import Job
from napari_virtual_stain.gui.timers import once

PAUSE = 30
"""Milliseconds in which further requests replace one, as those of a slider that is dragged."""


class Latest(QObject):  # type: ignore[misc]
    """Runs work in a thread, the newest that was asked for.

    One piece runs at a time. A newer one waits until that has come to its next event, where it
    is stopped.

    Attributes
    ----------
    jobs : list of Job
        The one that is running, if any.
    """

    found = Signal(object)
    """An event or the result of the newest piece of work."""

    finished = Signal()
    """Nothing runs, and nothing waits."""

    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs: list[Job] = []
        self._is_closed = False
        self._waiting: Callable[[], Generator[Any, None, Any]] | None = None
        self._timer = once(self, self._start, PAUSE)

    def ask(self, make_work: Callable[[], Generator[Any, None, Any]]) -> None:
        """Run this soon, in place of what was asked for before."""
        self._waiting = make_work
        for job in self.jobs:
            job.quit()
        self._timer.start()

    def drop(self) -> None:
        """Run nothing until something is asked for, and tell of nothing that still runs."""
        self._waiting = None
        self._timer.stop()
        for job in self.jobs:
            job.quit()

    def close(self) -> None:
        """Run nothing any more, and tell of nothing that still runs."""
        self._is_closed = True
        self._waiting = None
        self._timer.stop()
        for job in self.jobs:
            job.quit()

    @property
    def is_busy(self) -> bool:
        """Whether something runs or waits."""
        return bool(self.jobs) or self._waiting is not None

    def _start(self) -> None:
        if self.jobs or self._waiting is None:
            return
        make_work, self._waiting = self._waiting, None
        job = Job(make_work)
        self.jobs.append(job)
        job.yielded.connect(lambda event: self._tell(job, event))
        job.returned.connect(lambda result: self._tell(job, result))
        job.errored.connect(self._on_error)
        job.finished.connect(lambda: self._over(job))
        job.start()

    def _tell(self, job: Job, value: Any) -> None:
        if not self._is_closed and self._waiting is None and not job.abort_requested:
            self.found.emit(value)

    def _on_error(self, error: Exception) -> None:
        if not self._is_closed:
            self.failed.emit(error)

    def _over(self, job: Job) -> None:
        if job in self.jobs:
            self.jobs.remove(job)
        if self._waiting is not None:
            self._start()
        elif not self._is_closed:
            self.finished.emit()
