"""Where a training is kept while it runs, so that one that was killed goes on.

Training takes snapshots and knows nothing about files; what is on disk is opened by `io`. A
snapshot holds everything that the next step depends on, so that a resumed run equals an unbroken
one, and the best model so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A training at one moment.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Weights, and what the optimizer has of them. Those of the best model so far are named
        ``best/`` and their name in a model file.
    values : mapping
        Plain JSON values: the step, scores, and under ``spec`` the specification of the best
        model so far, if there is one.
    """

    arrays: Mapping[str, np.ndarray]
    values: Mapping[str, Any]


class Keeper(Protocol):
    """Keeps one training."""

    def earlier(self, key: Mapping[str, Any]) -> Snapshot | None:
        """Return what an unfinished run left, or None where there was none.

        Parameters
        ----------
        key : mapping
            Plain JSON values: all that determines the run.

        Raises
        ------
        VirtualStainError
            If an unfinished run of another key is there; the sentence names what differs.
        """

    def keep(self, snapshot: Snapshot) -> None:
        """Replace what is kept; in one piece, whatever happens meanwhile."""

    def done(self) -> None:
        """Forget the run: its result is safe."""


class KeepsNothing:
    """The keeper of a training that nobody wants to resume."""

    def earlier(self, key: Mapping[str, Any]) -> Snapshot | None:
        """Return None: there was none."""
        return None

    def keep(self, snapshot: Snapshot) -> None:
        """Do nothing."""

    def done(self) -> None:
        """Do nothing."""
