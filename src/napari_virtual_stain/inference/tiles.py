"""The run over the tiles of a plan: global operators first, then each tile once, and never twice.

A tile that does not fit into memory after all is halved, as often as it takes, and the run goes on
from there: what was computed before stays.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from napari_virtual_stain.events import Notice, raise_if_stopped
from napari_virtual_stain.inference.devices import is_out_of_memory
from napari_virtual_stain.inference.dihedral import Turn
from napari_virtual_stain.inference.frames import RawReader
from napari_virtual_stain.inference.global_passes import GlobalPasses
from napari_virtual_stain.inference.padding import Read, read_padded
from napari_virtual_stain.inference.plan import Tile, TilePlan
from napari_virtual_stain.inference.sinks import Sink
from napari_virtual_stain.inference.transfer import Ahead, reading_ahead
from napari_virtual_stain.networks.attention import Gathered

if TYPE_CHECKING:
    from napari_virtual_stain.inference.engine import Engine

Sums = list[list[Gathered]]
"""What each operator gathered, for each turn."""

SMALLER_PARTS = Notice("The memory did not suffice; smaller parts are computed at a time.", True)


@dataclass(frozen=True)
class FrameSource:
    """How the tiles of a frame are read.

    Parameters
    ----------
    read : callable
        Reads a region of the frame, tuple of slices to normalized channels (C, *region).
    raw : RawReader or None
        The grey values, where the device normalizes them.
    ahead : int
        Tiles that are read ahead.
    """

    read: Read
    raw: RawReader | None = None
    ahead: int = 0


class TileRun:
    """One frame, tile by tile.

    Parameters
    ----------
    engine : Engine
    source : FrameSource
    sizes : sequence of int
        Of the frame, without padding.
    plan : TilePlan
    sink : Sink
    """

    def __init__(
        self, engine: Engine, source: FrameSource, sizes: Sequence[int], plan: TilePlan, sink: Sink
    ) -> None:
        self.engine, self.plan, self.sink, self.sizes = engine, plan, sink, tuple(sizes)
        self.source = source
        operators = engine.operators(plan)
        cache = engine.planner.spare_bytes(plan) if operators else 0
        self.passes = GlobalPasses(engine.network, cache)
        self.n_operators = len(operators)

    def run(self) -> Generator[Notice | None, None, None]:
        """Run; yields after each step, and a notice where something has to be said."""
        unit = 0
        try:
            for number, block in enumerate(self.plan.blocks()):
                units = range(unit, unit + len(block))
                unit += len(block)
                todo = [
                    (one, tile)
                    for one, tile in zip(units, block, strict=True)
                    if not self.sink.is_done(one)
                ]
                sums: Sums = [[] for _ in self.engine.turns]
                if todo:
                    sums = yield from self._sums(number, block)
                else:
                    yield from [None] * (len(block) * self.n_operators * len(self.engine.turns))
                yield from [None] * (len(block) - len(todo))
                yield from self._predict(todo, sums)
        finally:
            self.passes.drop()

    def _sums(self, number: int, block: Sequence[Tile]) -> Generator[Any, None, Sums]:
        """Return what the operators gather over a block, or did in an earlier run."""
        steps = len(block) * self.n_operators * len(self.engine.turns)
        if not steps:
            return [[] for _ in self.engine.turns]
        kinds: list[Any] = [operator.kind for operator in self.passes.operators]
        kept = self.sink.kept(f"sums-{number}")
        if kept is not None:
            yield from [None] * steps
            device = self.engine.device
            return [
                [
                    kind.from_arrays(_named(kept, f"{turn}.{index}."), device)
                    for index, kind in enumerate(kinds)
                ]
                for turn in range(len(self.engine.turns))
            ]
        sums: Sums = []
        for turn in self.engine.turns:
            sums.append([])
            for index in range(self.n_operators):
                sums[-1].append((yield from self._gathered(index, turn, sums[-1], block)))
        arrays = {
            f"{turn}.{index}.{name}": array
            for turn, of_turn in enumerate(sums)
            for index, gathered in enumerate(of_turn)
            for name, array in gathered.to_arrays().items()
        }
        self.sink.keep(f"sums-{number}", arrays)
        return sums

    def _gathered(
        self, index: int, turn: Turn, before: Sequence[Gathered], block: Sequence[Tile]
    ) -> Generator[Any, None, Gathered]:
        """Return what one operator gathers over a block, those before it served already."""
        self._give(before)
        parts: list[Gathered] = []

        def gather(tile: Tile, values: Callable[[], Tensor]) -> None:
            inner = turn.region(tile.inner, _lengths(tile.read))
            with self.engine.computing():
                gathered = self.passes.gather(
                    index, _key(tile, turn), lambda: turn.apply(values()), inner
                )
            # Joined at once: over many tiles the parts would be many.
            parts[:] = [parts[0] + gathered] if parts else [gathered]

        missing = [tile for tile in block if not self.passes.holds(_key(tile, turn))]
        with reading_ahead(self._staged, missing, self.source.ahead) as ahead:
            for tile in block:
                yield from self._in_parts(tile, ahead, gather)
        return parts[0]

    def _predict(
        self, todo: Sequence[tuple[int, Tile]], sums: Sums
    ) -> Generator[Notice | None, None, None]:
        """Predict tiles; each is put into the sink while the next one is computed."""
        pending: list[Callable[[], None]] = []

        def predict(tile: Tile, values: Callable[[], Tensor]) -> None:
            maps = self.engine.combined(
                lambda turn, of_turn: self._raw(tile, turn, of_turn, values),
                list(zip(self.engine.turns, sums, strict=True)),
                self.sink.channels,
            )
            fetch = self.engine.transfers.down(maps[0])
            del maps
            put_all()
            pending.append(lambda: _put_core(fetch(), tile, self.sizes, self.sink))

        def put_all() -> None:
            while pending:
                pending.pop(0)()

        held = [self.passes.holds(_key(tile, self.engine.turns[-1])) for _, tile in todo]
        unheld = [tile for (_, tile), kept in zip(todo, held, strict=True) if not kept]
        with reading_ahead(self._staged, unheld, self.source.ahead) as ahead:
            for unit, tile in todo:
                yield from self._in_parts(tile, ahead, predict)
                pending.append(lambda unit=unit: self.sink.finished(unit))  # type: ignore[misc]
        put_all()

    def _raw(
        self, tile: Tile, turn: Turn, given: Sequence[Gathered], values: Callable[[], Tensor]
    ) -> Tensor:
        self._give(given)
        return self.passes.finish(_key(tile, turn), lambda: turn.apply(values()))

    def _in_parts(
        self,
        tile: Tile,
        ahead: Ahead[Tile],
        work: Callable[[Tile, Callable[[], Tensor]], None],
    ) -> Generator[Notice | None, None, None]:
        """Work on a tile, or on halves of it where the memory does not suffice."""
        parts = [tile]
        while parts:
            raise_if_stopped()
            part = parts.pop()
            if not self.engine.budget.allows(part) or not self._worked(work, part, ahead):
                if self.engine.budget.allows(part):
                    # Only here is the error gone, and with it what its traceback held.
                    self.passes.release()
                    self.engine.budget.learn_limit(part)
                    yield SMALLER_PARTS
                parts += reversed(self.engine.planner.halves(part, self.plan))
        yield None

    def _worked(
        self, work: Callable[[Tile, Callable[[], Tensor]], None], part: Tile, ahead: Ahead[Tile]
    ) -> bool:
        staged: list[Tensor] = []

        def values() -> Tensor:
            if not staged:  # once for all turns
                staged.append(ahead.take(part))
            return self.engine.on_device(staged[0], self.source.raw)

        try:
            work(part, values)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        return True

    def _give(self, gathered: Sequence[Gathered]) -> None:
        for index, operator in enumerate(self.passes.operators[: self.n_operators]):
            wanted = gathered[index] if index < len(gathered) else None
            if operator.given is not wanted:  # what is given anew makes waiting tiles run again
                self.passes.give(index, wanted)

    def _staged(self, tile: Tile) -> Tensor:
        read = self.source.read if self.source.raw is None else self.source.raw.read
        values = read_padded(read, tile.read, self.sizes, self.plan.size)
        return self.engine.transfers.stage(values[None])


def _put_core(predicted: np.ndarray, tile: Tile, sizes: Sequence[int], sink: Sink) -> None:
    """Put the core of a tile, without padding, along the axes that the output has."""
    axes = predicted.ndim - 1
    kept, inside = [], []
    for core, inner, size in zip(tile.core, tile.inner, sizes, strict=True):
        stop = min(core.stop, size)
        kept.append(slice(core.start, stop))
        inside.append(slice(inner.start, inner.start + max(stop - core.start, 0)))
    if all(part.start < part.stop for part in kept[-axes:]):
        values = predicted[(slice(None), *inside[-axes:])]
        # The sink owns what it is given; a view would hold the whole tile, and the halo with it.
        sink.put(tuple(kept[-axes:]), np.ascontiguousarray(values).copy())


def _key(tile: Tile, turn: Turn) -> Hashable:
    return turn, tuple((part.start, part.stop) for part in tile.core)


def _lengths(region: Sequence[slice]) -> tuple[int, ...]:
    return tuple(part.stop - part.start for part in region)


def _named(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
