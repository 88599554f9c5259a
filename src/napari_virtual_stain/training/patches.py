"""Batches of random patches, each step's drawn from (seed, step) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_stain.inference.padding import padded_size, read_reflected
from napari_virtual_stain.training.augmentation import turn
from napari_virtual_stain.training.examples import Example

if TYPE_CHECKING:
    from napari_virtual_stain.networks import Geometry


@dataclass(frozen=True)
class PatchPlan:
    """Where patches may lie; one integer for each spatial axis of the target (px).

    Parameters
    ----------
    target : tuple of int
        Size of what is learned.
    source : tuple of int
        Size of what is read of the input for it, with the target at its centre.
    overhang : tuple of int
        How far the target of a patch may leave its example at either end. It is reflected there.
    depth_stride : int
        If not 0, the input has a Z axis beside these, which is read whole and reflected to a
        multiple of it.
    """

    target: tuple[int, ...]
    source: tuple[int, ...]
    overhang: tuple[int, ...]
    depth_stride: int = 0


def patch_plan(examples: Sequence[Example], wanted: Sequence[int], geometry: Geometry) -> PatchPlan:
    """Return how large patches are.

    A network with a window has patches of its window, and they hang over the borders as far
    as those do by which an image is predicted. Otherwise a patch is the largest up to `wanted`
    that every example holds, a multiple of the network's stride; an axis that is shorter
    than the stride gets one stride, and patches are reflected there.

    Parameters
    ----------
    examples : sequence of Example
    wanted : sequence of int
        Size along each spatial axis of the input.
    geometry : Geometry
        Of the network.
    """
    window = geometry.window
    if window is not None:
        beyond = tuple(o - s for o, s in zip(window.output, window.step, strict=True))
        return PatchPlan(window.output, window.input, beyond)
    shape = []
    for axis, (size, step) in enumerate(zip(wanted, geometry.stride, strict=True), start=1):
        shortest = min(example.values.shape[axis] for example in examples)
        shape.append(max(step, min(size, shortest) // step * step))
    depth_stride = geometry.stride[0] if geometry.projects else 0
    sizes = tuple(shape[1:] if geometry.projects else shape)
    return PatchPlan(sizes, sizes, (0,) * len(sizes), depth_stride)


def batch(
    examples: Sequence[Example],
    plan: PatchPlan,
    count: int,
    seed: int,
    step: int,
    *,
    turns: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the patches of one step.

    Examples are drawn in proportion to their size, positions uniformly. What a patch reads
    beyond the border of its example is reflected there. Patches that are read in their whole
    depth are of one depth within a batch.

    Parameters
    ----------
    examples : sequence of Example
    plan : PatchPlan
    count : int
        Patches in the batch.
    seed, step : int
    turns : bool
        Flip and turn each patch at random, input and target alike.

    Returns
    -------
    values : ndarray of float32, shape (count, in_channels, [Z,] *plan.source)
    targets : ndarray of float32, shape (count, outputs, *plan.target)
    """
    rng = np.random.default_rng((seed, step))
    values, targets = [], []
    for index in _drawn(rng, examples, plan, count):
        example = examples[index]
        axes = zip(example.target.shape[1:], plan.target, plan.overhang, strict=True)
        starts = [
            int(rng.integers(max(0, size + 2 * beyond - wanted) + 1)) - beyond
            for size, wanted, beyond in axes
        ]
        way = int(rng.integers(8)) if turns else 0
        values.append(turn(_source(example.values, starts, plan), way))
        targets.append(turn(_part(example.target, starts, plan.target), way))
    return np.stack(values), np.stack(targets)


def _drawn(
    rng: np.random.Generator, examples: Sequence[Example], plan: PatchPlan, count: int
) -> list[int]:
    share = np.array([example.target[0].size for example in examples], float)
    if not plan.depth_stride:
        return list(rng.choice(len(examples), count, p=share / share.sum()))
    depths = np.array([example.values.shape[1] for example in examples])
    first = int(rng.choice(len(examples), p=share / share.sum()))
    share = share * (depths == depths[first])
    return [first, *rng.choice(len(examples), count - 1, p=share / share.sum())]


def _source(values: np.ndarray, starts: Sequence[int], plan: PatchPlan) -> np.ndarray:
    starts = [
        start - (read - kept) // 2
        for start, read, kept in zip(starts, plan.source, plan.target, strict=True)
    ]
    if not plan.depth_stride:
        return _part(values, starts, plan.source)
    depth = padded_size(values.shape[1], plan.depth_stride)
    return _part(values, [0, *starts], (depth, *plan.source))


def _part(values: np.ndarray, starts: Sequence[int], sizes: Sequence[int]) -> np.ndarray:
    """Return a part of (C, *spatial) that may leave it at either end."""
    region = [slice(start, start + size) for start, size in zip(starts, sizes, strict=True)]
    return read_reflected(lambda r: values[(slice(None), *r)], region, values.shape[1:])
