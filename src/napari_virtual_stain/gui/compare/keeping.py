"""What a comparison changes of a viewer, remembered and brought back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Grid:
    """The grid of a viewer, in which layers stand beside each other.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    FIELDS = ("enabled", "shape", "stride")

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._before: dict[str, Any] | None = None
        self._set: dict[str, Any] = {}
        self._columns = 1

    def show(self, columns: int) -> None:
        """Show so many columns; 1 for one above the other."""
        wanted: dict[str, Any] = {"enabled": columns > 1}
        if columns > 1:
            wanted |= {"stride": 1, "shape": (1, columns)}
        grid = self._grid()
        if self._before is None:
            self._before = {name: getattr(grid, name) for name in self.FIELDS}
        self._columns = columns
        for name, value in wanted.items():
            if getattr(grid, name) != value:
                setattr(grid, name, value)
            self._set[name] = value

    def restore(self) -> None:
        """Bring back what the viewer had, but for what somebody has changed since."""
        if self._before is None:
            return
        grid, before = self._grid(), self._before
        for name, value in self._set.items():
            if getattr(grid, name) == value:
                setattr(grid, name, before[name])
        self._before, self._columns = None, 1
        self._set.clear()

    @property
    def is_on(self) -> bool:
        """Whether columns are shown."""
        return self._columns > 1

    @property
    def model(self) -> Any:
        """The grid of the viewer."""
        return self._grid()

    def _grid(self) -> Any:
        # napari 0.9 has moved it.
        canvas = getattr(self._viewer, "canvas", None)
        return self._viewer.grid if canvas is None else canvas.grid


class Keys:
    """Keys of a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._ours: dict[Any, tuple[Any, Any]] = {}

    def bind(self, actions: dict[str, Callable[[], None]]) -> None:
        """Let keys do something, until they are brought back."""
        before = dict(self._viewer.keymap)
        for key, action in actions.items():
            self._viewer.bind_key(key, _called(action), overwrite=True)
        for key, bound in self._viewer.keymap.items():
            if before.get(key) is not bound:
                self._ours[key] = (bound, before.get(key))

    def restore(self) -> None:
        """Let these keys do what they did, but for those that somebody has bound since."""
        keymap = self._viewer.keymap
        for key, (bound, before) in self._ours.items():
            if keymap.get(key) is not bound:
                continue
            if before is None:
                del keymap[key]
            else:
                keymap[key] = before
        self._ours.clear()


def _called(action: Callable[[], None]) -> Callable[[Any], None]:
    def act(viewer: Any) -> None:
        action()

    return act
