"""The engine: a network made ready for one device, and how much it computes at a time.

It works on a private copy of the network, in which what can be folded is folded; the layout, the
device and what global operators are given are changed there and nowhere else. Raw channels are read
on the device by the network's head, so that what leaves it are predictions and uncertainty maps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_virtual_stain.events import Notice, raise_if_stopped
from napari_virtual_stain.inference.budget import PROBE_VOXELS, Budget
from napari_virtual_stain.inference.devices import autocast, is_out_of_memory, release_memory
from napari_virtual_stain.inference.dihedral import Turn, turns_for
from napari_virtual_stain.inference.frames import RawReader
from napari_virtual_stain.inference.options import Precision, Statistic
from napari_virtual_stain.inference.padding import Read
from napari_virtual_stain.inference.plan import TilePlan
from napari_virtual_stain.inference.planner import Plan, Planner
from napari_virtual_stain.inference.precision_choice import PrecisionChoice, choose_precision
from napari_virtual_stain.inference.remembered import machine_key
from napari_virtual_stain.inference.shapes import grown_sizes
from napari_virtual_stain.inference.sinks import ArraySink, Sink
from napari_virtual_stain.inference.spread import Spread
from napari_virtual_stain.inference.tiles import SMALLER_PARTS, FrameSource, TileRun
from napari_virtual_stain.inference.transfer import TILES_AHEAD, Transfers, normalized
from napari_virtual_stain.inference.tuned import tuned
from napari_virtual_stain.inference.units import SIGMA
from napari_virtual_stain.inference.windows import WindowPlan, run_windows
from napari_virtual_stain.networks import Geometry, GlobalOperator, Head
from napari_virtual_stain.networks.attention import Gathered

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
    budget : Budget
    planner : Planner
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
        self.budget = Budget(self, memory)
        self.planner = Planner(self)

    @cached_property
    def key(self) -> str:
        """What measurements are remembered by: the weights and the machine."""
        return machine_key(self._original, self.device)

    @cached_property
    def all_operators(self) -> list[GlobalOperator]:
        """The global operators of the network, in the order in which it runs them."""
        return [module for module in self.network.modules() if isinstance(module, GlobalOperator)]

    def plan(self, sizes: tuple[int, ...], tile: int | None = None) -> Plan:
        """Return how frames are computed; see :meth:`.Planner.plan`."""
        return self.planner.plan(sizes, tile)

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
        shape = grown_sizes(self.geometry, sizes, PROBE_VOXELS[1])
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
        return [] if plan.is_whole else self.all_operators

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
            needed = self.budget.need(values.shape[2:], voxels).bytes(voxels)
            raise self.budget.too_little("one window", max(needed, self.budget.memory + 1))
        release_memory(self.device)
        halved.append(len(values))
        half = len(values) // 2
        parts = values[:half], values[half:]
        return np.concatenate([self._forward_in_halves(part, channels, halved) for part in parts])


def _stop_between_layers(module: nn.Module, args: Any) -> None:
    raise_if_stopped()
