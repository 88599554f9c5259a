"""The most memory that a process, or its GPU, has held."""

from __future__ import annotations

import sys

import psutil
import torch


def resident() -> int:
    """Return the bytes of this process that are in memory now."""
    return int(psutil.Process().memory_info().rss)


def peak(device: torch.device) -> int:
    """Return the most bytes held so far: on the GPU, or in memory by this process.

    The memory of a process counts from its start, so a fresh process tells what one piece of work
    took. Linux starts counting at what the process that started it held: that should be light.
    """
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else 1024 * largest
