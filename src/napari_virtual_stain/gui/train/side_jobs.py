"""Small work beside the training: how long it will take, and what a batch looks like."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_virtual_stain.events import Stopped, Work
from napari_virtual_stain.gui.jobs import Job
from napari_virtual_stain.gui.timers import once
from napari_virtual_stain.gui.train import work
from napari_virtual_stain.gui.train.choices import Choices
from napari_virtual_stain.gui.train.controls import Controls
from napari_virtual_stain.gui.train.history import rough_time
from napari_virtual_stain.gui.train.request import Request
from napari_virtual_stain.gui.train.thumbnails import thumbnails
from napari_virtual_stain.gui.train.timing import seconds_in_all

if TYPE_CHECKING:
    from napari_virtual_stain.training.preview import BatchPreview

WAIT = 800
"""Milliseconds that nothing must be changed before the time is measured."""

Key = tuple[Any, ...]


class SideJobs(QObject):  # type: ignore[misc]
    """Runs small work in threads that napari need not ask about when it closes.

    Parameters
    ----------
    choices : Choices
        Shows batches.
    controls : Controls
        Shows the time.

    Attributes
    ----------
    jobs : list of Job
        Those that are running.
    """

    def __init__(self, choices: Choices, controls: Controls) -> None:
        super().__init__(controls)
        self._choices, self._controls = choices, controls
        self.jobs: list[Job] = []
        self._known: dict[Key, float] = {}  # seconds of a step
        self._wanted: Request | None = None
        self._timer = once(self, self._measure, WAIT)

    def estimate(self, request: Request | None) -> None:
        """Show how long a training takes on this device, as soon as that is measured."""
        before, self._wanted = self._wanted, request
        if request is None:
            self._timer.stop()
            self._controls.show_estimate("")
            return
        key = _key(request)
        if key in self._known:
            self._controls.show_estimate(_sentence(request, self._known[key]))
        elif before is None or _key(before) != key or not (self.jobs or self._timer.isActive()):
            self.cancel()
            self._wanted = request
            self._controls.show_estimate("Measuring how long it will take…")
            self._timer.start()

    def preview(self, request: Request, on_problem: Callable[[Exception], None]) -> None:
        """Show what a batch looks like."""
        self._choices.batch_is_made(True)
        job = self._start(partial(work.preview, request), on_problem)
        job.returned.connect(self._on_batch)
        job.finished.connect(self._on_batch_over)
        job.start()

    def cancel(self) -> None:
        """End all that is running."""
        self._timer.stop()
        for job in self.jobs:
            job.quit()
        self.jobs.clear()
        self._wanted = None

    def _measure(self) -> None:
        request = self._wanted
        if request is None:
            return
        job = self._start(partial(_measured, request))
        job.returned.connect(self._on_measured)
        job.start()

    # A thread may end after the window is gone, with which these are disconnected, and nothing
    # else: they must be methods of a QObject.

    def _on_batch(self, batch: BatchPreview) -> None:
        self._choices.show_batch(thumbnails(batch))

    def _on_batch_over(self) -> None:
        self._choices.batch_is_made(False)

    def _on_measured(self, measured: tuple[Request, float]) -> None:
        request, seconds = measured
        self._known[_key(request)] = seconds / request.recipe.steps
        if self._wanted is not None and _key(self._wanted) == _key(request):
            self._controls.show_estimate(_sentence(self._wanted, self._known[_key(request)]))

    def _start(
        self,
        make_work: Callable[[], Any],
        on_problem: Callable[[Exception], None] | None = None,
    ) -> Job:
        job = Job(make_work)
        if on_problem is not None:
            job.errored.connect(on_problem)
        jobs = self.jobs  # only the list, which does not go with the window
        job.finished.connect(lambda: jobs.remove(job) if job in jobs else None)
        jobs.append(job)
        return job


def _measured(request: Request) -> Work[tuple[Request, float]]:
    """Return the seconds that all steps take, NaN where that cannot be measured, and of what.

    Without an estimate it can be trained all the same, and the training says what is wrong.
    """
    try:
        seconds = yield from work.estimate(request)
    except Stopped:
        raise
    except Exception:
        seconds = math.nan
    return request, seconds


def _key(request: Request) -> Key:
    options, recipe, first = request.options, request.recipe, request.pairs[0]
    return (
        recipe.name,
        recipe.batch,
        recipe.steps,
        options.device,
        options.precision,
        request.start,
        len(request.inputs),
        len(request.targets),
        first.sources[0].sizes.get("Z", 1),
        "Z" in first.targets[0].axes,
    )


def _sentence(request: Request, step: float) -> str:
    if math.isnan(step):
        return ""
    time = rough_time(seconds_in_all(request, step))
    about = f"About {time}" if time[0].isdecimal() else time.capitalize()
    return f"{about} on this machine ({request.recipe.steps:,} steps)."
