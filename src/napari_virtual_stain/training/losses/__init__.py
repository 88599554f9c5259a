"""What a training minimizes.

The options can be had without torch; what computes is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_virtual_stain.training.losses.levels import Levels, target_levels
from napari_virtual_stain.training.losses.options import LossOptions, ValueLoss

if TYPE_CHECKING:
    from napari_virtual_stain.training.losses.objective import LossSums, head_loss, loss_sums

__all__ = [
    "Levels",
    "LossOptions",
    "LossSums",
    "ValueLoss",
    "head_loss",
    "loss_sums",
    "target_levels",
]


def __getattr__(name: str) -> Any:
    if name not in ("LossSums", "head_loss", "loss_sums"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from napari_virtual_stain.training.losses import objective

    return getattr(objective, name)
