"""Predict: StainModel + Image → Image on the same grid, and how certain it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, Work, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference.devices import choose_device, describe, release_memory
from napari_virtual_stain.inference.ensemble import (
    Mixture,
    check_members,
    own_kinds,
    spread_notices,
    uncertainty_kinds,
    with_own_sigma,
)
from napari_virtual_stain.inference.fitting import fit
from napari_virtual_stain.inference.frame_loop import Part, predict_frames
from napari_virtual_stain.inference.on_grid import origin_of, predicted_image, uncertainty_image
from napari_virtual_stain.inference.options import PredictOptions
from napari_virtual_stain.inference.units import output_units, units_notices
from napari_virtual_stain.model import StainModel

Models = StainModel | Sequence[StainModel]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a prediction came to.

    Parameters
    ----------
    predicted : Image
        One channel for each output.
    uncertainty : Image or None
        Where it was asked for: channels such as ``DAPI σ``, on the same grid.
    """

    predicted: Image
    uncertainty: Image | None = None


@overload
def predict(
    model: Models,
    image: Image | Sequence[Image],
    *,
    return_uncertainty: Literal[False] = False,
    **options: Any,
) -> Image: ...


@overload
def predict(
    model: Models,
    image: Image | Sequence[Image],
    *,
    return_uncertainty: Literal[True],
    **options: Any,
) -> tuple[Image, Image]: ...


def predict(
    model: Models,
    image: Image | Sequence[Image],
    *,
    return_uncertainty: bool = False,
    **options: Any,
) -> Image | tuple[Image, Image]:
    """Predict fluorescence from an image.

    Parameters
    ----------
    model : StainModel or sequence of StainModel
        Several models are an ensemble: the mean of their predictions is returned. They may differ
        in network and normalization, and agree on inputs, outputs and axes.
    image : Image or sequence of Image
        One image with the channels that the model takes, or one image for each of its inputs.
        Any size; integer or real pixels; may be lazy. A 2D model runs over Z and T, a 3D model
        over T, and a model that takes z planes as channels takes the stack.
    return_uncertainty : bool
        Return the uncertainty too, for ensembles and for models that yield one.
    **options
        Fields of :class:`PredictOptions`: ``channels``, ``device``, ``precision``, ``memory``,
        ``tile``, ``crop``, ``units``, ``statistic``, ``context``.

    Returns
    -------
    predicted : Image
        float32, with one named channel for each output, on the image's grid (without Z where the
        model consumes it), in the grey values of the training target, or in the network's own
        units where these are unknown.
    uncertainty : Image
        Only with `return_uncertainty`. For each output ``NAME σ``, a standard deviation in the
        units of the prediction, and for models that classify ``NAME entropy``, as a share of its
        maximum. σ of an ensemble is that of the mixture of its members: it holds how far
        they disagree, and what they say of their own uncertainty.

    Raises
    ------
    VirtualStainError
        If the image does not fit the model, holds NaN or is constant, memory does not suffice, the
        models cannot be averaged, or uncertainty is asked for and there is none.

    References
    ----------
    Lakshminarayanan et al., "Simple and scalable predictive uncertainty estimation using deep
    ensembles" (2017).
    """
    result = run(
        predict_events(model, image, PredictOptions(uncertainty=return_uncertainty, **options))
    )
    return (
        result.predicted
        if result.uncertainty is None
        else (
            result.predicted,
            result.uncertainty,
        )
    )


def predict_events(
    model: Models, image: Image | Sequence[Image], options: PredictOptions | None = None
) -> Work[Prediction]:
    """Predict as :func:`predict` does, as a generator of events that returns a `Prediction`.

    It yields `Progress` and `Notice`.

    Raises
    ------
    VirtualStainError
        As :func:`predict`.
    """
    options = options or PredictOptions()
    members = check_members(model, options.units)
    kinds = uncertainty_kinds(members) if options.uncertainty else ()
    if options.uncertainty and not kinds:
        raise VirtualStainError(
            f"the model {members[0].spec.name!r} yields no uncertainty; predict without it, or "
            "choose a model that does."
        )
    specs = [member.spec for member in members]
    fits = [fit(spec, image, options.channels) for spec in specs]
    cropped = [fitted.crop(options.crop) for fitted in fits]
    units = output_units(specs, options.units)
    with_sigma = with_own_sigma(members, units)
    notices = [notice for fitted in fits for notice in fitted.notices]
    if options.units == "intensity":
        notices += units_notices(specs)
    if options.context is not None:
        notices += [notice for member in members for notice in _context_notices(member)]
    if kinds and len(members) > 1:
        notices += spread_notices(members, with_sigma)
    yield from dict.fromkeys(notices)

    from napari_virtual_stain.inference.engine import Engine

    device = choose_device(options.device)
    yield Notice(f"Predicting on the {describe(device)}.")
    mixture = Mixture(kinds, with_sigma)
    outputs = len(units)
    for position, (member, fitted) in enumerate(zip(members, fits, strict=True)):
        engine = Engine(
            member.network,
            sum(channel.planes for channel in member.spec.inputs),
            device,
            options.precision,
            options.memory,
            statistic=options.statistic,
            context=options.context,
        )
        own = own_kinds(member) if kinds else ()
        values = yield from predict_frames(
            member.spec,
            fitted,
            options,
            engine,
            outputs * (1 + len(own)),
            units,
            Part(position, len(members)),
        )
        if len(members) > 1:
            mixture.add(values, own)
            # One network is in memory at a time.
            del engine
            release_memory(device)
    if len(members) > 1:
        values = mixture.result()
    origin = origin_of(members, cropped, options, describe(device))
    spec, part = specs[0], cropped[0]
    predicted = predicted_image(spec, part, values[:, :, :outputs], units, origin)
    if not kinds:
        return Prediction(predicted)
    maps = values[:, :, outputs:]
    return Prediction(predicted, uncertainty_image(spec, part, maps, kinds, units, origin))


def _context_notices(member: StainModel) -> list[Notice]:
    geometry: Any = member.network.geometry
    name = member.spec.network.name
    if geometry.window is not None:
        window = " × ".join(str(size) for size in geometry.window.input)
        return [
            Notice(f"the network {name!r} looks at windows of {window} px: the context is theirs.")
        ]
    if not geometry.has_global_operators:
        return [
            Notice(f"the network {name!r} has no global operators: the context changes nothing.")
        ]
    return []
