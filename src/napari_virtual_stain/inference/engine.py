"""The engine: a network made ready for one device, and how much it computes at a time.

It works on a private copy of the network, in which what can be folded is folded; the layout, the
device and what global operators are given are changed there and nowhere else. Raw channels are read
on the device by the network's head, so that what leaves it are predictions and uncertainty maps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, raise_if_stopped
from napari_virtual_stain.inference.devices import (
    autocast,
    is_out_of_memory,
    release_memory,
    usable_memory,
)
from napari_virtual_stain.inference.dihedral import Turn, turns_for
from napari_virtual_stain.inference.frames import RawReader
from napari_virtual_stain.inference.memory import KEPT_BLOCKS, Need, estimated_need, measure_need
from napari_virtual_stain.inference.options import Precision, Statistic
from napari_virtual_stain.inference.padding import Read, padded_size
from napari_virtual_stain.inference.plan import Tile, TilePlan, TooLittleMemory, plan, split
from napari_virtual_stain.inference.precision_choice import PrecisionChoice, choose_precision
from napari_virtual_stain.inference.remembered import machine_key, recall, remember
from napari_virtual_stain.inference.sinks import ArraySink, Sink
from napari_virtual_stain.inference.spread import Spread
from napari_virtual_stain.inference.tiles import SMALLER_PARTS, FrameSource, TileRun
from napari_virtual_stain.inference.transfer import TILES_AHEAD, Transfers, normalized
from napari_virtual_stain.inference.tuned import tuned
from napari_virtual_stain.inference.units import SIGMA
from napari_virtual_stain.inference.windows import WindowPlan, run_windows
from napari_virtual_stain.networks import Geometry, GlobalOperator, Head
from napari_virtual_stain.networks.attention import Gathered

Plan = TilePlan | WindowPlan

SECONDS_PER_FORWARD = 2.0
"""So long may one forward take, where smaller tiles cost little: progress moves."""

PROBE_VOXELS = 2**16, 2**18
"""Sizes of the inputs on which time and memory of a forward are measured."""

WINDOWS_AT_ONCE = {"cpu": 1, "cuda": 8, "mps": 8}
"""On the CPU, windows side by side are no faster than one after the other."""

CACHE_SHARE = 0.5
"""Of the memory of a forward, at most so much stays with a tile that waits at a global operator."""

WORTH_KEEPING = 1.25
"""Freed blocks are kept where that makes tiles dearer by no more than this: it saves a quarter to a
half of the time."""

SHARE_OF_OVERHEAD, MOST_OVERHEAD = 8, 2**27
"""Of the memory, one part in eight and at most 128 MiB is for what is read, written and measured
beside the forwards."""

WORTH_CHOOSING = 8
"""A precision is chosen for work that is so many times larger than the probe that it takes."""

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
        ``auto`` is fp32 until :meth:`choose_precision` was asked.
    memory : float, optional
        GiB that it may use, the network included; by default a share of what is free.
    statistic : {"mean", "median"}
        Of the distribution over classes.
    context : int, optional
        Global operators look at blocks of so many voxels along each axis; by default at everything.
    tta : bool
        Test-time augmentation: the mean over the eight turns and flips in Y and X, whose spread is
        an uncertainty map.

    Attributes
    ----------
    reserved : int
        Bytes of the memory that something else takes while it runs.
    is_limited : bool
        Whether the memory of the system that it may use was given.
    keeps_blocks : bool
        Whether the plan that was made last allows for blocks that are kept when they are
        freed (:func:`.steady_allocator`).
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
        tta: bool = False,
    ) -> None:
        self.geometry: Geometry = network.geometry  # type: ignore[assignment]
        self.head: Head = network.head  # type: ignore[assignment]
        self.device, self.precision = device, precision
        self.in_channels = in_channels
        self.statistic, self.context = statistic, context
        window = self.geometry.window
        turns = turns_for(window.input if window else None)
        self.turns: tuple[Turn, ...] = turns if tta else turns[:1]
        self.ndim = len(self.geometry.stride)
        self._original = network
        self.network = tuned(network, device)
        for module in self.network.modules():
            if not list(module.children()):
                module.register_forward_pre_hook(_stop_between_layers)
        self.transfers = Transfers(device)
        if memory is None:
            self.memory = usable_memory(device)
        else:
            # The copy here, and on the CPU the model that it was made of.
            copies = 2 if device.type == "cpu" else 1
            weights = sum(t.numel() * t.element_size() for t in network.state_dict().values())
            self.memory = int(memory * 2**30) - copies * weights
        self.reserved = 0
        self.keeps_blocks = False
        self.is_limited = memory is not None and device.type == "cpu"
        self._largest: int | None = None
        self._needs: dict[tuple[Any, ...], Need] = {}
        self._speeds: dict[tuple[Any, ...], float] = {}

    @property
    def available(self) -> int:
        """Bytes that a forward may take."""
        return max(self.memory - self._overhead - self.reserved, 0)

    @property
    def _overhead(self) -> int:
        return min(max(self.memory, 0) // SHARE_OF_OVERHEAD, MOST_OVERHEAD)

    @cached_property
    def key(self) -> str:
        """What measurements are remembered by: the weights and the machine."""
        return machine_key(self._original, self.device)

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
        need = self.need(sizes, math.prod(self._padded(sizes)))
        spared = self._planned(sizes, tile, need)
        if self.device.type != "cpu":
            return spared
        # Where freed blocks are kept it is faster, but takes more memory, and how much more is
        # chance. It is not worth much smaller tiles, nor an error, nor more than was allowed.
        try:
            kept = self._planned(sizes, tile, need.times(KEPT_BLOCKS))
        except VirtualStainError:
            return spared
        if isinstance(kept, TilePlan) and isinstance(spared, TilePlan):
            agreeable = kept.is_whole if self.is_limited else True
            cheap = kept.overhead <= WORTH_KEEPING * spared.overhead
            self.keeps_blocks = agreeable and cheap
        else:
            self.keeps_blocks = True
        return kept if self.keeps_blocks else spared

    def _planned(self, sizes: tuple[int, ...], tile: int | None, need: Need) -> Plan:
        padded = self._padded(sizes)
        window = self.geometry.window
        if window is not None:
            fitting = need.voxels(self.available) // math.prod(window.input)
            if not fitting:
                raise self.too_little("one window", need.bytes(math.prod(window.input)))
            batch = min(fitting, WINDOWS_AT_ONCE[self.device.type])
            return WindowPlan(sizes, window, batch)
        tiled = partial(
            plan,
            padded,
            self.geometry.stride,
            self.geometry.halo,
            max_voxels=self._fitting(need),
            core=tile,
            block=self._block(padded),
            whole_z=self.geometry.projects,
            memory=self.available,
            seconds=SECONDS_PER_FORWARD,
        )
        try:
            if self._largest is not None:
                with suppress(TooLittleMemory):
                    return tiled(max_voxels=min(self._fitting(need), self._largest))
                # What failed was another time: that is no reason not to try.
                self._largest = None
            if tile is not None or math.prod(padded) <= PROBE_VOXELS[0]:
                return tiled()
            preferred = int(self._speed(sizes) * SECONDS_PER_FORWARD)
            if self._passes_again(padded, need, preferred):
                cheapest = tiled()
                if cheapest.is_whole:
                    return cheapest
            return tiled(preferred_voxels=preferred)
        except TooLittleMemory as error:
            what = "the smallest part that can be computed exactly"
            raise self.too_little(what, need.bytes(error.needed)) from None

    def choose_precision(self, read: Read, sizes: tuple[int, ...]) -> PrecisionChoice | None:
        """Take the fastest precision whose result stays near that of fp32, for ``auto``.

        It is measured once for each network and machine, in the middle of the frame that
        is read.

        Returns
        -------
        PrecisionChoice or None
            None where there is nothing to choose.
        """
        if self.precision != "auto":
            return None
        shape = self._grown(sizes, PROBE_VOXELS[1])
        middle = [max(n - m, 0) // 2 for n, m in zip(sizes, shape, strict=True)]
        region = tuple(
            slice(first, min(first + m, n))
            for first, m, n in zip(middle, shape, sizes, strict=True)
        )
        values = read(region)
        values = np.pad(
            values,
            [(0, 0), *((0, m - n) for m, n in zip(shape, values.shape[1:], strict=True))],
            mode="edge",
        )

        def compute(precision: str) -> np.ndarray:
            self.precision = precision  # type: ignore[assignment]
            return self.forward(values[None], 1)

        try:
            choice = choose_precision(compute, self.device, f"{self.key}-{shape}")
        finally:
            self.precision = "auto"
        self.precision = choice.precision
        return choice

    def steps(self, plan: Plan) -> int:
        """Return how often :meth:`run` yields None for a frame."""
        if isinstance(plan, WindowPlan):
            return plan.steps
        return plan.count * (1 + len(self.operators(plan)) * len(self.turns))

    def run(
        self,
        read: Read,
        sizes: tuple[int, ...],
        plan: Plan,
        out: np.ndarray | Sink,
        *,
        ahead: bool = False,
        raw: RawReader | None = None,
    ) -> Generator[Notice | None, None, None]:
        """Predict a frame; yields None after each of :meth:`steps`, and what has to be said.

        Parameters
        ----------
        read : callable
            Reads a region of the frame, tuple of slices to (C, *region).
        sizes : tuple of int
            Sizes of the frame.
        plan : TilePlan or WindowPlan
        out : ndarray of float32 or Sink, shape (channels, *sizes), without Z where it is projected
            Receives the predictions and, as far as it has channels for them, the
            uncertainty maps, in the network's own units.
        ahead : bool
            Whether tiles are read ahead; on a GPU they always are.
        raw : RawReader, optional
            The grey values of the frame, for devices that normalize them themselves.
        """
        sink = ArraySink(out) if isinstance(out, np.ndarray) else out
        if isinstance(plan, WindowPlan):
            halved: list[int] = []
            forward = partial(self._forward_in_halves, channels=sink.channels, halved=halved)
            for _ in run_windows(forward, read, plan, sink):
                if halved:
                    halved.clear()
                    yield SMALLER_PARTS
                yield None
            return
        on_gpu = self.device.type == "cuda"
        source = FrameSource(read, raw if on_gpu else None, TILES_AHEAD if ahead or on_gpu else 0)
        yield from TileRun(self, source, sizes, plan, sink).run()

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
        tensor = self.on_device(self.transfers.stage(values))
        maps = self.combined(
            lambda turn, _: self.network(turn.apply(tensor)),
            [(turn, []) for turn in self.turns],
            channels,
        )
        return self.transfers.down(maps)()

    def combined(
        self,
        raw_of: Callable[[Turn, list[Gathered]], Tensor],
        turns: Sequence[tuple[Turn, list[Gathered]]],
        channels: int,
    ) -> Tensor:
        """Return predictions and maps of all turns as one, on the device.

        Parameters
        ----------
        raw_of : callable
            Maps a turn, and what global operators gathered for it, to the raw output.
        turns : sequence of (Turn, list of Gathered)
        channels : int
            As for :meth:`forward`.

        Returns
        -------
        tensor of float32, shape (B, channels, *output sizes)
        """
        spread: Spread | None = None
        for turn, gathered in turns:
            with self.computing():
                raw = raw_of(turn, gathered)
            with torch.inference_mode():
                outputs = raw.shape[1] // self.head.raw_channels(1)
                own = self.head.uncertainties if channels > outputs else ()
                maps = self.head.read(raw, self.statistic, uncertainty=bool(own))
                del raw
                if len(turns) == 1:
                    return maps[:, :channels]
                if spread is None:
                    kinds = (own or (SIGMA,)) if channels > outputs else ()
                    spread = Spread(kinds, [SIGMA in own] * outputs)
                spread.add(turn.invert(maps), own)
        assert spread is not None
        return spread.result()[:, :channels]

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Yield in the context in which the network is called."""
        with torch.inference_mode(), autocast(self.device, self.precision):
            yield

    def on_device(self, staged: Tensor, raw: RawReader | None = None) -> Tensor:
        """Return a staged tensor as the network takes it: on the device, normalized, laid out.

        Parameters
        ----------
        staged : tensor, shape (B, C, *sizes)
        raw : RawReader, optional
            Where it holds grey values: what they are normalized by.
        """
        tensor = self.transfers.up(staged)
        with torch.inference_mode():
            if raw is not None:
                tensor = normalized(tensor, raw.dtype, raw.offsets, raw.units)
            return tensor.contiguous(memory_format=_CHANNELS_LAST[tensor.ndim])

    def operators(self, plan: TilePlan) -> list[GlobalOperator]:
        """Return the operators that do not see at once all that they look at."""
        return [] if plan.is_whole else _global_operators(self.network)

    def spare_bytes(self, plan: TilePlan) -> int:
        """Return the memory that a plan leaves."""
        return max(self.available - self.needed_bytes(plan), 0)

    def needed_bytes(self, plan: Plan) -> int:
        """Return what the forwards of a plan take."""
        need = self.need(plan.size, plan.voxels)
        return (need.times(KEPT_BLOCKS) if self.keeps_blocks else need).bytes(plan.voxels)

    def allows(self, tile: Tile) -> bool:
        """Whether a tile of this size has not failed for want of memory yet."""
        return self._largest is None or _voxels(tile) <= self._largest

    def learn_limit(self, tile: Tile) -> None:
        """Note that the memory did not suffice for a tile, and give back what is free of it."""
        release_memory(self.device)
        self._largest = _voxels(tile) - 1
        remember("largest", self._limit_key, {"voxels": self._largest, "memory": self.memory})

    def halves(self, tile: Tile, plan: TilePlan) -> tuple[Tile, ...]:
        """Return the parts of a tile that are computed instead of it.

        Raises
        ------
        VirtualStainError
            If the network cannot compute less at a time.
        """
        try:
            return split(tile, plan)
        except TooLittleMemory as error:
            what = "the smallest part that can be computed exactly"
            needed = self.need(plan.size, error.needed).bytes(error.needed)
            raise self.too_little(what, max(needed, self.memory + 1)) from None

    def need(self, sizes: tuple[int, ...], voxels: int) -> Need:
        """Return the memory that forwards take; measured where an estimate leaves it open.

        Parameters
        ----------
        sizes : tuple of int
            Of the frame.
        voxels : int
            For so many the answer matters.
        """
        smallest = self._smallest(sizes)
        estimated, measured = (kind + smallest for kind in (("estimated",), ("measured",)))
        if measured in self._needs:
            return self._needs[measured]
        if estimated not in self._needs:
            zeros = np.zeros((1, self.in_channels, *smallest), np.float32)
            self._needs[estimated] = estimated_need(
                self.network, math.prod(smallest), lambda: self.forward(zeros, 1)
            )
        need = self._needs[estimated]
        if need.voxels(self.available) >= voxels or voxels <= PROBE_VOXELS[0]:
            return need
        if need.voxels(self.available) < math.prod(smallest):
            return need  # not even a probe would fit
        self._needs[measured] = self._measured(sizes, need) or need
        return self._needs[measured]

    def too_little(self, what: str, needed: int) -> VirtualStainError:
        """Return the error that says how much memory would suffice."""
        needed += self.reserved + self._overhead
        smaller = "network" if self.geometry.window is not None else "tile or network"
        return VirtualStainError(
            f"the memory is too small: {what} needs about {needed / 2**30:.2g} GiB and "
            f"{max(self.memory, 0) / 2**30:.2g} GiB may be used; close other programs, allow more "
            f"memory, or choose a smaller {smaller}."
        )

    def _forward_in_halves(
        self, values: np.ndarray, channels: int, halved: list[int]
    ) -> np.ndarray:
        """Predict windows, fewer at a time where the memory does not suffice for all.

        How many they were is added to `halved`.
        """
        try:
            return self.forward(values, channels)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if len(values) == 1:
            voxels = math.prod(values.shape[2:])
            needed = self.need(values.shape[2:], voxels).bytes(voxels)
            raise self.too_little("one window", max(needed, self.memory + 1))
        release_memory(self.device)
        halved.append(len(values))
        half = len(values) // 2
        parts = values[:half], values[half:]
        return np.concatenate([self._forward_in_halves(part, channels, halved) for part in parts])

    def _measured(self, sizes: tuple[int, ...], estimated: Need) -> Need | None:
        """Return what two probes take of memory, measured now or by an earlier run."""
        smaller, larger = (self._grown(sizes, voxels) for voxels in PROBE_VOXELS)
        key = f"{self.key}-{self.precision}-{smaller}-{larger}-{len(self.turns)}"
        known = recall("memory", key)
        if known is not None:
            return Need(int(known["fixed"]), float(known["per_voxel"]))
        if math.prod(larger) <= math.prod(smaller):
            return None
        need = measure_need(self._probe, smaller, larger, self.device, estimated)
        if need is not None:
            remember("memory", key, {"fixed": need.fixed, "per_voxel": need.per_voxel})
        return need

    def _probe(self, shape: tuple[int, ...]) -> None:
        self.forward(np.zeros((1, self.in_channels, *shape), np.float32), 1)

    def _speed(self, sizes: tuple[int, ...]) -> float:
        """Return voxels per second, timed once on a small input, now or by an earlier run."""
        shape = self._grown(sizes, PROBE_VOXELS[0])
        if shape not in self._speeds:
            key = f"{self.key}-{self.precision}-{shape}-{len(self.turns)}"
            known = recall("speed", key)
            if known is None:
                self._probe(shape)  # the first pass also sets up the device's kernels
                start = time.perf_counter()
                self._probe(shape)
                speed = math.prod(shape) / (time.perf_counter() - start)
                known = {"voxels_per_second": speed}
                if math.prod(sizes) >= WORTH_CHOOSING * PROBE_VOXELS[1]:
                    # Where forwards are short, looking for a file would take as long.
                    remember("speed", key, known)
            self._speeds[shape] = float(known["voxels_per_second"])
        return self._speeds[shape]

    def _fitting(self, need: Need) -> int:
        """Return the voxels that fit, by what is known of the network and of earlier runs."""
        fitting = need.voxels(self.available)
        if fitting > PROBE_VOXELS[1] and self._largest is None:
            known = recall("largest", self._limit_key)
            # With less memory than it failed with, it would fail again.
            if known is not None and self.memory <= 1.1 * known["memory"]:
                self._largest = int(known["voxels"])
        return fitting

    def _passes_again(self, padded: tuple[int, ...], need: Need, preferred: int) -> bool:
        """Whether tiles would run more than once, for want of room to wait in for operators."""
        if len(_global_operators(self.network)) * len(self.turns) < 2:
            return False
        waiting = CACHE_SHARE * need.bytes(math.prod(padded)) * len(self.turns)
        return waiting > self.available - need.bytes(preferred)

    @property
    def _limit_key(self) -> str:
        return f"{self.key}-{self.precision}"

    def _padded(self, sizes: Sequence[int]) -> tuple[int, ...]:
        return tuple(padded_size(n, s) for n, s in zip(sizes, self.geometry.stride, strict=True))

    def _smallest(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the smallest sizes that the network can be called with for such frames."""
        if self.geometry.window is not None:
            return self.geometry.window.input
        if self.geometry.projects:
            return (self._padded(sizes)[0], *self.geometry.stride[1:])
        return self.geometry.stride

    def _grown(self, sizes: tuple[int, ...], voxels: int) -> tuple[int, ...]:
        """Return sizes of about so many voxels that the network can be called with."""
        grown = list(self._smallest(sizes))
        if self.geometry.window is not None:
            return tuple(grown)
        growable = [i for i in range(self.ndim) if i or not self.geometry.projects]
        while math.prod(grown) < voxels:
            axis = min(growable, key=lambda i: grown[i])
            grown[axis] *= 2
        return tuple(grown)

    def _block(self, padded: tuple[int, ...]) -> tuple[int, ...]:
        """Return the sizes of the blocks that global operators look at."""
        if self.context is None or not self.geometry.has_global_operators:
            return padded
        in_z = (padded[0],) if self.geometry.projects else ()
        return in_z + (self.context,) * (self.ndim - len(in_z))


def _global_operators(network: nn.Module) -> list[GlobalOperator]:
    return [module for module in network.modules() if isinstance(module, GlobalOperator)]


def _voxels(tile: Tile) -> int:
    return math.prod(part.stop - part.start for part in tile.read)


def _stop_between_layers(module: nn.Module, args: Any) -> None:
    raise_if_stopped()
