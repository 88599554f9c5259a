"""What a prediction would do, said before it does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.image import Image
from napari_virtual_stain.inference.devices import describe
from napari_virtual_stain.inference.options import PredictOptions
from napari_virtual_stain.inference.windows import WindowPlan

if TYPE_CHECKING:
    from napari_virtual_stain.inference.frame_loop import Member
    from napari_virtual_stain.inference.job import Models


def describe_prediction(
    model: Models,
    image: Image | Sequence[Image],
    options: PredictOptions | None = None,
    *,
    streams: bool = False,
) -> list[dict[str, Any]]:
    """Return how an image would be tiled, without predicting it.

    Parameters
    ----------
    model, image, options
        As for :func:`predict_events`.
    streams : bool
        Whether the result is written to disk as it comes, and takes no memory.

    Returns
    -------
    list of dict
        One for each model. Plain JSON values: ``device``, ``precision`` (as asked for; ``auto``
        is settled on the pixels), ``frames``, ``size`` (of a frame at the model's voxel size, px),
        ``memory_allowed`` and ``memory_needed`` (bytes), and for tiles ``padded``, ``stride``,
        ``halo``, ``tiles``, ``core``, ``read``, ``overhead`` (voxels computed ÷ kept),
        ``passes`` (over all tiles) and ``why``, for windows ``windows``, ``window``, ``step`` and
        ``at_once``.

    Raises
    ------
    VirtualStainError
        As :func:`predict`, for what can be known before.
    """
    from napari_virtual_stain.inference.job import Job

    job = Job(model, image, options or PredictOptions())
    members = job.ready()
    if not streams:
        job.reserve()
    return [_described(member) for member in members]


def result_bytes(
    model: Models, image: Image | Sequence[Image], options: PredictOptions | None = None
) -> int:
    """Return what the result of a prediction takes in memory, its uncertainty included; no torch.

    Parameters
    ----------
    model, image, options
        As for :func:`predict_events`.

    Raises
    ------
    VirtualStainError
        As :func:`predict`, for what can be known before.
    """
    from napari_virtual_stain.inference.job import Job

    return Job(model, image, options or PredictOptions()).result_bytes


def _described(member: Member) -> dict[str, Any]:
    engine, sizes = member.engine, member.sizes
    plan = engine.plan(sizes, member.options.tile)
    said: dict[str, Any] = {
        "model": member.spec.name,
        "device": describe(engine.device),
        "precision": engine.precision,
        "frames": len(member.frames),
        "size": list(sizes),
        "memory_allowed": engine.budget.memory,
        "memory_needed": engine.planner.needed_bytes(plan) + engine.budget.reserved,
    }
    if isinstance(plan, WindowPlan):
        return {
            **said,
            "windows": plan.count,
            "window": list(plan.window.input),
            "step": list(plan.window.step),
            "at_once": plan.batch,
        }
    return {
        **said,
        "padded": list(plan.size),
        "stride": list(engine.geometry.stride),
        "halo": list(plan.halo),
        "tiles": plan.count,
        "core": list(plan.core),
        "read": list(plan.read),
        "overhead": plan.overhead,
        "passes": engine.steps(plan) // plan.count,
        "why": plan.why,
    }
