"""Windows: how an image is predicted by a network that is defined on patches of one size.

The windows lie on a lattice that is fixed by the network and the image's first pixel, and begin so
far before it that each pixel of the image, at its borders too, lies in as many windows as one in
its middle. Beyond the borders the image is reflected. What windows yield is added
up with weights that fall off towards their edges and add up to 1 at each pixel. Hence a pixel's
value depends neither on the memory nor on how many windows are computed at a time, but for the
rounding of the kernels that PyTorch chooses by the size of a batch.

Uncertainty maps are joined as predictions are: a joined σ is the weighted mean of those of the
windows. It leaves out how far the windows disagree.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.inference.padding import Read, read_reflected

if TYPE_CHECKING:
    from napari_virtual_stain.networks import Window


@dataclass(frozen=True)
class WindowPlan:
    """Which windows cover an image, and how many are computed at a time.

    Parameters
    ----------
    size : tuple of int
        Of the image.
    window : Window
        Of the network.
    batch : int
        Windows computed at a time.
    """

    size: tuple[int, ...]
    window: Window
    batch: int

    @property
    def count(self) -> int:
        """Number of windows."""
        return math.prod(len(starts) for starts in self._starts())

    @property
    def steps(self) -> int:
        """Number of batches."""
        return -(-self.count // self.batch)

    @property
    def is_whole(self) -> bool:
        """Whether one window is all there is."""
        return self.count == 1

    @property
    def voxels(self) -> int:
        """Voxels read at a time."""
        return self.batch * math.prod(self.window.input)

    def batches(self) -> Iterator[list[tuple[int, ...]]]:
        """Yield where the outputs of windows begin, a batch at a time, the last axis fastest."""
        windows = itertools.product(*self._starts())
        while batch := list(itertools.islice(windows, self.batch)):
            yield batch

    def _starts(self) -> list[range]:
        window = self.window
        return [
            range(step - output, size, step)
            for size, output, step in zip(self.size, window.output, window.step, strict=True)
        ]


def run_windows(
    forward: Callable[[np.ndarray], np.ndarray], read: Read, plan: WindowPlan, out: np.ndarray
) -> Generator[None, None, None]:
    """Predict an image window by window; yields after each batch.

    Parameters
    ----------
    forward : callable
        Maps windows (B, C, *window.input) to (B, channels, *window.output).
    read : callable
        Reads a region of the image, tuple of slices to (C, *region).
    plan : WindowPlan
    out : ndarray of float32, shape (channels, *plan.size)
        Receives the joined outputs; also the only memory that the joining takes.
    """
    window = plan.window
    weights = blending_weights(window)
    margins = [(i - o) // 2 for i, o in zip(window.input, window.output, strict=True)]
    out[...] = 0
    for batch in plan.batches():
        raise_if_stopped()
        regions = [
            [
                slice(start - margin, start - margin + length)
                for start, margin, length in zip(starts, margins, window.input, strict=True)
            ]
            for starts in batch
        ]
        values = np.stack([read_reflected(read, region, plan.size) for region in regions])
        for starts, yielded in zip(batch, forward(values), strict=True):
            _add(out, yielded * weights, starts)
        yield


def blending_weights(window: Window) -> np.ndarray:
    """Return the weights of a window's output, float32, shape window.output.

    Where windows overlap on their lattice, they add up to 1.
    """
    axes = zip(window.output, window.step, strict=True)
    profiles = [axis_weights(output, step, window.blend) for output, step in axes]
    return reduce(np.multiply.outer, profiles).astype(np.float32)


def axis_weights(output: int, step: int, blend: str) -> np.ndarray:
    """Return the weights along one axis: a ramp across the overlap at each end, 1 between.

    Parameters
    ----------
    output, step : int
        Size of a window's output and distance between windows (px).
    blend : {"smooth", "linear"}
        A raised cosine, or a linear ramp.
    """
    centres = np.arange(output) + 0.5
    to_the_edge = np.minimum(centres, output - centres)
    ramp = np.minimum(to_the_edge / max(output - step, 1), 1.0)
    if blend == "smooth":
        ramp = np.sin(np.pi / 2 * ramp) ** 2
    # Ramps that reach beyond the middle, where more than two windows overlap, need to be scaled.
    padded = np.zeros(-(-output // step) * step)
    padded[:output] = ramp
    totals = padded.reshape(-1, step).sum(axis=0)
    result: np.ndarray = ramp / totals[np.arange(output) % step]
    return result


def _add(out: np.ndarray, values: np.ndarray, starts: tuple[int, ...]) -> None:
    """Add what lies inside the image."""
    inside, taken = [], []
    for start, length, size in zip(starts, values.shape[1:], out.shape[1:], strict=True):
        first, stop = max(start, 0), min(start + length, size)
        inside.append(slice(first, stop))
        taken.append(slice(first - start, stop - start))
    out[(slice(None), *inside)] += values[(slice(None), *taken)]
