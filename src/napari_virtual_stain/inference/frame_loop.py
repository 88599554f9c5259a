"""One model over all frames of an image: each is read, planned, run, and brought back."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, Progress
from napari_virtual_stain.inference.devices import is_out_of_memory
from napari_virtual_stain.inference.fitting import Fit
from napari_virtual_stain.inference.frames import (
    Frame,
    frame,
    image_scalings,
    planes_apart,
    time_points,
)
from napari_virtual_stain.inference.options import PredictOptions
from napari_virtual_stain.inference.padding import Read
from napari_virtual_stain.inference.resampling import resample
from napari_virtual_stain.inference.units import OutputUnits, to_units
from napari_virtual_stain.model import ModelSpec

if TYPE_CHECKING:
    from napari_virtual_stain.inference.engine import Engine, Plan


@dataclass(frozen=True)
class Part:
    """The share of one model in the work: it is number `position` of `count`."""

    position: int = 0
    count: int = 1


def predict_frames(
    spec: ModelSpec,
    fitted: Fit,
    options: PredictOptions,
    engine: Engine,
    channels: int,
    units: Sequence[OutputUnits],
    part: Part,
) -> Generator[Any, None, np.ndarray]:
    """Predict all frames of an image; yields `Progress` and `Notice`.

    Parameters
    ----------
    spec : ModelSpec
    fitted : Fit
        Not cropped; the image is measured as a whole.
    options : PredictOptions
    engine : Engine
        Of the model.
    channels : int
        How many of the predictions, and of the uncertainty maps behind them, are wanted.
    units : sequence of OutputUnits
    part : Part

    Returns
    -------
    ndarray of float32, shape (T, planes, channels, *spatial)
        On the grid of the image, without Z where the model projects it.
    """
    cropped = fitted.crop(options.crop)
    times, planes = time_points(cropped), planes_apart(cropped, spec)
    axes = 2 if spec.projects else len(spec.spatial_axes)
    grid = cropped.inputs[0].shape[-axes:]
    results = np.empty((times, planes, channels, *grid), np.float32)
    first_time = options.crop.get("T", slice(0)).start or 0
    yield Progress("Measuring", 0, 0)
    how = spec.normalization
    shared = image_scalings(fitted, how) if how.per == "movie" else None
    frames = times * planes
    for time in range(times):
        by = shared or image_scalings(fitted, how, first_time + time)
        for plane in range(planes):
            one, out = frame(cropped, spec, by, time, plane), results[time, plane]
            index = part.position * frames + time * planes + plane
            yield from _frame(engine, one, options.tile, out, index, part.count * frames)
            to_units(out, spec, by[0], units)
    return results


def _frame(
    engine: Engine, one: Frame, tile: int | None, out: np.ndarray, index: int, total: int
) -> Generator[Any, None, None]:
    read: Read | None = None
    at_model = out
    axes = out.ndim - 1
    if one.is_resampled:
        engine.check_memory(2 * engine.in_channels * math.prod(one.sizes), "resampled")
        read = _reader(one.read_resampled())
        at_model = np.empty((out.shape[0], *one.sizes[-axes:]), np.float32)
    done = False
    while not done:
        plan = engine.plan(one.sizes, tile)
        if read is None:
            read = _read_once_if_small(one, plan, engine)
        steps = engine.steps(plan)
        try:
            for step, _ in enumerate(engine.run(read, one.sizes, plan, at_model), start=1):
                yield Progress("Predicting", index * steps + step, total * steps)
            done = True
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if not done:
            # Only here is the error gone, and with it what its traceback held of the memory.
            engine.allow_half_of(plan)  # a plan for less than the smallest tile says so
            yield Notice("The memory did not suffice; smaller parts are computed at a time.", True)
    for values in at_model:
        if not np.isfinite(values).all():
            raise VirtualStainError(
                "the model predicts NaN or infinite values for this image; choose the precision "
                "fp32, and if that is so already, the model is damaged."
            )
    if one.is_resampled:
        back = tuple(1 / zoom for zoom in one.zooms[-axes:])
        out[...] = resample(at_model, one.source_sizes[-axes:], back)


def _read_once_if_small(one: Frame, plan: Plan, engine: Engine) -> Read:
    """Return a reader that does not decode and scale the same planes again for every tile."""
    whole = tuple(slice(0, size) for size in one.source_sizes)
    if plan.is_whole or 4 * engine.in_channels * math.prod(one.sizes) > engine.memory // 4:
        return one.read
    return _reader(one.read(whole))


def _reader(whole: np.ndarray) -> Read:
    return lambda region: whole[(slice(None), *region)]
