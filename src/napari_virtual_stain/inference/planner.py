"""The planner: how the frames of an engine are tiled, or covered by windows, within its budget."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.inference.budget import PROBE_VOXELS
from napari_virtual_stain.inference.memory import KEPT_BLOCKS, Need
from napari_virtual_stain.inference.plan import Tile, TilePlan, TooLittleMemory, plan, split
from napari_virtual_stain.inference.shapes import padded_sizes
from napari_virtual_stain.inference.windows import WindowPlan

if TYPE_CHECKING:
    from napari_virtual_stain.inference.engine import Engine

Plan = TilePlan | WindowPlan

SECONDS_PER_FORWARD = 2.0
"""So long may one forward take, where smaller tiles cost little: progress moves."""

WINDOWS_AT_ONCE = {"cpu": 1, "cuda": 8, "mps": 8}
"""On the CPU, windows side by side are no faster than one after the other."""

CACHE_SHARE = 0.5
"""Of the memory of a forward, at most so much stays with a tile that waits at a global operator."""

WORTH_KEEPING = 1.25
"""Freed blocks are kept where that makes tiles dearer by no more than this: it saves a quarter to a
half of the time."""

SHARE_FOR_WAITING = 0.75
"""Of the memory that a plan leaves: tiles that wait lie between blocks that are freed and taken."""

SMALLEST = "the smallest part that can be computed exactly"


class Planner:
    """Plans the frames of an engine.

    Parameters
    ----------
    engine : Engine

    Attributes
    ----------
    keeps_blocks : bool
        Whether the plan that was made last allows for blocks that are kept when they are
        freed (:func:`.steady_allocator`).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._geometry, self._budget = engine, engine.geometry, engine.budget
        self.keeps_blocks = False

    def plan(self, sizes: tuple[int, ...], tile: int | None = None) -> Plan:
        """Return how frames are tiled, or covered by windows.

        Parameters
        ----------
        sizes : tuple of int
            Of the spatial axes, without padding.
        tile : int, optional
            Size of a core along Y and X (px). Windows are as large as the network has them.

        Raises
        ------
        VirtualStainError
            If the smallest exact tile, or one window, does not fit into the memory.
        """
        need = self._budget.need(sizes, math.prod(padded_sizes(self._geometry, sizes)))
        spared = self._planned(sizes, tile, need)
        if self._engine.device.type != "cpu":
            return spared
        # Where freed blocks are kept it is faster, but takes more memory, and how much more is
        # chance. It is not worth much smaller tiles, nor an error, nor more than was allowed.
        try:
            kept = self._planned(sizes, tile, need.times(KEPT_BLOCKS))
        except VirtualStainError:
            return spared
        if isinstance(kept, TilePlan) and isinstance(spared, TilePlan):
            agreeable = kept.is_whole if self._budget.is_limited else True
            cheap = kept.overhead <= WORTH_KEEPING * spared.overhead
            self.keeps_blocks = agreeable and cheap
        else:
            self.keeps_blocks = True
        return kept if self.keeps_blocks else spared

    def spare_bytes(self, plan: TilePlan) -> int:
        """Return the memory that a plan leaves."""
        spare = max(self._budget.available - self.needed_bytes(plan), 0)
        return int(spare * SHARE_FOR_WAITING)

    def needed_bytes(self, plan: Plan) -> int:
        """Return what the forwards of a plan take."""
        need = self._budget.need(plan.size, plan.voxels)
        return (need.times(KEPT_BLOCKS) if self.keeps_blocks else need).bytes(plan.voxels)

    def halves(self, tile: Tile, plan: TilePlan) -> tuple[Tile, ...]:
        """Return the parts of a tile that are computed instead of it.

        Raises
        ------
        VirtualStainError
            If the network cannot compute less at a time.
        """
        try:
            return split(tile, plan)
        except TooLittleMemory as error:
            needed = self._budget.need(plan.size, error.needed).bytes(error.needed)
            raise self._budget.too_little(SMALLEST, max(needed, self._budget.memory + 1)) from None

    def _planned(self, sizes: tuple[int, ...], tile: int | None, need: Need) -> Plan:
        padded = padded_sizes(self._geometry, sizes)
        window = self._geometry.window
        if window is not None:
            fitting = need.voxels(self._budget.available) // math.prod(window.input)
            if not fitting:
                raise self._budget.too_little("one window", need.bytes(math.prod(window.input)))
            batch = min(fitting, WINDOWS_AT_ONCE[self._engine.device.type])
            return WindowPlan(sizes, window, batch)
        tiled = partial(
            plan,
            padded,
            self._geometry.stride,
            self._geometry.halo,
            max_voxels=self._budget.fitting(need),
            core=tile,
            block=self._block(padded),
            whole_z=self._geometry.projects,
            memory=self._budget.available,
            seconds=SECONDS_PER_FORWARD,
        )
        try:
            if self._budget.largest is not None:
                with suppress(TooLittleMemory):
                    return tiled(max_voxels=min(self._budget.fitting(need), self._budget.largest))
                # What failed was another time: that is no reason not to try.
                self._budget.largest = None
            if tile is not None or math.prod(padded) <= PROBE_VOXELS[0]:
                return tiled()
            preferred = int(self._budget.speed(sizes) * SECONDS_PER_FORWARD)
            if self._passes_again(padded, need, preferred):
                cheapest = tiled()
                if cheapest.is_whole:
                    return cheapest
            return tiled(preferred_voxels=preferred)
        except TooLittleMemory as error:
            raise self._budget.too_little(SMALLEST, need.bytes(error.needed)) from None

    def _passes_again(self, padded: tuple[int, ...], need: Need, preferred: int) -> bool:
        """Whether tiles would run more than once, for want of room to wait in for operators."""
        if len(self._engine.all_operators) * len(self._engine.turns) < 2:
            return False
        waiting = CACHE_SHARE * need.bytes(math.prod(padded)) * len(self._engine.turns)
        return waiting > self._budget.available - need.bytes(preferred)

    def _block(self, padded: tuple[int, ...]) -> tuple[int, ...]:
        """Return the sizes of the blocks that global operators look at."""
        if self._engine.context is None or not self._geometry.has_global_operators:
            return padded
        in_z = (padded[0],) if self._geometry.projects else ()
        return in_z + (self._engine.context,) * (self._engine.ndim - len(in_z))
