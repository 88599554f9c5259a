"""Whether arrays lie on one grid, and the sentence for where they do not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from napari_virtual_stain.errors import VirtualStainError


def check_same_shape(**arrays: Any) -> None:
    """Raise a :class:`VirtualStainError` unless arrays have one shape.

    Parameters
    ----------
    **arrays
        By what they are called, with ``_`` for spaces; None for one that is not given.
    """
    given = {name: tuple(array.shape) for name, array in arrays.items() if array is not None}
    (first, shape), *others = given.items()
    for name, other in others:
        if other != shape:
            raise VirtualStainError(
                f"{_called(first)} has {times(shape)} pixels and {_called(name)} {times(other)}; "
                "give them on one grid."
            )


def times(shape: Iterable[int]) -> str:
    """Return a shape as a person writes it: ``4 × 5``."""
    return " × ".join(map(str, shape))


def _called(name: str) -> str:
    return f"the {name.replace('_', ' ')}"
