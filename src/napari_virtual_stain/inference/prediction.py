"""Predict: StainModel + Image → Image on the same grid, and how certain it is."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, overload

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, Progress, Work, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference.allocator import returned_blocks, steady_allocator
from napari_virtual_stain.inference.devices import describe, is_out_of_memory, release_memory
from napari_virtual_stain.inference.frame_loop import (
    as_json,
    core_of,
    plan_settled,
    predict_frames,
)
from napari_virtual_stain.inference.job import Job, Models
from napari_virtual_stain.inference.on_grid import origin_of, predicted_image, uncertainty_image
from napari_virtual_stain.inference.options import PredictOptions
from napari_virtual_stain.target import InMemory, Session, Target


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
    target: Target | None = None,
    **options: Any,
) -> Image: ...


@overload
def predict(
    model: Models,
    image: Image | Sequence[Image],
    *,
    return_uncertainty: Literal[True],
    target: Target | None = None,
    **options: Any,
) -> tuple[Image, Image]: ...


def predict(
    model: Models,
    image: Image | Sequence[Image],
    *,
    return_uncertainty: bool = False,
    target: Target | None = None,
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
    target : Target, optional
        Where the result goes: by default into memory. A
        :class:`~napari_virtual_stain.io.ZarrTarget` writes it to disk as it comes, and goes on
        where an earlier run stopped.
    **options
        Fields of :class:`PredictOptions`: ``channels``, ``device``, ``precision``, ``memory``,
        ``tile``, ``crop``, ``units``, ``statistic``, ``context``, ``tta``.

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
    wanted = PredictOptions(uncertainty=return_uncertainty, **options)
    result = run(predict_events(model, image, wanted, target))
    if result.uncertainty is None:
        return result.predicted
    return result.predicted, result.uncertainty


def predict_events(
    model: Models,
    image: Image | Sequence[Image],
    options: PredictOptions | None = None,
    target: Target | None = None,
) -> Work[Prediction]:
    """Predict as :func:`predict` does, as a generator of events that returns a `Prediction`.

    It yields `Progress` and `Notice`.

    Raises
    ------
    VirtualStainError
        As :func:`predict`.
    """
    job, target = Job(model, image, options or PredictOptions()), target or InMemory()
    yield from job.notices()
    yield Notice(f"Predicting on the {describe(job.device)}.")
    session: Session | None = None
    try:
        session = yield from _begun(job, target)
        used = yield from _predicted(job, session)
        # What the network needed is given back before the result is brought to its end.
        if not isinstance(target, InMemory):
            yield Progress("Writing", 0, 0)
        return Prediction(*session.finish(used))
    except BaseException as error:
        # What the network held of the device stays reachable through the frames that failed.
        traceback.clear_frames(error.__traceback__)
        if is_out_of_memory(error):
            raise VirtualStainError(
                "the memory did not suffice, not even to find out how much is needed; close other "
                "programs, or predict on another device."
            ) from None
        raise
    finally:
        if session is not None:
            session.close()
        job.release()
        release_memory(job.device)


def _begun(job: Job, target: Target) -> Work[Session]:
    """Make the models ready and open the target; return its session."""
    yield Progress("Measuring", 0, 0)
    members, outputs = job.ready(), len(job.units)
    first = members[0]
    origin = origin_of(job.models, [m.part for m in members], job.options, describe(job.device))
    predicted = predicted_image(first.spec, first.part, job.placeholder(outputs), job.units, origin)
    uncertainty = None
    if job.kinds:
        maps = job.placeholder(outputs * len(job.kinds))
        uncertainty = uncertainty_image(first.spec, first.part, maps, job.kinds, job.units, origin)
    if isinstance(target, InMemory):
        job.reserve()
    session = target.open(predicted, uncertainty, job.key())
    if session.notice is not None:
        yield Notice(session.notice)
    return session


def _predicted(job: Job, session: Session) -> Work[dict[str, Any]]:
    """Predict all frames into a session; return what is known of it at the end."""
    members = job.ready()
    yield from job.settle_precision(session.earlier)
    plans = [plan_settled(member, session.earlier) for member in members]
    streamed = len(members) == 1 and members[0].streams
    precisions = [member.engine.precision for member in members]
    keeps_blocks = all(member.engine.planner.keeps_blocks for member in members)
    settled = {
        "precision": precisions,
        "plan": as_json(plans[0]) if streamed else None,
        "keeps_blocks": keeps_blocks,
    }
    session.start(settled, core_of(members[0], plans[0], streamed))
    with _allocator(job, keeps_blocks):
        yield from predict_frames(
            members, plans, job.kinds, job.with_sigma, job.units, session, job.axes
        )
    return {"precision": _one(["fp32" if p == "auto" else p for p in precisions])}


def _allocator(job: Job, keeps_blocks: bool) -> AbstractContextManager[None]:
    """Return the context in which memory is allocated: quickly, or within what was allowed."""
    if keeps_blocks:
        return steady_allocator(job.device)
    limited = any(member.engine.budget.is_limited for member in job.ready())
    return returned_blocks() if limited else nullcontext()


def _one(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(set(values)) == 1 else list(values)
