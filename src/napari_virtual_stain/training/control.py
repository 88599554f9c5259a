"""What somebody who watches a training can ask of it while it runs."""

from __future__ import annotations

import threading

from napari_virtual_stain.events import raise_if_stopped

LOOK_EVERY = 0.05
"""Seconds between two looks, in a pause, at whether the whole work was cancelled."""


class Control:
    """Pauses a training, lets it go on, ends it and keeps the best, or leaves it for later.

    Safe between threads.

    Cancelling is another thing: it ends the work without a result
    (:func:`napari_virtual_stain.events.raise_if_stopped`).
    """

    def __init__(self) -> None:
        self._going = threading.Event()
        self._going.set()
        self._stopping = threading.Event()
        self._leaving = threading.Event()

    @property
    def leaving(self) -> bool:
        """Whether the training ends with its next step, to go on another time."""
        return self._leaving.is_set()

    @property
    def paused(self) -> bool:
        """Whether the training waits."""
        return not self._going.is_set()

    @property
    def stopping(self) -> bool:
        """Whether the training ends with its next step."""
        return self._stopping.is_set()

    def pause(self) -> None:
        """Wait before the next step."""
        if not self.stopping:
            self._going.clear()

    def resume(self) -> None:
        """Go on after a pause."""
        self._going.set()

    def stop(self) -> None:
        """End with the next step, and keep the best; ends a pause too."""
        self._stopping.set()
        self._going.set()

    def leave(self) -> None:
        """End with the next step, without a result, when its keeper has everything of it."""
        self._leaving.set()
        self._going.set()

    def wait_while_paused(self) -> None:
        """Return at once, or when a pause ends.

        Raises
        ------
        Stopped
            If the work is cancelled meanwhile.
        """
        while not self._going.wait(LOOK_EVERY):
            raise_if_stopped()
