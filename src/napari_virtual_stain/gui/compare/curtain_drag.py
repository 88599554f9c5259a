"""The curtain follows the mouse that takes hold of its line."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

REACH = 12.0
"""How near to the line the mouse must be (px on the screen)."""


class CurtainDrag:
    """Lets the line of a curtain be dragged in the canvas of a viewer, until it is closed.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    split_at : callable
        Returns the split (0 to 1) through a point of the world; None where there is no curtain.
    now : callable
        Returns the split that is shown.
    pixels : callable
        Returns how many pixels of the screen lie between splits 0 and 1.
    move : callable
        Shows another split.
    """

    def __init__(
        self,
        viewer: Any,
        split_at: Callable[[Any], float | None],
        now: Callable[[], float],
        pixels: Callable[[], float],
        move: Callable[[float], None],
    ) -> None:
        self._viewer, self._split_at, self._now = viewer, split_at, now
        self._pixels, self._move = pixels, move
        viewer.mouse_drag_callbacks.append(self._drag)

    def close(self) -> None:
        """Follow the mouse no more."""
        callbacks = self._viewer.mouse_drag_callbacks
        if self._drag in callbacks:
            callbacks.remove(self._drag)

    def _drag(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        active = self._viewer.layers.selection.active
        if getattr(event, "button", 1) != 1 or getattr(event, "modifiers", ()):
            return
        if active is not None and str(getattr(active, "mode", "pan_zoom")) != "pan_zoom":
            return  # the mouse draws
        split = self._split_at(event.position)
        if split is None or not np.isfinite(split):
            return
        if abs(split - self._now()) * self._pixels() > REACH:
            return
        camera = getattr(self._viewer, "scene", self._viewer).camera
        pans = camera.mouse_pan
        camera.mouse_pan = False  # the image stays where it is meanwhile
        try:
            yield
            while event.type == "mouse_move":
                split = self._split_at(event.position)
                if split is not None:
                    self._move(split)
                yield
        finally:
            camera.mouse_pan = pans
