"""Predict: StainModel + Image → Image on the same grid."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, Progress, Work, run
from napari_virtual_stain.image import AXES, Image
from napari_virtual_stain.inference.devices import choose_device, describe, is_out_of_memory
from napari_virtual_stain.inference.fitting import Fit, fit
from napari_virtual_stain.inference.frames import (
    Frame,
    frame,
    image_scalings,
    planes_apart,
    time_points,
)
from napari_virtual_stain.inference.options import PredictOptions, Units
from napari_virtual_stain.inference.padding import Read
from napari_virtual_stain.inference.resampling import resample
from napari_virtual_stain.model import ModelSpec, StainModel
from napari_virtual_stain.normalization import Scaling, restore
from napari_virtual_stain.version import __version__

if TYPE_CHECKING:
    from napari_virtual_stain.inference.engine import Engine
    from napari_virtual_stain.inference.plan import TilePlan


@overload
def predict(
    model: StainModel,
    image: Image | Sequence[Image],
    *,
    return_uncertainty: Literal[False] = False,
    **options: Any,
) -> Image: ...


@overload
def predict(
    model: StainModel,
    image: Image | Sequence[Image],
    *,
    return_uncertainty: Literal[True],
    **options: Any,
) -> tuple[Image, Image]: ...


def predict(
    model: StainModel,
    image: Image | Sequence[Image],
    *,
    return_uncertainty: bool = False,
    **options: Any,
) -> Image | tuple[Image, Image]:
    """Predict fluorescence from an image.

    Parameters
    ----------
    model : StainModel
    image : Image or sequence of Image
        One image with the channels that the model takes, or one image for each of its inputs.
        Any size; integer or real pixels; may be lazy. A 2D model runs over Z and T, a 3D model
        over T, and a model that takes z planes as channels takes the stack.
    return_uncertainty : bool
        Return the uncertainty too, for models that yield one.
    **options
        Fields of :class:`PredictOptions`: ``channels``, ``device``, ``precision``, ``memory``,
        ``tile``, ``crop``, ``units``.

    Returns
    -------
    Image
        float32, with one named channel for each output, on the image's grid, in the grey
        values of the training target (or in z-scores).

    Raises
    ------
    VirtualStainError
        If the image does not fit the model, holds NaN or is constant, or memory does not suffice.
    """
    if return_uncertainty:
        raise VirtualStainError(
            f"the model {model.spec.name!r} yields no uncertainty; predict without it, or choose "
            "a model that does."
        )
    return run(predict_events(model, image, PredictOptions(**options)))


def predict_events(
    model: StainModel, image: Image | Sequence[Image], options: PredictOptions | None = None
) -> Work[Image]:
    """Predict as :func:`predict` does, as a generator of events that returns the image.

    It yields `Progress` and `Notice`.

    Raises
    ------
    VirtualStainError
        As :func:`predict`.
    """
    options = options or PredictOptions()
    if not isinstance(model, StainModel):
        raise VirtualStainError(f"a model is needed (vs.load_model), not {type(model).__name__}.")
    fitted = fit(model.spec, image, options.channels)
    cropped = fitted.crop(options.crop)
    yield from fitted.notices
    if options.units == "intensity":
        yield from _units_notices(model.spec)

    from napari_virtual_stain.inference.engine import Engine

    device = choose_device(options.device)
    yield Notice(f"Predicting on the {describe(device)}.")
    channels = sum(channel.planes for channel in model.spec.inputs)
    engine = Engine(model.network, channels, device, options.precision, options.memory)
    predicted = yield from _frames(model.spec, fitted, cropped, engine, options)
    return _on_grid(model, cropped, predicted, options, describe(device))


def _frames(
    spec: ModelSpec, fitted: Fit, cropped: Fit, engine: Engine, options: PredictOptions
) -> Generator[Any, None, np.ndarray]:
    """Predict all frames; returns (T, planes, outputs, *spatial) float32."""
    times, planes = time_points(cropped), planes_apart(cropped, spec)
    source = cropped.inputs[0].shape[-len(spec.spatial_axes) :]
    results = np.empty((times, planes, len(spec.outputs), *source), np.float32)
    first_time = options.crop.get("T", slice(0)).start or 0
    yield Progress("Measuring", 0, 0)
    how = spec.normalization
    shared = image_scalings(fitted, how) if how.per == "movie" else None
    for time in range(times):
        by = shared or image_scalings(fitted, how, first_time + time)
        for plane in range(planes):
            one = frame(cropped, spec, by, time, plane)
            index = time * planes + plane
            yield from _frame(engine, one, options, results[time, plane], index, times * planes)
            _to_units(results[time, plane], spec, by[0], options.units)
    return results


def _frame(
    engine: Engine,
    one: Frame,
    options: PredictOptions,
    out: np.ndarray,
    index: int,
    total: int,
) -> Generator[Any, None, None]:
    read: Read | None = None
    at_model = out
    if one.is_resampled:
        engine.check_memory(2 * engine.in_channels * math.prod(one.sizes), "resampled")
        read = _reader(one.read_resampled())
        at_model = np.empty((out.shape[0], *one.sizes), np.float32)
    done = False
    while not done:
        tiles = engine.plan(one.sizes, options.tile)
        if read is None:
            read = _read_once_if_small(one, tiles, engine)
        steps = engine.steps(tiles)
        try:
            for step, _ in enumerate(engine.run(read, one.sizes, tiles, at_model), start=1):
                yield Progress("Predicting", index * steps + step, total * steps)
            done = True
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if not done:
            # Only here is the error gone, and with it what its traceback held of the memory.
            engine.allow_half_of(tiles)  # a plan for less than the smallest tile says so
            yield Notice("The memory did not suffice; smaller tiles are used.", True)
    for values in at_model:
        if not np.isfinite(values).all():
            raise VirtualStainError(
                "the model predicts NaN or infinite values for this image; choose the precision "
                "fp32, and if that is so already, the model is damaged."
            )
    if one.is_resampled:
        back = tuple(1 / zoom for zoom in one.zooms)
        out[...] = resample(at_model, one.source_sizes, back)


def _units_notices(spec: ModelSpec) -> list[Notice]:
    unknown = [output.name for output in spec.outputs if not output.has_grey_values]
    if not unknown:
        return []
    return [
        Notice(
            f"the grey values of {', '.join(unknown)} in the training of {spec.name!r} are not "
            "recorded; the prediction is in z-scores.",
        )
    ]


def _read_once_if_small(one: Frame, tiles: TilePlan, engine: Engine) -> Read:
    """Return a reader that does not decode and scale the same planes again for every tile."""
    whole = tuple(slice(0, size) for size in one.source_sizes)
    if tiles.is_whole or 4 * engine.in_channels * math.prod(one.sizes) > engine.memory // 4:
        return one.read
    return _reader(one.read(whole))


def _reader(whole: np.ndarray) -> Read:
    return lambda region: whole[(slice(None), *region)]


def _to_units(values: np.ndarray, spec: ModelSpec, of_input: Scaling, units: Units) -> None:
    if units == "z-score":
        return
    for channel, output in zip(values, spec.outputs, strict=True):
        by = output.grey_values(of_input)
        if by is not None:
            channel[...] = restore(channel, by)


def _on_grid(
    model: StainModel, fitted: Fit, values: np.ndarray, options: PredictOptions, device: str
) -> Image:
    """Bring (T, planes, outputs, *spatial) into the axes of the input, with channels."""
    spec, source = model.spec, fitted.inputs[0]
    values = np.moveaxis(values, 2, 1) if spec.spatial_axes == "YX" else values[:, 0]
    kept = source.axes.replace("Z", "") if fitted.planes else source.axes
    axes = "".join(axis for axis in AXES if axis == "C" or axis in kept)
    drop = tuple(i for i, axis in enumerate(AXES) if axis not in axes)
    in_grey = options.units == "intensity"
    units = {
        o.name: "intensity" if in_grey and o.has_grey_values else "z-score" for o in spec.outputs
    }
    return Image(
        data=np.squeeze(values, drop),
        axes=axes,
        voxel_size={a: size for a, size in source.voxel_size.items() if a in axes},
        channels=tuple(output.name for output in spec.outputs),
        time_step=source.time_step,
        name=f"{source.name} predicted",
        provenance={
            **model.provenance,
            "predicted": True,
            # What is predicted from a simulated specimen is called simulated, too.
            **({"simulated": True} if _is_simulated(fitted) else {}),
            "source": [image.name for image in fitted.inputs],
            "source_channels": [channel for image in fitted.inputs for channel in image.channels],
            "units": next(iter(units.values())) if len(set(units.values())) == 1 else units,
            **({"crop": _bounds(options.crop)} if options.crop else {}),
            **({"planes": list(fitted.planes)} if fitted.planes else {}),
            **({"zooms": list(fitted.zooms)} if set(fitted.zooms) != {1.0} else {}),
            "device": device,
            "precision": options.precision,
            "version": __version__,
        },
    )


def _is_simulated(fitted: Fit) -> bool:
    return any(image.provenance.get("simulated") for image in fitted.inputs)


def _bounds(crop: Mapping[str, slice]) -> dict[str, list[int | None]]:
    return {axis: [part.start or 0, part.stop] for axis, part in crop.items()}
