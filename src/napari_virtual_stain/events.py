"""Long work is a generator of small events that returns its result.

A library function of that kind ends in ``_events`` and is driven in one of three
ways: :func:`run` drives it to its end and returns the result (Python), the
command line draws a bar from it, and napari runs it in a worker. The work
itself knows nothing of threads: whoever drives it closes the generator to
cancel, or makes :func:`raise_if_stopped` raise at the next layer of a network.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from napari_virtual_stain.errors import VirtualStainWarning

if TYPE_CHECKING:
    import numpy as np

Result = TypeVar("Result")


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` steps of ``stage`` are finished (``total`` 0: unknown)."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Notice:
    """Something a person should know about the work that goes on (a resampling, a device)."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Losses:
    """Training loss at ``step``; validation Pearson r of each output where it was measured.

    An output that no validation part has is NaN there. ``names`` are those of the outputs.
    """

    step: int
    training: float
    validation: tuple[float, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Preview:
    """What the network of `step` predicts of a validation part.

    Parameters
    ----------
    step : int
    pair : int
        Position among the validation pairs, or the training pairs where there are none.
    values : ndarray of float32, shape (outputs, *spatial)
        On the scale that is learned: z-scores for most.
    names : tuple of str
        Of the outputs.
    origin : mapping of str to int
        Where the part begins in the images of the pair (px); 0 along axes that are absent.
    """

    step: int
    pair: int
    values: np.ndarray
    names: tuple[str, ...]
    origin: Mapping[str, int]


Event = Progress | Notice | Losses | Preview
Work = Generator[Event, None, Result]


class Stopped(Exception):
    """The work was asked to stop and did."""


_stop_requested: ContextVar[Callable[[], bool] | None] = ContextVar("stop_requested", default=None)


@contextmanager
def stop_when(requested: Callable[[], bool]) -> Iterator[None]:
    """Within this context, :func:`raise_if_stopped` raises as soon as ``requested()`` is true."""
    token = _stop_requested.set(requested)
    try:
        yield
    finally:
        _stop_requested.reset(token)


def raise_if_stopped() -> None:
    """Raise :class:`Stopped` if whoever drives the work has asked for its end."""
    requested = _stop_requested.get()
    if requested is not None and requested():
        raise Stopped


def run(work: Work[Result], on_event: Callable[[Event], None] | None = None) -> Result:
    """Drive ``work`` to its end and return its result.

    Parameters
    ----------
    work : generator of events
    on_event : callable, optional
        Called with every event. Without it, notices that are warnings are
        issued as :class:`VirtualStainWarning` and everything else is dropped.
    """
    handle = on_event or _warn
    try:
        while True:
            handle(next(work))
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        work.close()


def _warn(event: Event) -> None:
    if isinstance(event, Notice) and event.warning:
        warnings.warn(event.text, VirtualStainWarning, stacklevel=3)
