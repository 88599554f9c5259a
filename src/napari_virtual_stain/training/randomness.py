"""What is random in a step follows from (seed, step); the caller's random state is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def drawn_from(seed: int, step: int, device: torch.device, process: int = 0) -> Iterator[None]:
    """Within this context, PyTorch draws (dropout, initial weights) from these numbers alone.

    Parameters
    ----------
    seed, step, process : int
        Each process has a batch of its own, and drops other units of it.
    device : torch.device
        Where is computed. The state of the CPU and of CUDA devices is restored in the end.
    """
    (derived,) = np.random.SeedSequence((seed, step, process)).generate_state(1, np.uint64)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(int(derived) % 2**63)
        yield
