"""Memory that is freed by one layer and taken by the next, without a detour through the kernel.

The GNU C library hands large blocks back to the kernel when they are freed, and each page of the
next block is faulted in and zeroed again. A forward frees a feature map with each layer, so that
this took a quarter to a half of its time on the CPU. While a prediction runs, glibc
is therefore told to keep blocks.

It helps threads that allocate from glibc's main arena: the main thread of a program always does.
Other threads mostly have arenas of their own, which hold no block above 64 MiB; such
blocks still come from the kernel.

Memory is the price: before version 2.38, an aligned block that was freed is seldom found
fit for the next one of its size, so that the peak of a forward is 1.1 to 2.5 times as high, at
random. It is therefore to be measured under this allocator, and :func:`return_free_blocks`
gives back what is free.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_… of malloc.h

_STEADY = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_THRESHOLD: 2**31 - 1}  # the largest that an int holds
_USUAL = {_TRIM_THRESHOLD: 2**26, _MMAP_THRESHOLD: 2**25}
"""What glibc arrives at by itself once a block of 32 MiB was freed. It adapts its thresholds until
they are set for the first time; its state before cannot be read and not be had again."""

_RETURNING = {_TRIM_THRESHOLD: 2**20, _MMAP_THRESHOLD: 2**20}

_lock = threading.Lock()
_users = 0


@contextmanager
def steady_allocator(device: torch.device) -> Iterator[None]:
    """Within this context, large blocks that are freed are kept and used again.

    It may be entered in several threads, and within itself; after the last has left, what is
    free goes back to the system (in a thread, within a second or so), and the thresholds to what
    glibc adapts them to. It does something on the CPU and with glibc (Linux) only.

    Parameters
    ----------
    device : torch.device
        Where the network runs.
    """
    if device.type != "cpu" or _glibc() is None:
        yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


def return_free_blocks() -> None:
    """Give what was freed and kept back to the system: a later block costs page faults again."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(ctypes.c_size_t(0))


@contextmanager
def returned_blocks() -> Iterator[None]:
    """Within this context, blocks above 1 MiB go back to the system as soon as they are freed.

    So the resident set of the process is what is in use, and can be measured. It works with glibc
    (Linux) only.
    """
    library = _glibc()
    if library is None:
        yield
        return
    with _lock:
        _set(_RETURNING)
        library.malloc_trim(ctypes.c_size_t(0))
    try:
        yield
    finally:
        with _lock:
            _set(_STEADY if _users else _USUAL)


def _enter() -> None:
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _set(_STEADY)


def _leave() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            _set(_USUAL)
            # A second for each 5 GiB or so, for which nobody has to wait.
            threading.Thread(target=return_free_blocks, name="vstain-trim", daemon=True).start()


def _set(thresholds: dict[int, int]) -> None:
    library = _glibc()
    assert library is not None
    for name, value in thresholds.items():
        library.mallopt(ctypes.c_int(name), ctypes.c_int(value))


@cache
def _glibc() -> ctypes.CDLL | None:
    """Return the C library of this process if it is glibc; musl has no such thresholds."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
