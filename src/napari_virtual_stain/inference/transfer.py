"""Between memory and device: tiles are read ahead, and results fetched, while the device computes.

On a GPU a tile travels in its own data type from page-locked memory, on a stream of its own, and is
normalized there; a result is fetched while the next tile is computed. On a CPU nothing travels;
only what is slow to read (files, lazy arrays) is read ahead.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

Item = TypeVar("Item")

TILES_AHEAD = 2
"""While one tile is computed, one is ready and one is being read."""


class Ahead(Generic[Item]):
    """Reads items in the order in which they will be wanted, some of them ahead.

    Parameters
    ----------
    read : callable
        Reads one item.
    items : sequence
    count : int
        How many are read ahead, by a thread of their own; 0 reads each when it is wanted.
    """

    def __init__(self, read: Callable[[Item], Any], items: Sequence[Item], count: int) -> None:
        self._read, self._count = read, count
        self._waiting = deque(items)
        self._pool = ThreadPoolExecutor(1, "vstain-read") if count and items else None
        self._futures: deque[tuple[Item, Future[Any]]] = deque()
        self._refill()

    def take(self, item: Item) -> Any:
        """Return what was read for an item, the next one or one that was not announced.

        Raises whatever reading it raised.
        """
        if not self._futures or self._futures[0][0] != item:
            if self._waiting and self._waiting[0] == item:
                self._waiting.popleft()
            return self._read(item)
        _, future = self._futures.popleft()
        self._refill()
        return future.result()

    def close(self) -> None:
        """Drop what was read ahead, and wait for what is being read."""
        self._waiting.clear()
        while self._futures:
            self._futures.popleft()[1].cancel()
        if self._pool is not None:
            self._pool.shutdown()

    def _refill(self) -> None:
        while self._pool is not None and self._waiting and len(self._futures) < self._count:
            item = self._waiting.popleft()
            # A copy of the context, so that reading stops when the work is asked to.
            call = contextvars.copy_context().run
            self._futures.append((item, self._pool.submit(call, self._read, item)))


@contextmanager
def reading_ahead(
    read: Callable[[Item], Any], items: Sequence[Item], count: int
) -> Iterator[Ahead[Item]]:
    """Yield an :class:`Ahead` that is closed at the end."""
    ahead = Ahead(read, items, count)
    try:
        yield ahead
    finally:
        ahead.close()


class Transfers:
    """Moves tensors to a device and back, without waiting where the device allows it.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream: Any = (
            torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            if device.type == "cuda"
            else None
        )

    def stage(self, values: np.ndarray) -> Tensor:
        """Return values as a tensor that travels fast: page-locked where the device is a GPU."""
        values = np.ascontiguousarray(values)
        if values.dtype == np.uint16:
            # PyTorch converts 16-bit integers everywhere, but not those without a sign.
            values = values.view(np.int16)
        staged = torch.from_numpy(values)
        return staged.pin_memory() if self._stream is not None else staged

    def up(self, staged: Tensor) -> Tensor:
        """Return a staged tensor on the device."""
        if self._stream is None:
            return staged.to(self.device)
        with torch.cuda.stream(self._stream):
            there = staged.to(self.device, non_blocking=True)
        compute = torch.cuda.current_stream(self.device)
        compute.wait_stream(self._stream)
        there.record_stream(compute)
        return there

    def down(self, result: Tensor) -> Callable[[], np.ndarray]:
        """Begin to fetch a result; calling what is returned waits for it."""
        if self._stream is None:
            here: np.ndarray = result.cpu().numpy()
            return lambda: here
        page_locked = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
        page_locked.copy_(result, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))

        def wait() -> np.ndarray:
            event.synchronize()
            fetched: np.ndarray = page_locked.numpy()
            return fetched

        return wait


def normalized(
    grey: Tensor, dtype: np.dtype[Any], offsets: np.ndarray, units: np.ndarray
) -> Tensor:
    """Return the normalized channels of staged grey values, in float32, on the device they are on.

    Parameters
    ----------
    grey : tensor, shape (B, C, *sizes)
    dtype : dtype
        That they had before they were staged.
    offsets, units : ndarray of float32, shape (C,)
        Normalized value = (grey value − offset) / unit.
    """
    values = grey.to(torch.float32, copy=True)
    if dtype == np.uint16:
        values = torch.where(values < 0, values + 2.0**16, values)
    shape = (1, -1) + (1,) * (grey.ndim - 2)
    by = [torch.from_numpy(array).to(grey.device).reshape(shape) for array in (offsets, units)]
    return values.sub_(by[0]).div_(by[1])
