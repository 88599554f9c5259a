"""Global operators under tiling: what they gather over all positions is collected before its use.

Operators are served one after the other, in the network's order: what one gathers is joined
over the cores of all tiles, while those before it already use theirs. So a network with n global
operators takes n + 1 passes over the tiles. Between two passes a tile waits before its operator, as
long as there is room for what it holds; otherwise it runs again from the start. Both run the
same layers on the same numbers, so results are equal bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from torch import Tensor, nn

from napari_virtual_stain.networks import Gathered, GlobalOperator
from napari_virtual_stain.networks.stages import Pause, Stages, finish

Values = Callable[[], Tensor]
"""Reads a tile with its halo, (1, C, *sizes), onto the device; called where it runs from the start.
"""


class GlobalPasses:
    """A network whose global operators are served over tiles.

    For each operator in turn, all tiles are gathered, what they gathered is joined by ``+`` and
    given; then each tile is finished. Inference mode and autocast are entered by the caller around
    each call, and are the same for all calls of a tile.

    A call that fails (out of memory, stopped) loses what its own tile held and nothing else: the
    tile runs from the start when it is called for again.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode; with ``stages``, where it has global operators.
    cache_bytes : int
        What all waiting tiles may hold. It may be changed later, and counts for tiles that
        begin to wait from then on.

    Attributes
    ----------
    operators : list of GlobalOperator
        In the order in which the network runs them.
    """

    def __init__(self, network: nn.Module, cache_bytes: int) -> None:
        self.network, self.cache_bytes = network, cache_bytes
        self.operators = [m for m in network.modules() if isinstance(m, GlobalOperator)]
        self._waiting: dict[Hashable, _Waiting] = {}

    @property
    def cached_bytes(self) -> int:
        """What all waiting tiles hold."""
        return sum(waiting.bytes for waiting in self._waiting.values())

    def holds(self, tile: Hashable) -> bool:
        """Whether a tile waits, so that it need not be read again."""
        return tile in self._waiting

    def gather(
        self, index: int, tile: Hashable, values: Values, inner: Sequence[slice]
    ) -> Gathered:
        """Return what an operator gathers over the core of a tile.

        Parameters
        ----------
        index : int
            Of the operator; those before it have been given theirs.
        tile : hashable
            The name of the tile, the same in each pass.
        values : callable
            Reads the tile.
        inner : sequence of slice
            Where the core lies in it; on the stride lattice.
        """
        self._check_given(index)
        waiting = self._take(tile, index) or self._begin(values)
        while waiting.index < index:
            waiting.go_on(self.operators[waiting.index + 1])
        gathered = waiting.gather(inner)
        if self.cached_bytes + waiting.bytes <= self.cache_bytes:
            self._waiting[tile] = waiting
        return gathered

    def give(self, index: int, gathered: Gathered | None) -> None:
        """Give an operator what was gathered over all tiles, or take it away (None).

        Waiting tiles that have passed the operator are forgotten.
        """
        self.operators[index].given = gathered
        for tile in [name for name, waiting in self._waiting.items() if waiting.index > index]:
            self._waiting.pop(tile).close()

    def finish(self, tile: Hashable, values: Values) -> Tensor:
        """Return the raw channels of a tile, (1, raw, *sizes), and forget it.

        Where no operator has been given anything, that is the forward of an image by itself.

        Parameters
        ----------
        tile : hashable
            Its name.
        values : callable
            Reads it.
        """
        if not self.operators:
            result: Tensor = self.network(values())
            return result
        if any(operator.given is not None for operator in self.operators):
            self._check_given(len(self.operators))
        waiting = self._take(tile, len(self.operators)) or self._begin(values)
        return waiting.finish()

    def release(self) -> None:
        """Forget all waiting tiles, but not what was given: memory for a rest of work."""
        while self._waiting:
            self._waiting.popitem()[1].close()

    def drop(self) -> None:
        """Forget all waiting tiles and what was given."""
        self.release()
        for operator in self.operators:
            operator.given = None

    def _check_given(self, count: int) -> None:
        if any(operator.given is None for operator in self.operators[:count]):
            raise RuntimeError("a global operator is passed before it was given what tiles gather")

    def _begin(self, values: Values) -> _Waiting:
        x = values()
        return _Waiting(self.network.stages(x), x.shape[2:])  # type: ignore[operator]

    def _take(self, tile: Hashable, index: int) -> _Waiting | None:
        """Return a waiting tile, which waits no longer; None if it is not before operator `index`.

        A call that fails therefore leaves nothing of its tile.
        """
        waiting = self._waiting.pop(tile, None)
        if waiting is not None and waiting.index > index:
            waiting.close()
            return None
        return waiting


class _Waiting:
    """A forward that waits at its start (index −1) or before operator number `index`."""

    def __init__(self, stages: Stages, sizes: Sequence[int]) -> None:
        self.index = -1
        self._stages, self._sizes = stages, sizes
        self._pause: Pause | None = None

    @property
    def bytes(self) -> int:
        """What it holds; tensors that share memory count once."""
        if self._pause is None:
            return 0
        held = (tensor.untyped_storage() for tensor in (self._pause.features, *self._pause.kept))
        return sum({storage.data_ptr(): storage.nbytes() for storage in held}.values())

    def go_on(self, operator: GlobalOperator) -> None:
        """Run up to the next operator, which has to be this one."""
        self._pause = None  # its tensors are not needed for as long as the next layers run
        self._pause = next(self._stages, None)
        self.index += 1
        if self._pause is None or self._pause.operator is not operator:
            raise RuntimeError("the network does not run its operators in the order of its modules")

    def gather(self, core: Sequence[slice]) -> Gathered:
        """Return what the operator gathers over the core of the tile."""
        assert self._pause is not None
        features = self._pause.features
        axes = features.ndim - 2  # its own: behind a projection, Y and X are left
        # The core in the operator's own resolution; exact, as cores lie on the lattice.
        region = tuple(
            slice(part.start * n // size, part.stop * n // size)
            for part, n, size in zip(
                core[-axes:], features.shape[2:], self._sizes[-axes:], strict=True
            )
        )
        return self._pause.operator.gather(features, region)

    def finish(self) -> Tensor:
        """Run to the end."""
        self._pause = None
        return finish(self._stages)

    def close(self) -> None:
        """Let go of everything."""
        self._pause = None
        self._stages.close()
