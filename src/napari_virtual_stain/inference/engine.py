"""The engine runs a network over a frame, whole or in tiles, with the same result.

It works on a private copy of the network: memory layout, device and the sums of global
operators are changed there and nowhere else.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from torch import nn

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.inference.devices import autocast, release_memory, usable_memory
from napari_virtual_stain.inference.global_sums import add_up, give, global_operators
from napari_virtual_stain.inference.options import Precision
from napari_virtual_stain.inference.padding import Read, padded_size, read_padded
from napari_virtual_stain.inference.plan import TilePlan, TooLittleMemory, plan
from napari_virtual_stain.networks import Geometry

SECONDS_PER_FORWARD = 2.0
"""So long may one forward take: progress moves, and the whole image stays in one piece."""

PROBE_VOXELS = 2**16
BYTES_PER_CHANNEL = 40
"""Peak memory of a forward, per voxel and channel of the widest layer: ten float32 maps.
Measured on the U-Nets of this package: 28 (fnet 3D) and 37 (GVTNet 3D)."""


class Engine:
    """A network made ready for one device.

    Parameters
    ----------
    network : torch.nn.Module
        It is copied, not changed.
    in_channels : int
        Its input channels.
    device : torch.device
    precision : {"auto", "fp32", "bf16", "fp16"}
    memory : float, optional
        GiB that it may use; by default a share of what is free.
    """

    def __init__(
        self,
        network: nn.Module,
        in_channels: int,
        device: torch.device,
        precision: Precision = "auto",
        memory: float | None = None,
    ) -> None:
        self.geometry: Geometry = network.geometry  # type: ignore[assignment]
        self.device, self.precision = device, precision
        self.in_channels = in_channels
        layout: Any = torch.channels_last if self.ndim == 2 else torch.channels_last_3d
        self.network = copy.deepcopy(network).eval().to(device)
        self.network.to(memory_format=layout)  # type: ignore[call-overload]
        self.voxel_bytes = BYTES_PER_CHANNEL * self._widest()
        for module in self.network.modules():
            if not list(module.children()):
                module.register_forward_pre_hook(_stop_between_layers)
        self.memory = usable_memory(device) if memory is None else int(memory * 2**30)
        self._voxels_per_second: float | None = None

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.geometry.stride)

    def padded(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the sizes after padding to the stride."""
        return tuple(padded_size(n, s) for n, s in zip(sizes, self.geometry.stride, strict=True))

    def check_memory(self, values: int, what: str) -> None:
        """Raise a VirtualStainError if so many float32 values exceed the memory."""
        if 4 * values > self.memory:
            raise VirtualStainError(
                f"the memory is too small: the {what} image needs {4 * values / 2**30:.2g} GiB and "
                f"{self.memory / 2**30:.2g} GiB may be used; crop the image, or allow more memory."
            )

    def plan(self, sizes: tuple[int, ...], tile: int | None = None) -> TilePlan:
        """Return how frames are tiled.

        Parameters
        ----------
        sizes : tuple of int
            Of the spatial axes, without padding.
        tile : int, optional
            Size of a core along Y and X (px).

        Raises
        ------
        VirtualStainError
            If the smallest exact tile does not fit into the memory.
        """
        padded = self.padded(sizes)
        fitting = self.memory // self.voxel_bytes
        preferred = None
        if tile is None and math.prod(padded) > PROBE_VOXELS:
            preferred = int(self.speed(padded) * SECONDS_PER_FORWARD)
        try:
            return plan(
                padded,
                self.geometry.stride,
                self.geometry.halo,
                max_voxels=fitting,
                preferred_voxels=preferred,
                core=tile,
            )
        except TooLittleMemory as error:
            needed, given = error.needed * self.voxel_bytes, self.memory
            raise VirtualStainError(
                f"the memory is too small: the smallest part that can be computed exactly needs "
                f"about {needed / 2**30:.2g} GiB and {given / 2**30:.2g} GiB may be used; close "
                "other programs, allow more memory, or choose a smaller tile or network."
            ) from None

    def allow_half_of(self, tiles: TilePlan) -> None:
        """After running out of memory with a plan: allow half of what a tile of it was given."""
        release_memory(self.device)
        self.memory = math.prod(tiles.read) // 2 * self.voxel_bytes

    def speed(self, padded: tuple[int, ...]) -> float:
        """Return voxels per second, timed once on a small input."""
        if self._voxels_per_second is None:
            sizes = _probe_sizes(padded, self.geometry.stride)
            probe = np.zeros((self.in_channels, *sizes), np.float32)
            self.forward(probe)  # the first pass also sets up the device's kernels
            start = time.perf_counter()
            self.forward(probe)
            self._voxels_per_second = math.prod(sizes) / (time.perf_counter() - start)
        return self._voxels_per_second

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Map z-scored channels (C, *sizes) to predicted z-scores (outputs, *sizes), float32."""
        with torch.inference_mode(), autocast(self.device, self.precision):
            result: np.ndarray = self.network(self._tensor(values))[0].float().cpu().numpy()
        return result

    def run(
        self, read: Read, sizes: tuple[int, ...], tiles: TilePlan, out: np.ndarray
    ) -> Generator[None, None, None]:
        """Predict a frame; yields after each step of :meth:`steps`.

        Parameters
        ----------
        read : callable
            Reads a region of the frame, tuple of slices to (C, *region).
        sizes : tuple of int
            Sizes of the frame.
        tiles : TilePlan
        out : ndarray, shape (outputs, *sizes)
            Receives the predicted z-scores.
        """
        operators = [] if tiles.is_whole else global_operators(self.network)
        give(operators, None)
        try:
            for operator in operators:
                total = None
                for tile in tiles.tiles():
                    raise_if_stopped()
                    values = self._tensor(read_padded(read, tile.read, sizes, tiles.size))
                    with torch.inference_mode(), autocast(self.device, self.precision):
                        part = add_up(self.network, operator, values, tile.inner)
                    total = part if total is None else total + part
                    yield
                give([operator], total)
            for tile in tiles.tiles():
                raise_if_stopped()
                predicted = self.forward(read_padded(read, tile.read, sizes, tiles.size))
                kept = tuple(
                    slice(core.start, min(core.stop, size))
                    for core, size in zip(tile.core, sizes, strict=True)
                )
                inside = tuple(
                    slice(inner.start, inner.start + part.stop - part.start)
                    for inner, part in zip(tile.inner, kept, strict=True)
                )
                out[(slice(None), *kept)] = predicted[(slice(None), *inside)]
                yield
        finally:
            give(operators, None)

    def steps(self, tiles: TilePlan) -> int:
        """Return how often :meth:`run` yields for a frame."""
        passes = 1 if tiles.is_whole else 1 + len(global_operators(self.network))
        return passes * tiles.count

    def _widest(self) -> int:
        """Return the channels of the widest layer, counted at the input's resolution."""
        smallest = self.geometry.stride
        widest = [self.in_channels]

        def note(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                widest.append(-(-output.numel() // math.prod(smallest)))

        handles = [module.register_forward_hook(note) for module in self.network.modules()]
        self.forward(np.zeros((self.in_channels, *smallest), np.float32))
        for handle in handles:
            handle.remove()
        return max(widest)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        layout: Any = torch.channels_last if self.ndim == 2 else torch.channels_last_3d
        tensor = torch.from_numpy(np.ascontiguousarray(values))[None]
        return tensor.to(self.device).contiguous(memory_format=layout)


def _stop_between_layers(module: nn.Module, args: Any) -> None:
    raise_if_stopped()


def _probe_sizes(padded: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, ...]:
    sizes = list(stride)
    while math.prod(sizes) < PROBE_VOXELS:
        growable = [i for i, n in enumerate(sizes) if n < padded[i]]
        if not growable:
            break
        axis = min(growable, key=lambda i: sizes[i])
        sizes[axis] = min(2 * sizes[axis], padded[axis])
    return tuple(sizes)
