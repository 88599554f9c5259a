"""How a training has gone so far: losses, scores, and the time that is left."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.events import Losses

MOST_POINTS = 2000
"""Losses that are kept one by one; when there are more, neighbours become their mean."""

SMOOTHED = 30
"""Points over which the losses are averaged for the smooth line."""

RECENT = 30.0
"""Seconds of steps from which the speed is taken."""


class History:
    """Losses and scores of one run.

    Parameters
    ----------
    names : sequence of str
        Of the outputs.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._losses: list[tuple[float, float, int]] = []  # step, mean loss, steps it is of
        self._stride = 1
        self._scores: list[tuple[int, tuple[float, ...]]] = []

    @property
    def step(self) -> int:
        """The last step."""
        return int(self._losses[-1][0]) if self._losses else 0

    def add(self, losses: Losses) -> None:
        """Add what a step has told."""
        if self._losses and self._losses[-1][2] < self._stride:
            _, mean, count = self._losses[-1]
            mean += (losses.training - mean) / (count + 1)
            self._losses[-1] = (losses.step, mean, count + 1)
        else:
            self._losses.append((losses.step, losses.training, 1))
        if len(self._losses) > MOST_POINTS:
            self._thin()
        if losses.validation:
            self._scores.append((losses.step, tuple(losses.validation)))

    def losses(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return steps, losses and smoothed losses; what is not finite is left out."""
        table = np.array(self._losses, float).reshape(-1, 3)
        table = table[np.isfinite(table[:, 1])]
        steps, values = table[:, 0], table[:, 1]
        return steps, values, _smooth(values, SMOOTHED)

    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps that were scored, and r of each output there: (scores, outputs)."""
        steps = np.array([step for step, _ in self._scores], float)
        values = np.array([values for _, values in self._scores], float)
        return steps, values.reshape(len(steps), len(self.names))

    def best(self) -> tuple[int, float] | None:
        """Return step and mean r of the best score, or None where there is none."""
        means = [(step, _mean(values)) for step, values in self._scores]
        known = [(step, mean) for step, mean in means if math.isfinite(mean)]
        return max(known, key=lambda one: one[1], default=None)

    def last(self) -> tuple[float, ...]:
        """Return r of each output at the last score; empty where there is none."""
        return self._scores[-1][1] if self._scores else ()

    def _thin(self) -> None:
        pairs = zip(self._losses[::2], self._losses[1::2], strict=False)
        odd = self._losses[-1:] if len(self._losses) % 2 else []
        self._losses = [
            (
                later[0],
                (one[1] * one[2] + later[1] * later[2]) / (one[2] + later[2]),
                one[2] + later[2],
            )
            for one, later in pairs
        ] + odd
        self._stride *= 2


class Clock:
    """Tells how long the rest of a run takes, from how fast the last steps were."""

    def __init__(self) -> None:
        self._ticks: deque[tuple[float, int]] = deque()

    def tick(self, now: float, done: int) -> None:
        """Note that so many steps are done at a time in seconds."""
        self._ticks.append((now, done))
        while now - self._ticks[0][0] > RECENT and len(self._ticks) > 2:
            self._ticks.popleft()

    def restart(self) -> None:
        """Forget the past, as after a pause."""
        self._ticks.clear()

    def left(self, total: int) -> float | None:
        """Return the seconds until `total` steps are done, or None where that is not known."""
        if len(self._ticks) < 2:
            return None
        (begin, first), (end, last) = self._ticks[0], self._ticks[-1]
        if last <= first or end <= begin:
            return None
        return max(total - last, 0) * (end - begin) / (last - first)


def rough_time(seconds: float) -> str:
    """Return a time as people plan with it: ``less than a minute``, ``12 min``, ``3.5 h``."""
    if seconds < 50:
        return "less than a minute"
    minutes = seconds / 60
    if minutes < 90:
        return f"{max(round(minutes), 1)} min"
    hours = minutes / 60
    return f"{hours:.1f} h" if hours < 36 else f"{hours / 24:.1f} days"


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Return the mean of the last `width` values at each; of fewer at the beginning."""
    if not values.size:
        return values
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, values.size + 1)
    begins = np.maximum(ends - width, 0)
    smooth: np.ndarray = (sums[ends] - sums[begins]) / (ends - begins)
    return smooth


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan
