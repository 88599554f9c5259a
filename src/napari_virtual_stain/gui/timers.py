"""Timers that act once."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer


def once(parent: QObject, action: Callable[[], object], milliseconds: int = 0) -> QTimer:
    """Return a timer that acts once after each start, by default as soon as nothing else waits.

    It goes with its parent, so that nothing acts on what is gone.

    Parameters
    ----------
    parent : QObject
    action : callable
    milliseconds : int
    """
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(action)
    return timer
