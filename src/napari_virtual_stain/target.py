"""Where predicted values go: into memory, or to disk as they come.

Inference writes into a target and knows nothing about files; what is on disk is opened by `io`. A
prediction is cut into units of work, each of which writes a part of the result that no other
unit writes. A target on disk records which are done, so that a prediction that was killed goes
on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from napari_virtual_stain.image import Image

Which = Literal["predicted", "uncertainty"]
Key = tuple[int | slice, ...]
"""A part of a result: one integer or one slice with start and stop for each of its axes."""


class Session(Protocol):
    """One prediction that is being written."""

    @property
    def earlier(self) -> Mapping[str, Any] | None:
        """What an unfinished run of the same prediction settled; None where there was none."""

    @property
    def notice(self) -> str | None:
        """What a person should know: that it goes on with an earlier run, or dropped one."""

    def start(self, settled: Mapping[str, Any], core: Sequence[int]) -> None:
        """Make room for the result; called once, before anything is written.

        Parameters
        ----------
        settled : mapping
            Plain JSON values (plan, precision) that a later run has to go on with.
        core : sequence of int
            Sizes of the parts that are written, along the last axes of the result: chunks that
            divide them are written by one unit each.
        """

    def is_done(self, unit: str) -> bool:
        """Whether a unit of work was finished by an earlier run."""

    def write(self, which: Which, key: Key, values: np.ndarray) -> None:
        """Write a part of the result; it may still be under way when this returns.

        `values` belongs to the session from then on. Called from one thread.

        Raises
        ------
        VirtualStainError
            If this part, or one before it, could not be written.
        """

    def finished(self, unit: str) -> None:
        """Record a unit as done, once all that was written before is safe."""

    def keep(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays for a later run; replaces those of the same name."""

    def kept(self, name: str) -> dict[str, np.ndarray] | None:
        """Return the arrays that an earlier run, or this one, kept."""

    def scratch(self, shape: Sequence[int]) -> np.ndarray:
        """Return room for float32 values that cannot be written as they come; not kept."""

    def finish(self, provenance: Mapping[str, Any]) -> tuple[Image, Image | None]:
        """Bring the result to its place, and return the predictions and the uncertainty.

        Parameters
        ----------
        provenance : mapping
            Plain JSON values that are known at the end only; added to that of both images.
        """

    def close(self) -> None:
        """Let go of everything after a failure or a cancel; what is done stays for a later run."""


class Target(Protocol):
    """Where a prediction goes."""

    def open(self, predicted: Image, uncertainty: Image | None, key: Mapping[str, Any]) -> Session:
        """Begin a prediction, or go on with an unfinished one of the same key.

        Parameters
        ----------
        predicted, uncertainty : Image
            What will be written; their pixels are placeholders that take no memory.
        key : mapping
            Plain JSON values: all that determines the pixels.
        """


class InMemory:
    """The target for results that are wanted as NumPy arrays; nothing outlives the process."""

    def open(
        self, predicted: Image, uncertainty: Image | None, key: Mapping[str, Any]
    ) -> _InMemorySession:
        """Begin a prediction; parameters as for :class:`Target`."""
        return _InMemorySession(predicted, uncertainty)


class _InMemorySession:
    def __init__(self, predicted: Image, uncertainty: Image | None) -> None:
        images: dict[Which, Image | None] = {"predicted": predicted, "uncertainty": uncertainty}
        self._results = {which: _filled(image) for which, image in images.items() if image}

    earlier: Mapping[str, Any] | None = None
    notice: str | None = None

    def start(self, settled: Mapping[str, Any], core: Sequence[int]) -> None:
        """Do nothing: the arrays are there."""

    def is_done(self, unit: str) -> bool:
        """Return False: there is no earlier run."""
        return False

    def write(self, which: Which, key: Key, values: np.ndarray) -> None:
        """Copy values to their place."""
        self._results[which].data[key] = values

    def finished(self, unit: str) -> None:
        """Do nothing: no later run goes on."""

    def keep(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Do nothing: no later run goes on."""

    def kept(self, name: str) -> dict[str, np.ndarray] | None:
        """Return None: there is no earlier run."""
        return None

    def scratch(self, shape: Sequence[int]) -> np.ndarray:
        """Return an array."""
        return np.empty(tuple(shape), np.float32)

    def finish(self, provenance: Mapping[str, Any]) -> tuple[Image, Image | None]:
        """Return the predictions and the uncertainty."""
        results = {
            which: image.replace(provenance={**image.provenance, **provenance})
            for which, image in self._results.items()
        }
        return results["predicted"], results.get("uncertainty")

    def close(self) -> None:
        """Do nothing: the arrays go with the session."""


def placeholder(shape: Sequence[int], dtype: Any = np.float32) -> np.ndarray:
    """Return an array of this shape that takes no memory: every element is the same zero."""
    return np.broadcast_to(np.zeros((), dtype), tuple(shape))


def _filled(like: Image) -> Image:
    return like.replace(data=np.empty(like.shape, like.dtype))
