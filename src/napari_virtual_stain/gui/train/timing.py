"""How long the scores of a training take, roughly, from how long a step takes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from napari_virtual_stain.gui.train.plan import PairPlan
from napari_virtual_stain.gui.train.request import Request

FORWARD = 1 / 3
"""Share of a step in which the network predicts; then it learns, forwards and backwards again."""


def seconds_in_all(request: Request, step: float) -> float:
    """Return how long a training takes, its scores included.

    Parameters
    ----------
    request : Request
    step : float
        Seconds that a step takes.
    """
    steps, every = request.recipe.steps, request.options.validate_every
    return steps * step + math.ceil(steps / every) * score_seconds(request, step)


def score_seconds(request: Request, step: float) -> float:
    """Return how long one score takes: what is held out is predicted, as far as it is scored.

    Before that, the network sees some batches by which its normalization settles.

    Parameters
    ----------
    request : Request
    step : float
        Seconds that a step takes.
    """
    from napari_virtual_stain.training.fitting import SETTLING_STEPS
    from napari_virtual_stain.training.held_out import MOST_NUMBERS

    recipe = request.recipe
    in_patches = recipe.batch * math.prod(recipe.patch)
    predicted = numbers = 0.0
    for plan in request.scored:
        depth = plan.sources[0].sizes.get("Z", 1)
        apart = depth if "Z" in plan.targets[0].axes or recipe.spatial_axes == "ZYX" else 1
        pixels = plan.targets[0].sizes.get("T", 1) * _scored_pixels(plan, request)
        predicted += pixels * apart
        targets = len(request.targets) * plan.targets[0].sizes.get("Z", 1)
        numbers += pixels * (len(request.inputs) * depth + targets)
    kept = min(1.0, MOST_NUMBERS / numbers) if numbers else 0.0
    return FORWARD * step * (SETTLING_STEPS + kept * predicted / in_patches)


def _scored_pixels(plan: PairPlan, request: Request) -> float:
    """Return how many pixels of a plane are held out: the smallest crop that holds the shapes."""
    from napari_virtual_stain.training.splitting import HELD_OUT

    sizes = plan.targets[0].sizes
    whole = float(sizes["Y"] * sizes["X"])
    if request.splits:
        return HELD_OUT * whole
    if plan.score is None:
        return whole
    return math.prod(_spans(plan, (sizes["Y"], sizes["X"])))


def _spans(plan: PairPlan, shape: tuple[int, int]) -> Iterator[float]:
    for axis, size in enumerate(shape):
        places = [place for vertices in plan.score or () for place in vertices[:, axis]]
        yield max(0.0, min(max(places) + 1, size) - max(min(places), 0))
