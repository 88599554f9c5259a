"""How much memory a forward takes: measured on two small inputs, or told from its layers.

The peak of a forward grows with its input by an affine law, ``fixed + per_voxel · voxels``. Two
probes give both numbers for the model, device and precision at hand, where the peak can be
measured: by the caching allocator of CUDA, and on Linux by the largest resident set of the process.
Elsewhere the widest layer of the network gives an estimate from above.

An allocator that keeps blocks for later needs more than what is in use, and how much more differs
from run to run. On Linux what is in use is therefore measured, and the rest allowed for.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_virtual_stain.inference.allocator import returned_blocks

MARGIN = 1.25
"""A forward is taken to need this times what probes say. Measured on fnet and GVTNet, in 2D and 3D,
fp32 and bf16, a tile four times larger took 0.9 … 1.12 times what they say."""

KEPT_BLOCKS = 1.6
"""How much more a forward takes where freed blocks are kept (`steady_allocator`): measured on the
same networks, 1.0 … 1.56 times what is in use. It differs from run to run."""

BYTES_PER_CHANNEL = 32
"""Estimated peak per voxel and channel of the widest layer, in float32: eight maps, with the margin
ten. Measured where nothing is overwritten in place: 28 (fnet 3D) and 37 (GVTNet 3D)."""

LEAST_SHARE = 1 / 16
"""No forward needs less than this share of the estimate: it is what the widest layer alone
yields, in 16 bits. Probes that say less were disturbed."""

LEAST_BYTES = 8
"""No forward needs less per voxel: one channel in and one out, in float32."""

Forward = Callable[[tuple[int, ...]], object]
"""Runs the network once on an input of these sizes, as a tile is run."""


@dataclass(frozen=True)
class Need:
    """Memory of a forward of v voxels above what was there: ``fixed + per_voxel · v`` bytes.

    Parameters
    ----------
    fixed : int
        Bytes, whatever the size.
    per_voxel : float
        Bytes, above 0.
    """

    fixed: int
    per_voxel: float

    def times(self, factor: float) -> Need:
        """Return a need so many times as large."""
        return Need(math.ceil(factor * self.fixed), factor * self.per_voxel)

    def bytes(self, voxels: int) -> int:
        """Return the bytes that a forward of so many voxels may take, margin included."""
        return math.ceil(MARGIN * (self.fixed + self.per_voxel * voxels))

    def voxels(self, memory: int) -> int:
        """Return how many voxels a forward may have to stay within so many bytes."""
        return max(0, math.floor((memory / MARGIN - self.fixed) / self.per_voxel))


def measure_need(
    forward: Forward,
    smaller: tuple[int, ...],
    larger: tuple[int, ...],
    device: torch.device,
    estimated: Need | None = None,
) -> Need | None:
    """Return what a forward needs, from the peaks of two; None where that cannot be told.

    It is run once before, unmeasured, so that libraries are loaded. The larger probe is the first
    of its size, as a tile is, and the memory that its kernels are set up in counts. What is in use
    is measured; for blocks that are kept (`steady_allocator`), it is `KEPT_BLOCKS` times as much.

    Parameters
    ----------
    forward : callable
        Given sizes, runs the network once on an input of these sizes, as tiles are run: same
        precision, same allocator.
    smaller, larger : tuple of int
        Sizes of the probes: at least 2 ** 16 and 2 ** 18 voxels, so that the feature maps at most
        levels are larger than what an allocator treats as small (1 MiB).
    device : torch.device
    estimated : Need, optional
        As :func:`estimated_need` returns it. Other threads allocate and free memory of the same
        process, and that is measured too: a result far below the estimate cannot be true.
    """
    if device.type not in _GAUGES or math.prod(larger) <= math.prod(smaller):
        return None
    probes = [smaller, larger]
    forward(smaller)
    try:
        peaks = _GAUGES[device.type]([partial(forward, sizes) for sizes in probes], device)
    except OSError:  # no such files, or no permission to write there
        return None
    first, second = (math.prod(sizes) for sizes in probes)
    least = max(LEAST_BYTES, LEAST_SHARE * estimated.per_voxel if estimated else 0)
    slope = (peaks[1] - peaks[0]) / (second - first)
    if slope < least or peaks[0] < least * first:
        return None
    fixed = max(0.0, peaks[0] - slope * first)
    return Need(math.ceil(fixed), slope)


def estimated_need(network: nn.Module, voxels: int, forward: Callable[[], object]) -> Need:
    """Return what a forward needs at most, told from the widest layer of a network.

    Parameters
    ----------
    network : torch.nn.Module
    voxels : int
        Of the input of `forward`.
    forward : callable
        Calls the network once.
    """
    widest = 1

    def note(module: nn.Module, args: Any, output: Any) -> None:
        nonlocal widest
        for tensor in (*args, output):
            if isinstance(tensor, torch.Tensor):
                widest = max(widest, math.ceil(tensor.numel() / voxels))

    handles = [module.register_forward_hook(note) for module in network.modules()]
    try:
        forward()
    finally:
        for handle in handles:
            handle.remove()
    return Need(0, float(BYTES_PER_CHANNEL * widest))


def _peaks_on_cuda(forwards: Sequence[Callable[[], object]], device: torch.device) -> list[int]:
    """Return the peaks of what tensors and workspaces of cuDNN, allocated alike, take."""
    peaks = []
    for forward in forwards:
        torch.cuda.synchronize(device)
        # Else cached blocks larger than what is asked for would be used, and counted in full.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        forward()
        torch.cuda.synchronize(device)
        peaks.append(torch.cuda.max_memory_allocated(device) - before)
    return peaks


def _peaks_on_linux(forwards: Sequence[Callable[[], object]], device: torch.device) -> list[int]:
    """Return how far the resident set rises above where it was.

    Raises
    ------
    OSError
        If the system does not tell.
    """
    peaks = []
    with returned_blocks():
        for forward in forwards:
            gc.collect()
            _CLEAR_REFS.write_text("5")  # the peak begins anew, see proc_pid_clear_refs(5)
            before = _resident("VmRSS")
            if _resident("VmHWM") > before + _SLACK:
                raise OSError("the system does not reset the peak of the resident set")
            forward()
            peaks.append(_resident("VmHWM") - before)
    return peaks


def _resident(field: str) -> int:
    """Return a figure of this process in bytes.

    Raises
    ------
    OSError
        If the system does not tell.
    """
    for line in _STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise OSError(f"the system does not tell {field}")


_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_SLACK = 2**24
"""Bytes by which the peak may exceed the resident set right after it was reset: other threads."""

_GAUGES = {"cpu": _peaks_on_linux, "cuda": _peaks_on_cuda}
