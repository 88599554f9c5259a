"""How long a step of a training takes on this device: some are taken, on random images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_virtual_stain.events import Losses, Progress, Work
from napari_virtual_stain.image import AXES, Image
from napari_virtual_stain.training.loop import chosen_recipe, train_events
from napari_virtual_stain.training.options import TrainOptions

FEW = 2
"""Patches of the batch by which is found whether a whole one is quick enough to be tried."""

STEPS, LONG = 3, 2.0
"""A whole batch is measured so many times if it takes less than so many seconds."""

NEVER = 10**9

STAGE = "Measuring the speed"


def seconds_per_step(
    options: TrainOptions, in_channels: int, out_channels: int, planes: int = 1
) -> Work[float]:
    """Measure what one step of a training takes; a generator of events that returns seconds.

    It is the training itself that runs, on random images of the size of a patch. Where a step of
    the whole batch would take long, one of a few patches is measured, and the time taken to grow
    with their number. Scores come on top of it, and reading, where that is slower than learning.

    Parameters
    ----------
    options : TrainOptions
        Preset, network, batch, device and precision decide.
    in_channels, out_channels : int
        Number of input and of target channels.
    planes : int
        Of a z-stack whose planes are taken as channels, or that is projected.

    Raises
    ------
    VirtualStainError
        As training does, where options do not fit each other or the device.
    """
    recipe = chosen_recipe(options)
    pair = _random_pair(recipe.patch, recipe.spatial_axes, in_channels, out_channels, planes)
    few = min(FEW, recipe.batch)
    yield Progress(STAGE, 0, 0)
    of_few = min((yield from _measured(options, pair, few, 2)))
    if few == recipe.batch or of_few * recipe.batch / few > LONG:
        return of_few * recipe.batch / few
    return statistics.median((yield from _measured(options, pair, recipe.batch, STEPS)))


def _measured(
    options: TrainOptions, pair: tuple[Image, Image], batch: int, steps: int
) -> Work[list[float]]:
    """Return what some steps take after the first, in which memory is got and plans are made."""
    chosen = replace(
        options,
        inputs=None,
        targets=None,
        batch=batch,
        steps=max(chosen_recipe(options).steps, steps + 2),
        validation=[pair],
        validate_every=NEVER,
        train_crop={},
        validation_crop={},
        voxel_size={},
        devices=1,
        nodes=1,
    )
    work = train_events([pair], chosen)
    took: list[float] = []
    before = None
    try:
        for event in work:
            if not isinstance(event, Losses):
                continue
            now = time.perf_counter()
            if before is not None:
                took.append(now - before)
            yield Progress(STAGE, len(took), steps)
            if len(took) == steps:
                break
            before = time.perf_counter()
    finally:
        work.close()
    return took


def _random_pair(
    patch: Sequence[int], spatial: str, in_channels: int, out_channels: int, planes: int
) -> tuple[Image, Image]:
    rng = np.random.default_rng(0)
    sizes = dict(zip(spatial, patch, strict=True))
    of_source = {**({"Z": planes} if planes > 1 else {}), **sizes}
    if planes > 1:
        of_source["Z"] = planes
        sizes.pop("Z", None)

    def image(channels: int, sizes: dict[str, int], name: str) -> Image:
        axes = "".join(axis for axis in AXES if axis == "C" or axis in sizes)
        shape = [sizes.get(axis, channels) for axis in axes]
        values = rng.normal(1000, 100, shape).astype(np.float32)
        names = [f"{name} {position + 1}" for position in range(channels)]
        return Image(values, axes, channels=names, name=f"random {name}")

    return image(in_channels, of_source, "input"), image(out_channels, sizes, "target")
