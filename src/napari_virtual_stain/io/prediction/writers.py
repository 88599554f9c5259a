"""Blocks are written in threads while the next ones are computed."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np

from napari_virtual_stain.target import Key, Which

IN_FLIGHT_BYTES = 128 * 2**20
"""Most bytes of blocks that wait or are being written; one block may be larger by itself."""

THREADS = 4
"""Most blocks that are written at a time."""


class OrderedWriters:
    """Writes blocks at the same time, and keeps the order of what depends on them.

    Parameters
    ----------
    write : callable
        Writes one block; called in several threads.
    record : callable
        Records a unit as done; called once all blocks that were given before it are written.
    """

    def __init__(
        self, write: Callable[[Which, Key, np.ndarray], None], record: Callable[[str], None]
    ) -> None:
        self._write, self._record = write, record
        self._pool = ThreadPoolExecutor(
            min(THREADS, os.cpu_count() or 1), thread_name_prefix="vstain-write"
        )
        self._changed = threading.Condition()
        self._queue: deque[Future[None] | str] = deque()
        self._bytes = 0
        self._error: BaseException | None = None

    def block(self, which: Which, key: Key, values: np.ndarray) -> None:
        """Have a block written; waits while too many bytes are under way.

        Raises the error of a block that could not be written.
        """
        size = values.nbytes
        with self._changed:
            self._changed.wait_for(lambda: self._error or self._has_room(size))
            self._check()
            self._bytes += size
            future = self._pool.submit(self._write, which, key, values)
            self._queue.append(future)
        # Outside: it runs here and now if the block is written already.
        future.add_done_callback(partial(self._written, size))

    def unit(self, name: str) -> None:
        """Have a unit recorded once all blocks before are written; does not wait for them."""
        with self._changed:
            self._check()
            self._queue.append(name)
            self._advance()
            self._check()

    def wait(self) -> None:
        """Wait until everything is written and recorded, or raise the first error."""
        with self._changed:
            self._changed.wait_for(lambda: self._error or not self._queue)
            self._check()

    def stop(self) -> None:
        """Write what was given, as far as that is possible, and end the threads."""
        self._pool.shutdown()

    def _has_room(self, size: int) -> bool:
        return not self._bytes or self._bytes + size <= IN_FLIGHT_BYTES

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _written(self, size: int, future: Future[None]) -> None:
        with self._changed:
            self._bytes -= size
            self._error = self._error or future.exception()
            self._advance()
            self._changed.notify_all()

    def _advance(self) -> None:
        """Take off the queue what is written, and record the units that this leaves in front."""
        while self._queue:
            head = self._queue[0]
            if isinstance(head, str):
                try:
                    self._record(head)
                except OSError as error:
                    self._error = self._error or error
                    return
            elif not head.done() or head.exception() is not None:
                return
            self._queue.popleft()
