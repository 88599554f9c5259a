"""How ``vstain predict --plan`` says a plan: a line for each thing there is to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def plan_lines(description: Mapping[str, Any]) -> list[str]:
    """Return a plan as aligned lines for a person; what is not described is left out.

    Parameters
    ----------
    description : mapping
        ``frames``, ``tiles``, ``passes``, ``windows``, ``at_once``: counts. ``size``, ``padded``,
        ``stride``, ``halo``, ``core``, ``read``, ``window``, ``step``: px along each axis.
        ``overhead``: voxels computed ÷ kept. ``memory_needed``, ``memory_allowed``: bytes.
        ``device``, ``precision``, ``why``: text.

    Returns
    -------
    list of str
    """
    rows = [
        (label, say(description[key]))
        for key, label, say in _ROWS
        if description.get(key) is not None
    ]
    width = max((len(label) for label, _ in rows), default=0)
    return [f"{label:<{width}}  {text}" for label, text in rows]


def _times(sizes: Sequence[int]) -> str:
    return " × ".join(str(size) for size in sizes)


def _px(sizes: Sequence[int]) -> str:
    return f"{_times(sizes)} px"


def _halo(sizes: Sequence[int]) -> str:
    return f"{_px(sizes)} on each side"


def _overhead(factor: float) -> str:
    return f"{factor:.2f} (voxels computed ÷ kept)"


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


_ROWS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("frames", "frames", str),
    ("size", "size", _px),
    ("padded", "padded to", _px),
    ("stride", "stride", _px),
    ("halo", "halo", _halo),
    ("windows", "windows", str),
    ("window", "window", _px),
    ("step", "step between windows", _px),
    ("at_once", "windows at a time", str),
    ("tiles", "tiles", str),
    ("core", "core of a tile", _px),
    ("read", "read for a tile", _px),
    ("overhead", "overhead", _overhead),
    ("passes", "passes", str),
    ("memory_needed", "memory needed", _gib),
    ("memory_allowed", "memory allowed", _gib),
    ("device", "device", str),
    ("precision", "precision", str),
    ("why", "why", str),
)
