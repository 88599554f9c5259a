"""Connections to events of napari that end with the widget that made them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Subscriptions:
    """Connects callbacks to events, and takes them back all at once.

    napari's events know nothing of Qt: without this they would call a widget that is gone.
    """

    def __init__(self) -> None:
        self._all: list[tuple[Any, Callable[..., None]]] = []

    def connect(self, event: Any, callback: Callable[..., None]) -> None:
        """Call `callback` with every `event`."""
        event.connect(callback)
        self._all.append((event, callback))

    def close(self) -> None:
        """End every connection."""
        while self._all:
            event, callback = self._all.pop()
            event.disconnect(callback)
