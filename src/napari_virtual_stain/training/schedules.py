"""How the learning rate changes in the course of a training."""

from __future__ import annotations

import math

from torch.optim import Optimizer, lr_scheduler

from napari_virtual_stain.training.recipe import Preset, StepDecay

WARM_UP_SHARE, MAX_WARM_UP = 0.05, 500
"""Of a cosine schedule: the share of the steps over which the rate rises, and how many at most."""


def schedule(optimizer: Optimizer, recipe: Preset, steps: int) -> lr_scheduler.LRScheduler:
    """Return the schedule of a recipe for so many steps, to be stepped after each.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Its rates are the highest of each schedule.
    recipe : Preset
        Its ``schedule`` is one of

        * ``constant``;
        * ``one-cycle``: up over a fifth of the steps, then down (Smith & Topin 2017);
        * ``cosine``: a short linear rise (Goyal et al. 2017), then half a cosine down to 0
          (Loshchilov & Hutter 2017, Eq. 5, without restarts);
        * a :class:`StepDecay`.
    steps : int
    """
    if isinstance(recipe.schedule, StepDecay):
        decay = recipe.schedule
        return lr_scheduler.StepLR(optimizer, decay.every, gamma=decay.factor)
    if recipe.schedule == "one-cycle":
        return lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=recipe.learning_rate,
            total_steps=steps + 1,
            # PyTorch cannot warm up in less than a step.
            pct_start=max(0.2, 2 / (steps + 1)),
            cycle_momentum=False,
        )
    if recipe.schedule == "cosine":
        return lr_scheduler.LambdaLR(optimizer, lambda step: cosine(step, steps))
    return lr_scheduler.ConstantLR(optimizer, factor=1.0)


def cosine(step: int, steps: int) -> float:
    """Return the share of the highest rate that step 0, 1, … `steps` − 1 has; in (0, 1]."""
    warm_up = min(MAX_WARM_UP, int(WARM_UP_SHARE * steps))
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    return (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))) / 2
