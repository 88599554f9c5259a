"""How the learning rate changes in the course of a training."""

from __future__ import annotations

from torch.optim import Optimizer, lr_scheduler

from napari_virtual_stain.training.recipe import Preset, StepDecay


def schedule(optimizer: Optimizer, recipe: Preset, steps: int) -> lr_scheduler.LRScheduler:
    """Return the schedule of a recipe for so many steps."""
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
    return lr_scheduler.ConstantLR(optimizer, factor=1.0)
