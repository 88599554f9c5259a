"""Batches of random patches, each drawn from (seed, step, number) alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.inference.padding import padded_size, read_reflected
from napari_virtual_stain.training.augmentation import margin
from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.lazy import Channels
from napari_virtual_stain.training.recipe import Preset
from napari_virtual_stain.training.sampling import Sampler, sampler

if TYPE_CHECKING:
    from napari_virtual_stain.networks import Geometry

NOTHING = "there is nothing to learn: no pixel of any target counts in the training part."


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


@dataclass(frozen=True, eq=False)
class Batch:
    """The patches of one step, as they were read; B of them.

    Parameters
    ----------
    values : ndarray of float32, shape (B, in_channels, [Z,] *source)
        With the margin around.
    targets : ndarray of float32, shape (B, outputs, *target)
        With the margin around.
    weights : ndarray of bool, shape of the targets, optional
        What counts; None for everything.
    seeds : sequence of tuple of int
        From which follows what is random about each patch from here on.
    """

    values: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None
    seeds: Sequence[tuple[int, ...]]


def patches_of(
    examples: Sequence[Example], recipe: Preset, geometry: Geometry, seed: int
) -> Patches:
    """Return what draws the patches of a recipe for a network."""
    plan = patch_plan(examples, recipe.patch, geometry)
    around = margin(recipe.augmentation, plan.source)[-len(plan.target) :]
    return Patches(examples, plan, seed, foreground=recipe.foreground, margin=around)


class Patches:
    """Draws patches.

    Examples are drawn in proportion to what counts of them, positions uniformly, or around
    foreground. What a patch reads beyond the border of its example is reflected there. Patches
    that are read in their whole depth are of one depth within a batch. Each patch follows from the
    seed, the step and its number alone, so that several processes can draw a part each.

    Parameters
    ----------
    examples : sequence of Example
    plan : PatchPlan
    seed : int
    foreground : float
        Share of patches that are drawn around foreground.
    margin : sequence of int
        What is read around a patch along each axis of the target (px), for its augmentation.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        plan: PatchPlan,
        seed: int,
        *,
        foreground: float = 0.0,
        margin: Sequence[int] | None = None,
    ) -> None:
        self.examples, self.plan, self.seed = examples, plan, seed
        self.foreground = foreground
        self.margin = tuple(margin or (0,) * len(plan.target))
        self.is_weighted = any(example.weight is not None for example in examples)
        self._samplers = [sampler(example, foreground) for example in examples]
        self._shares = np.array([one.share for one in self._samplers])
        if not self._shares.sum():
            raise VirtualStainError(NOTHING)

    def draw(self, step: int, numbers: Iterable[int]) -> Batch:
        """Return the patches of these numbers of a step."""
        shares = self._shares
        if self.plan.depth_stride:
            depths = np.array([example.values.shape[1] for example in self.examples])
            # NumPy takes (seed, step) for (seed, step, 0), from which the first patch is drawn.
            rng = np.random.default_rng((self.seed, step, 0, 2))
            first = rng.choice(len(depths), p=shares / shares.sum())
            shares = shares * (depths == depths[first])
        values, targets, weights, seeds = [], [], [], []
        for number in numbers:
            rng = np.random.default_rng((self.seed, step, number))
            index = int(rng.choice(len(shares), p=shares / shares.sum()))
            example = self.examples[index]
            starts = self._starts(rng, self._samplers[index])
            values.append(self._source(example.values, starts))
            targets.append(self._around(example.target, starts, self.plan.target))
            if self.is_weighted:
                weights.append(self._weight(example, starts))
            seeds.append((self.seed, step, number, 1))
        counts = np.stack(weights) if self.is_weighted else None
        return Batch(np.stack(values), np.stack(targets), counts, seeds)

    def _starts(self, rng: np.random.Generator, where: Sampler) -> list[int]:
        axes = list(zip(where.sizes, self.plan.target, self.plan.overhang, strict=True))
        last = [max(0, size + 2 * beyond - wanted) for size, wanted, beyond in axes]
        middle = where.middle(rng, self.foreground)
        if middle is None:
            return [
                int(rng.integers(most + 1)) - beyond
                for most, (_, _, beyond) in zip(last, axes, strict=True)
            ]
        return [
            min(max(at - wanted // 2, -beyond), most - beyond)
            for at, most, (_, wanted, beyond) in zip(middle, last, axes, strict=True)
        ]

    def _source(self, values: Channels, starts: Sequence[int]) -> np.ndarray:
        plan = self.plan
        starts = [
            start - (read - kept) // 2
            for start, read, kept in zip(starts, plan.source, plan.target, strict=True)
        ]
        if not plan.depth_stride:
            return self._around(values, starts, plan.source)
        depth = padded_size(values.shape[1], plan.depth_stride)
        return self._around(values, [0, *starts], (depth, *plan.source))

    def _weight(self, example: Example, starts: Sequence[int]) -> np.ndarray:
        if example.weight is not None:
            return self._around(example.weight, starts, self.plan.target)
        sizes = [n + 2 * m for n, m in zip(self.plan.target, self.margin, strict=True)]
        return np.ones((example.target.shape[0], *sizes), bool)

    def _around(
        self, channels: Channels, starts: Sequence[int], sizes: Sequence[int]
    ) -> np.ndarray:
        """Return a part of (C, *spatial) with its margin; it may leave it at either end."""
        margin = (0,) * (len(sizes) - len(self.margin)) + self.margin
        region = [
            slice(start - more, start + size + more)
            for start, size, more in zip(starts, sizes, margin, strict=True)
        ]
        return read_reflected(
            lambda part: channels[(slice(None), *part)], region, channels.shape[1:]
        )
