"""Batches of random patches, each step's drawn from (seed, step) alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.training.augmentation import turn
from napari_virtual_stain.training.examples import Example


def patch_shape(
    examples: Sequence[Example], wanted: Sequence[int], stride: Sequence[int]
) -> tuple[int, ...]:
    """Return the largest patch up to `wanted` that every example holds, a multiple of the stride.

    An axis that is shorter than the stride gets one stride; patches are reflected there.
    """
    shape = []
    for axis, (size, step) in enumerate(zip(wanted, stride, strict=True)):
        shortest = min(example.values.shape[1 + axis] for example in examples)
        shape.append(max(step, min(size, shortest) // step * step))
    return tuple(shape)


def batch(
    examples: Sequence[Example], shape: tuple[int, ...], count: int, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the patches of one step.

    Examples are drawn in proportion to their size, positions uniformly, and each patch is
    flipped and turned at random, input and target alike.

    Parameters
    ----------
    examples : sequence of Example
    shape : tuple of int
        Of a patch, multiples of the network's stride.
    count : int
        Patches in the batch.
    seed, step : int

    Returns
    -------
    values : ndarray of float32, shape (count, in_channels, *shape)
    targets : ndarray of float32, shape (count, outputs, *shape)
    """
    rng = np.random.default_rng((seed, step))
    sizes = np.array([example.values[0].size for example in examples], float)
    values, targets = [], []
    for index in rng.choice(len(examples), count, p=sizes / sizes.sum()):
        example = examples[index]
        region = [
            _part(rng, size, wanted)
            for size, wanted in zip(example.values.shape[1:], shape, strict=True)
        ]
        way = int(rng.integers(8))
        values.append(turn(_take(example.values, region, shape), way))
        targets.append(turn(_take(example.target, region, shape), way))
    return np.stack(values), np.stack(targets)


def _part(rng: np.random.Generator, size: int, wanted: int) -> slice:
    start = int(rng.integers(max(0, size - wanted) + 1))
    return slice(start, start + wanted)


def _take(values: np.ndarray, region: Sequence[slice], shape: tuple[int, ...]) -> np.ndarray:
    patch = values[(slice(None), *region)]
    missing = [wanted - size for wanted, size in zip(shape, patch.shape[1:], strict=True)]
    if any(missing):
        patch = np.pad(patch, [(0, 0), *((0, m) for m in missing)], mode="symmetric")
    return patch
