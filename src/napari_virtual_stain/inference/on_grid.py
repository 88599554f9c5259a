"""Predicted values as an image on the grid of the input, with channels and provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_virtual_stain.image import AXES, Image
from napari_virtual_stain.inference.fitting import Fit
from napari_virtual_stain.inference.options import PredictOptions
from napari_virtual_stain.inference.units import OutputUnits
from napari_virtual_stain.model import ModelSpec, StainModel
from napari_virtual_stain.target import Key
from napari_virtual_stain.version import __version__


def key_of(axes: str, time: int, plane: int, channels: int, region: Sequence[slice]) -> Key:
    """Return where a region of a frame lies in a result of these axes.

    Parameters
    ----------
    axes : str
        Of the result.
    time, plane : int
        The frame. Its plane counts where the frame itself has no Z.
    channels : int
    region : sequence of slice
        Along the spatial axes of the frame.
    """
    places: dict[str, int | slice] = {"T": time, "C": slice(0, channels), "Z": plane}
    places |= dict(zip(AXES[-len(region) :], region, strict=True))
    return tuple(places[axis] for axis in axes)


def result_axes(spec: ModelSpec, axes: str) -> str:
    """Return the axes of what a model predicts from an image of these axes."""
    kept = axes.replace("Z", "") if spec.consumes_z else axes
    return "".join(axis for axis in AXES if axis == "C" or axis in kept)


def predicted_image(
    spec: ModelSpec,
    fitted: Fit,
    values: np.ndarray,
    units: Sequence[OutputUnits],
    origin: Mapping[str, Any],
) -> Image:
    """Return the predictions as an image.

    Parameters
    ----------
    spec : ModelSpec
    fitted : Fit
        The part of the image that was predicted.
    values : ndarray of float32, shape (T, planes, outputs, *spatial)
    units : sequence of OutputUnits
    origin : mapping
        As :func:`origin_of` returns it.
    """
    names = [output.name for output in spec.outputs]
    by_name = {name: unit.predicted for name, unit in zip(names, units, strict=True)}
    name = f"{fitted.inputs[0].name} predicted"
    return _image(spec, fitted, values, by_name, name, origin)


def uncertainty_image(
    spec: ModelSpec,
    fitted: Fit,
    values: np.ndarray,
    kinds: Sequence[str],
    units: Sequence[OutputUnits],
    origin: Mapping[str, Any],
) -> Image:
    """Return uncertainty maps as an image, with channels such as ``DAPI σ``.

    Parameters as for :func:`predicted_image`, with the maps of all outputs of the first of the
    `kinds`, then those of the next, as channels.
    """
    by_name = {
        f"{output.name} {kind}": unit.of(kind)
        for kind in kinds
        for output, unit in zip(spec.outputs, units, strict=True)
    }
    name = f"{fitted.inputs[0].name} uncertainty"
    return _image(spec, fitted, values, by_name, name, {**origin, "uncertainty": list(kinds)})


def origin_of(
    members: Sequence[StainModel], fits: Sequence[Fit], options: PredictOptions, device: str
) -> dict[str, Any]:
    """Return the provenance of a prediction; `fits` are what each member predicted."""
    origins = [
        {
            **member.provenance,
            **({"planes": list(fitted.planes)} if fitted.planes else {}),
            **({"zooms": list(fitted.zooms)} if set(fitted.zooms) != {1.0} else {}),
        }
        for member, fitted in zip(members, fits, strict=True)
    ]
    inputs = fits[0].inputs
    by_class = any(member.network.head.kind == "classes" for member in members)  # type: ignore[union-attr]
    return {
        **(origins[0] if len(origins) == 1 else _joined(origins)),
        "predicted": True,
        # What is predicted from a simulated specimen is called simulated, too.
        **({"simulated": True} if _is_simulated(inputs) else {}),
        "source": [image.name for image in inputs],
        "source_channels": [channel for image in inputs for channel in image.channels],
        **({"crop": _bounds(options.crop)} if options.crop else {}),
        **({"statistic": options.statistic} if by_class else {}),
        **({} if options.context is None else {"context": options.context}),
        **({"tta": True} if options.tta else {}),
        "device": device,
        "precision": options.precision,
        "version": __version__,
    }


def _image(
    spec: ModelSpec,
    fitted: Fit,
    values: np.ndarray,
    units: Mapping[str, str],
    name: str,
    origin: Mapping[str, Any],
) -> Image:
    """Bring (T, planes, channels, *spatial) into the axes of the input."""
    source = fitted.inputs[0]
    # The planes of a 2D model are an axis like any other; in 3D, Z is one of the spatial axes.
    in_planes = spec.spatial_axes == "YX" or spec.projects
    values = np.moveaxis(values, 2, 1) if in_planes else values[:, 0]
    axes = result_axes(spec, source.axes)
    one_unit = len(set(units.values())) == 1
    return Image(
        data=np.squeeze(values, tuple(i for i, axis in enumerate(AXES) if axis not in axes)),
        axes=axes,
        voxel_size={a: size for a, size in source.voxel_size.items() if a in axes},
        channels=tuple(units),
        time_step=source.time_step,
        name=name,
        provenance={**origin, "units": next(iter(units.values())) if one_unit else dict(units)},
    )


def _joined(origins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the provenance of an ensemble; its members stand in it one by one."""
    joined = {
        key: " + ".join(dict.fromkeys(one[key] for one in origins if one[key]))
        for key in ("model", "network", "licence", "attribution")
    }
    return {**joined, "ensemble": [dict(one) for one in origins]}


def _is_simulated(inputs: Sequence[Image]) -> bool:
    return any(image.provenance.get("simulated") for image in inputs)


def _bounds(crop: Mapping[str, slice]) -> dict[str, list[int | None]]:
    return {axis: [part.start or 0, part.stop] for axis, part in crop.items()}
