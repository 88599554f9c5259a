"""The engine runs a network over a frame, whole, in tiles or in windows.

It works on a private copy of the network: memory layout, device and what global operators are
given are changed there and nowhere else. Raw channels are read on the device by the network's
head, so that what leaves it are predictions and uncertainty maps only.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.inference.devices import autocast, release_memory, usable_memory
from napari_virtual_stain.inference.global_sums import gather, give, global_operators
from napari_virtual_stain.inference.memory import bytes_per_voxel
from napari_virtual_stain.inference.options import Precision, Statistic
from napari_virtual_stain.inference.padding import Read, padded_size, read_padded
from napari_virtual_stain.inference.plan import Tile, TilePlan, TooLittleMemory, plan
from napari_virtual_stain.inference.windows import WindowPlan, run_windows
from napari_virtual_stain.networks import Geometry, GlobalOperator, Head

Plan = TilePlan | WindowPlan

SECONDS_PER_FORWARD = 2.0
"""So long may one forward take: progress moves, and the whole image stays in one piece."""

PROBE_VOXELS = 2**16
WINDOWS_AT_ONCE = {"cpu": 1, "cuda": 8, "mps": 8}
"""On the CPU, windows side by side are no faster than one after the other."""

_CHANNELS_LAST: dict[int, Any] = {4: torch.channels_last, 5: torch.channels_last_3d}


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
    statistic : {"mean", "median"}
        Of the distribution over classes.
    context : int, optional
        Global operators look at blocks of so many voxels along each axis; by default at everything.
    """

    def __init__(
        self,
        network: nn.Module,
        in_channels: int,
        device: torch.device,
        precision: Precision = "auto",
        memory: float | None = None,
        *,
        statistic: Statistic = "mean",
        context: int | None = None,
    ) -> None:
        self.geometry: Geometry = network.geometry  # type: ignore[assignment]
        self.head: Head = network.head  # type: ignore[assignment]
        self.device, self.precision = device, precision
        self.in_channels = in_channels
        self.statistic, self.context = statistic, context
        self.ndim = len(self.geometry.stride)
        self.network = copy.deepcopy(network).eval().to(device)
        for parameter in self.network.parameters():
            # One by one: behind a projection, layers have fewer axes than before it.
            if parameter.ndim in _CHANNELS_LAST:
                layout = _CHANNELS_LAST[parameter.ndim]
                parameter.data = parameter.data.contiguous(memory_format=layout)
        for module in self.network.modules():
            if not list(module.children()):
                module.register_forward_pre_hook(_stop_between_layers)
        self.memory = usable_memory(device) if memory is None else int(memory * 2**30)
        self._voxels_per_second: float | None = None
        self._voxel_bytes: dict[tuple[int, ...], int] = {}

    def check_memory(self, values: int, what: str) -> None:
        """Raise a VirtualStainError if so many float32 values exceed the memory."""
        if 4 * values > self.memory:
            raise VirtualStainError(
                f"the memory is too small: the {what} image needs {4 * values / 2**30:.2g} GiB and "
                f"{self.memory / 2**30:.2g} GiB may be used; crop the image, or allow more memory."
            )

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
        fitting = self.memory // self.voxel_bytes(sizes)
        window = self.geometry.window
        if window is not None:
            if math.prod(window.input) > fitting:
                raise self._too_little("one window", math.prod(window.input), sizes)
            batch = min(fitting // math.prod(window.input), WINDOWS_AT_ONCE[self.device.type])
            return WindowPlan(sizes, window, batch)
        padded = self._padded(sizes)
        tiled = partial(
            plan,
            padded,
            self.geometry.stride,
            self.geometry.halo,
            max_voxels=fitting,
            core=tile,
            block=self._block(padded),
            whole_z=self.geometry.projects,
        )
        try:
            if tile is not None or math.prod(padded) <= PROBE_VOXELS:
                return tiled()
            if len(global_operators(self.network)) > 1:
                # Tiles take a pass for each of them: 2.4 forwards for the denoising GVTNet,
                # 3.7 for the projecting one. What fits into memory is therefore not tiled.
                cheapest = tiled()
                if cheapest.is_whole:
                    return cheapest
            return tiled(preferred_voxels=int(self._speed(padded) * SECONDS_PER_FORWARD))
        except TooLittleMemory as error:
            what = "the smallest part that can be computed exactly"
            raise self._too_little(what, error.needed, sizes) from None

    def allow_half_of(self, plan: Plan) -> None:
        """After running out of memory with a plan: allow half of what a step of it was given."""
        release_memory(self.device)
        self.memory = plan.voxels // 2 * self.voxel_bytes(plan.size)

    def steps(self, plan: Plan) -> int:
        """Return how often :meth:`run` yields for a frame."""
        if isinstance(plan, WindowPlan):
            return plan.steps
        return plan.count * (1 + len(self._operators(plan)))

    def run(
        self, read: Read, sizes: tuple[int, ...], plan: Plan, out: np.ndarray
    ) -> Generator[None, None, None]:
        """Predict a frame; yields after each step of :meth:`steps`.

        Parameters
        ----------
        read : callable
            Reads a region of the frame, tuple of slices to (C, *region).
        sizes : tuple of int
            Sizes of the frame.
        plan : TilePlan or WindowPlan
        out : ndarray of float32, shape (channels, *sizes), without Z where the network projects
            Receives the predictions and, as far as it has channels for them, the
            uncertainty maps, in the network's own units.
        """
        if isinstance(plan, WindowPlan):
            yield from run_windows(lambda v: self.forward(v, out.shape[0]), read, plan, out)
            return
        operators = self._operators(plan)
        try:
            for block in plan.blocks():
                for operator in operators:
                    gathered = None
                    for tile in block:
                        raise_if_stopped()
                        part = self._gather(operator, read, tile, sizes, plan)
                        gathered = part if gathered is None else gathered + part
                        yield
                    give([operator], gathered)
                for tile in block:
                    raise_if_stopped()
                    values = read_padded(read, tile.read, sizes, plan.size)
                    _keep_core(self.forward(values[None], out.shape[0])[0], tile, sizes, out)
                    yield
        finally:
            give(operators, None)

    def forward(self, values: np.ndarray, channels: int) -> np.ndarray:
        """Predict tiles or windows.

        Parameters
        ----------
        values : ndarray of float32, shape (B, C, *sizes)
            Normalized.
        channels : int
            How many of the predictions and, behind them, of the uncertainty maps are wanted.

        Returns
        -------
        ndarray of float32, shape (B, channels, *output sizes)
        """
        with torch.inference_mode():
            with autocast(self.device, self.precision):
                raw = self.network(self._tensor(values))
            outputs = raw.shape[1] // self.head.raw_channels(1)
            maps = self.head.read(raw, self.statistic, uncertainty=channels > outputs)[:, :channels]
            result: np.ndarray = maps.cpu().numpy()
        return result

    def voxel_bytes(self, sizes: tuple[int, ...]) -> int:
        """Return the memory that a forward takes for each voxel of frames of these sizes."""
        called_with = self._smallest(sizes)
        if called_with not in self._voxel_bytes:
            zeros = np.zeros((1, self.in_channels, *called_with), np.float32)
            self._voxel_bytes[called_with] = bytes_per_voxel(
                self.network, math.prod(called_with), lambda: self.forward(zeros, 1)
            )
        return self._voxel_bytes[called_with]

    def _padded(self, sizes: Sequence[int]) -> tuple[int, ...]:
        return tuple(padded_size(n, s) for n, s in zip(sizes, self.geometry.stride, strict=True))

    def _smallest(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the smallest sizes that the network can be called with for such frames."""
        if self.geometry.window is not None:
            return self.geometry.window.input
        if self.geometry.projects:
            return (self._padded(sizes)[0], *self.geometry.stride[1:])
        return self.geometry.stride

    def _block(self, padded: tuple[int, ...]) -> tuple[int, ...]:
        """Return the sizes of the blocks that global operators look at."""
        if self.context is None or not self.geometry.has_global_operators:
            return padded
        in_z = (padded[0],) if self.geometry.projects else ()
        return in_z + (self.context,) * (self.ndim - len(in_z))

    def _operators(self, plan: TilePlan) -> list[GlobalOperator]:
        """Return the operators that do not see at once all that they look at."""
        return [] if plan.is_whole else global_operators(self.network)

    def _gather(
        self, operator: GlobalOperator, read: Read, tile: Tile, sizes: Sequence[int], plan: TilePlan
    ) -> Any:
        values = read_padded(read, tile.read, sizes, plan.size)
        with torch.inference_mode(), autocast(self.device, self.precision):
            return gather(self.network, operator, self._tensor(values[None]), tile.inner)

    def _speed(self, padded: tuple[int, ...]) -> float:
        """Return voxels per second, timed once on a small input."""
        if self._voxels_per_second is None:
            sizes = _grown(self._smallest(padded), padded)
            probe = np.zeros((1, self.in_channels, *sizes), np.float32)
            self.forward(probe, 1)  # the first pass also sets up the device's kernels
            start = time.perf_counter()
            self.forward(probe, 1)
            self._voxels_per_second = math.prod(sizes) / (time.perf_counter() - start)
        return self._voxels_per_second

    def _too_little(self, what: str, voxels: int, sizes: tuple[int, ...]) -> VirtualStainError:
        needed, given = voxels * self.voxel_bytes(sizes), self.memory
        smaller = "network" if self.geometry.window is not None else "tile or network"
        return VirtualStainError(
            f"the memory is too small: {what} needs about {needed / 2**30:.2g} GiB and "
            f"{given / 2**30:.2g} GiB may be used; close other programs, allow more memory, or "
            f"choose a smaller {smaller}."
        )

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        return tensor.to(self.device).contiguous(memory_format=_CHANNELS_LAST[tensor.ndim])


def _keep_core(predicted: np.ndarray, tile: Tile, sizes: Sequence[int], out: np.ndarray) -> None:
    """Write the core of a tile, without padding, into the axes that the output has."""
    axes = out.ndim - 1
    kept, inside = [], []
    for core, inner, size in zip(tile.core, tile.inner, sizes, strict=True):
        stop = min(core.stop, size)
        kept.append(slice(core.start, stop))
        inside.append(slice(inner.start, inner.start + stop - core.start))
    out[(slice(None), *kept[-axes:])] = predicted[(slice(None), *inside[-axes:])]


def _stop_between_layers(module: nn.Module, args: Any) -> None:
    raise_if_stopped()


def _grown(sizes: tuple[int, ...], largest: tuple[int, ...]) -> tuple[int, ...]:
    """Double the smallest axis until there are enough voxels to time."""
    grown = list(sizes)
    while math.prod(grown) < PROBE_VOXELS:
        growable = [i for i, n in enumerate(grown) if n < largest[i]]
        if not growable:
            break
        axis = min(growable, key=lambda i: grown[i])
        grown[axis] = min(2 * grown[axis], largest[axis])
    return tuple(grown)
