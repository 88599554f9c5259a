"""What memory there is for the forwards of a network, and what they take of it and of time.

What a forward takes is estimated from the layers of the network, and measured where that leaves
open whether something fits; measurements are remembered.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.inference.devices import release_memory, usable_memory
from napari_virtual_stain.inference.memory import Need, estimated_need, measure_need
from napari_virtual_stain.inference.plan import Tile
from napari_virtual_stain.inference.remembered import recall, remember
from napari_virtual_stain.inference.shapes import grown_sizes, smallest_sizes

if TYPE_CHECKING:
    from napari_virtual_stain.inference.engine import Engine

PROBE_VOXELS = 2**16, 2**18
"""Sizes of the inputs on which time and memory of a forward are measured."""

SHARE_OF_OVERHEAD, MOST_OVERHEAD = 8, 2**27
"""Of the memory, one part in eight and at most 128 MiB is for what is read, written and measured
beside the forwards."""

WORTH_REMEMBERING = 8
"""What is measured for work that is so many times larger than a probe is kept for later runs."""


class Budget:
    """Memory for the forwards of an engine, and what they take.

    Parameters
    ----------
    engine : Engine
    memory : float, optional
        GiB that it may use, the network included; by default a share of what is free.

    Attributes
    ----------
    memory : int
        Bytes that there are beside the network.
    reserved : int
        Bytes of it that something else takes while it runs.
    is_limited : bool
        Whether the memory of the system that it may use was given.
    largest : int or None
        Voxels of the largest tile that has not failed for want of memory, where one has.
    """

    def __init__(self, engine: Engine, memory: float | None) -> None:
        self._engine, self._geometry = engine, engine.geometry
        on_cpu = engine.device.type == "cpu"
        if memory is None:
            self.memory = usable_memory(engine.device)
        else:
            # The engine's copy, and on the CPU the model that it was made of.
            copies = 2 if on_cpu else 1
            weights = engine.network.state_dict().values()
            size = sum(tensor.numel() * tensor.element_size() for tensor in weights)
            self.memory = int(memory * 2**30) - copies * size
        self.reserved = 0
        self.is_limited = memory is not None and on_cpu
        self.largest: int | None = None
        self._needs: dict[tuple[Any, ...], Need] = {}
        self._speeds: dict[tuple[int, ...], float] = {}

    @property
    def available(self) -> int:
        """Bytes that a forward may take."""
        return max(self.memory - self._overhead - self.reserved, 0)

    @property
    def _overhead(self) -> int:
        return min(max(self.memory, 0) // SHARE_OF_OVERHEAD, MOST_OVERHEAD)

    def need(self, sizes: tuple[int, ...], voxels: int) -> Need:
        """Return the memory that forwards take; measured where an estimate leaves it open.

        Parameters
        ----------
        sizes : tuple of int
            Of the frame.
        voxels : int
            For so many the answer matters.
        """
        smallest = smallest_sizes(self._geometry, sizes)
        estimated, measured = (kind + smallest for kind in (("estimated",), ("measured",)))
        if measured in self._needs:
            return self._needs[measured]
        if estimated not in self._needs:
            zeros = np.zeros((1, self._engine.in_channels, *smallest), np.float32)
            self._needs[estimated] = estimated_need(
                self._engine.network, math.prod(smallest), lambda: self._engine.forward(zeros, 1)
            )
        need = self._needs[estimated]
        if need.voxels(self.available) >= voxels or voxels <= PROBE_VOXELS[0]:
            return need
        if need.voxels(self.available) < math.prod(smallest):
            return need  # not even a probe would fit
        self._needs[measured] = self._measured(sizes, need) or need
        return self._needs[measured]

    def fitting(self, need: Need) -> int:
        """Return the voxels that fit, by what is known of the network and of earlier runs."""
        fitting = need.voxels(self.available)
        if fitting > PROBE_VOXELS[1] and self.largest is None:
            known = recall("largest", self._key)
            # With less memory than it failed with, it would fail again.
            if known is not None and self.memory <= 1.1 * known["memory"]:
                self.largest = int(known["voxels"])
        return fitting

    def speed(self, sizes: tuple[int, ...]) -> float:
        """Return voxels per second, timed once on a small input, now or by an earlier run."""
        shape = grown_sizes(self._geometry, sizes, PROBE_VOXELS[0])
        if shape not in self._speeds:
            key = f"{self._engine.key}-{self._engine.precision}-{shape}-{len(self._engine.turns)}"
            known = recall("speed", key)
            if known is None:
                self._probe(shape)  # the first pass also sets up the device's kernels
                start = time.perf_counter()
                self._probe(shape)
                speed = math.prod(shape) / (time.perf_counter() - start)
                known = {"voxels_per_second": speed}
                if math.prod(sizes) >= WORTH_REMEMBERING * PROBE_VOXELS[1]:
                    # Where forwards are short, looking for a file would take as long.
                    remember("speed", key, known)
            self._speeds[shape] = float(known["voxels_per_second"])
        return self._speeds[shape]

    def allows(self, tile: Tile) -> bool:
        """Whether a tile of this size has not failed for want of memory yet."""
        return self.largest is None or tile.voxels <= self.largest

    def learn_limit(self, tile: Tile) -> None:
        """Note that the memory did not suffice for a tile, and give back what is free of it."""
        release_memory(self._engine.device)
        self.largest = tile.voxels - 1
        remember("largest", self._key, {"voxels": self.largest, "memory": self.memory})

    def too_little(self, what: str, needed: int) -> VirtualStainError:
        """Return the error that says how much memory would suffice."""
        needed += self.reserved + self._overhead
        smaller = "network" if self._geometry.window is not None else "tile or network"
        return VirtualStainError(
            f"the memory is too small: {what} needs about {needed / 2**30:.2g} GiB and "
            f"{max(self.memory, 0) / 2**30:.2g} GiB may be used; close other programs, allow more "
            f"memory, or choose a smaller {smaller}."
        )

    def _measured(self, sizes: tuple[int, ...], estimated: Need) -> Need | None:
        """Return what two probes take of memory, measured now or by an earlier run."""
        smaller, larger = (grown_sizes(self._geometry, sizes, voxels) for voxels in PROBE_VOXELS)
        key = f"{self._key}-{smaller}-{larger}-{len(self._engine.turns)}"
        known = recall("memory", key)
        if known is not None:
            return Need(int(known["fixed"]), float(known["per_voxel"]))
        if math.prod(larger) <= math.prod(smaller):
            return None
        need = measure_need(self._probe, smaller, larger, self._engine.device, estimated)
        if need is not None:
            remember("memory", key, {"fixed": need.fixed, "per_voxel": need.per_voxel})
        return need

    def _probe(self, shape: tuple[int, ...]) -> None:
        self._engine.forward(np.zeros((1, self._engine.in_channels, *shape), np.float32), 1)

    @property
    def _key(self) -> str:
        return f"{self._engine.key}-{self._engine.precision}"
