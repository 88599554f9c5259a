"""What a user can choose about a training, beside the pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import Device, Precision

Pair = tuple[Image, Image]
"""An input image and its target image, on one grid."""


@dataclass(frozen=True)
class TrainOptions:
    """Options of a training.

    Parameters
    ----------
    preset : str
        Name of the recipe.
    inputs, targets : sequence of str, optional
        Channels to take of the input and the target images, by name; by default all.
    steps : int, optional
        By default those of the preset.
    batch : int, optional
        Patches in a step; by default that of the preset.
    seed : int
        Everything random follows from it.
    device : {"auto", "cpu", "cuda", "mps"}
    precision : {"auto", "fp32", "bf16", "fp16"}
        ``auto`` is float32.
    train_crop, validation_crop : mapping of str to slice
        Parts of the images to learn from and to score on. Statistics are those of the full images.
    validation : sequence of pairs
        Pairs to score on, in place of a part of the training pairs.
    validate_every : int
        Steps between scores.
    half : bool
        Round the weights to half precision before they are scored, as they will be stored.
    name, description, licence, attribution, data, command : str
        What the model's specification will say.
    """

    preset: str = "gvtnet-2d-small"
    inputs: Sequence[str] | None = None
    targets: Sequence[str] | None = None
    steps: int | None = None
    batch: int | None = None
    seed: int = 0
    device: Device = "auto"
    precision: Precision = "auto"
    train_crop: Mapping[str, slice] = field(default_factory=dict)
    validation_crop: Mapping[str, slice] = field(default_factory=dict)
    validation: Sequence[Pair] = ()
    validate_every: int = 100
    half: bool = False
    name: str = ""
    description: str = ""
    licence: str = ""
    attribution: str = ""
    data: str = ""
    command: str = ""

    def __post_init__(self) -> None:
        for option in ("steps", "batch", "validate_every"):
            value = getattr(self, option)
            if value is not None and value < 1:
                label = option.replace("_", " ")
                raise VirtualStainError(f"{label} must be at least 1, not {value}.")
        if not 0 <= self.seed < 2**63:
            raise VirtualStainError(f"the seed must not be negative or huge, and is {self.seed}.")
        if self.precision not in get_args(Precision):
            raise VirtualStainError(
                f"there is no precision {self.precision!r}; choose one of "
                f"{', '.join(get_args(Precision))}."
            )
