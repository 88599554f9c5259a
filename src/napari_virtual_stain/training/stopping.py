"""When a training has stopped to become better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass
class Patience:
    """Counts validations since the best.

    Parameters
    ----------
    limit : int or None
        So many validations in a row without a better score are enough; None waits for ever.
    best : float
        The best score so far.
    waited : int
        Validations since.
    """

    limit: int | None
    best: float = -math.inf
    waited: int = 0

    def saw(self, score: float) -> bool:
        """Take note of a score, the higher the better; returns whether it is the best so far.

        NaN and infinite scores, of a training that diverges, are never better.
        """
        better = math.isfinite(score) and score > self.best
        self.best, self.waited = (score, 0) if better else (self.best, self.waited + 1)
        return better

    @property
    def over(self) -> bool:
        """Whether it is enough."""
        return self.limit is not None and self.waited >= self.limit

    def state(self) -> dict[str, float | int | None]:
        """Return the best score (None before the first) and the validations since, plain JSON."""
        return {"best": self.best if math.isfinite(self.best) else None, "waited": self.waited}

    def restore(self, state: Mapping[str, float | int | None]) -> None:
        """Go on from a state; the limit stays."""
        best = state["best"]
        self.best = -math.inf if best is None else float(best)
        self.waited = int(state["waited"] or 0)
