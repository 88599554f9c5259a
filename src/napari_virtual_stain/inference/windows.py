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
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_stain.events import raise_if_stopped
from napari_virtual_stain.inference.padding import Read, read_reflected
from napari_virtual_stain.inference.sinks import Sink

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
        rows, *others = self._starts()
        return len(rows) * -(-math.prod(len(starts) for starts in others) // self.batch)

    @property
    def is_whole(self) -> bool:
        """Whether one window is all there is."""
        return self.count == 1

    @property
    def voxels(self) -> int:
        """Voxels read at a time."""
        return self.batch * math.prod(self.window.input)

    def rows(self) -> Iterator[tuple[int, list[list[tuple[int, ...]]]]]:
        """Yield where the outputs of each row of windows begin, and its windows in batches.

        A row is all windows that begin at the same position of the first axis; the last axis is
        the fastest.
        """
        first, *others = self._starts()
        for start in first:
            windows = ((start, *rest) for rest in itertools.product(*others))
            batches = []
            while batch := list(itertools.islice(windows, self.batch)):
                batches.append(batch)
            yield start, batches

    def _starts(self) -> list[range]:
        window = self.window
        return [
            range(step - output, size, step)
            for size, output, step in zip(self.size, window.output, window.step, strict=True)
        ]


def run_windows(
    forward: Callable[[np.ndarray], np.ndarray], read: Read, plan: WindowPlan, sink: Sink
) -> Generator[None, None, None]:
    """Predict an image window by window; yields after each batch.

    The windows of a row are added up in a band that is as high as they are. What no later
    row reaches is put into the sink: it is a unit of work, numbered by the row.

    Parameters
    ----------
    forward : callable
        Maps windows (B, C, *window.input) to (B, channels, *window.output).
    read : callable
        Reads a region of the image, tuple of slices to (C, *region).
    plan : WindowPlan
    sink : Sink
        Receives the joined outputs.
    """
    window = plan.window
    weights = blending_weights(window)
    step, height = window.step[0], window.output[0]
    band = np.zeros((sink.channels, height, *plan.size[1:]), np.float32)
    rows = list(plan.rows())
    undone = [start for unit, (start, _) in enumerate(rows) if not sink.is_done(unit)]
    for unit, (start, batches) in enumerate(rows):
        # A row that is done is computed once more where windows reach into one that is not.
        needed = any(start <= other < start + height for other in undone)
        for batch in batches:
            raise_if_stopped()
            if needed:
                for starts, yielded in zip(
                    batch, _yielded(forward, read, plan, batch), strict=True
                ):
                    _add(band, yielded * weights, (0, *starts[1:]))
            yield
        first, stop = max(start, 0), min(start + step, plan.size[0])
        if start in undone:
            if first < stop:
                region = (slice(first, stop), *(slice(0, size) for size in plan.size[1:]))
                sink.put(region, band[:, first - start : stop - start].copy())
            sink.finished(unit)
        band[:, : height - step] = band[:, step:].copy()
        band[:, height - step :] = 0


def _yielded(
    forward: Callable[[np.ndarray], np.ndarray],
    read: Read,
    plan: WindowPlan,
    batch: Sequence[tuple[int, ...]],
) -> np.ndarray:
    """Return what the windows of a batch yield."""
    window = plan.window
    margins = [(i - o) // 2 for i, o in zip(window.input, window.output, strict=True)]
    regions = [
        [
            slice(start - margin, start - margin + length)
            for start, margin, length in zip(starts, margins, window.input, strict=True)
        ]
        for starts in batch
    ]
    return forward(np.stack([read_reflected(read, region, plan.size) for region in regions]))


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
