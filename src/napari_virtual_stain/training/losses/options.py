"""What a user can choose about the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.inference.options import is_number

ValueLoss = Literal["mse", "mae"]


@dataclass(frozen=True)
class LossOptions:
    """Terms of a loss and their weights.

    Parameters
    ----------
    value : {"mse", "mae"}
        Squared or absolute error, of networks that predict values alone; the others have a
        likelihood.
    foreground : float
        What is added to the weight of 1 of a pixel where its target is foreground; 0 treats all
        pixels alike. A mask that is learned so is no longer predicted as a probability, but
        larger.
    ssim : float
        Weight of 1 − SSIM, the structural similarity of prediction and target.
    correlation : float
        Weight of 1 − r, the Pearson correlation of prediction and target over each patch.

    Raises
    ------
    VirtualStainError
        If `value` is neither of the two, or a weight is negative or no number.
    """

    value: ValueLoss = "mse"
    foreground: float = 0.0
    ssim: float = 0.0
    correlation: float = 0.0

    def __post_init__(self) -> None:
        if self.value not in get_args(ValueLoss):
            raise VirtualStainError(
                f"there is no loss {self.value!r}; choose 'mse' (squared error) or 'mae' "
                "(absolute error)."
            )
        for name, what in (
            ("foreground", "additional weight of the foreground"),
            ("ssim", "weight of the SSIM term"),
            ("correlation", "weight of the correlation term"),
        ):
            weight = getattr(self, name)
            if not (is_number(weight) and 0 <= weight < math.inf):
                raise VirtualStainError(
                    f"the {what} in a loss is a number that is not negative, not {weight!r}."
                )

    @property
    def needs_levels(self) -> bool:
        """Whether a term depends on what is foreground, or on how far target values reach."""
        return self.foreground > 0 or self.ssim > 0 or self.correlation > 0
