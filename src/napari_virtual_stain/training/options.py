"""What a user can choose about a training, beside the pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import Device, Precision
from napari_virtual_stain.inference.options import check_crop, is_number, whole_number

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
    learning_rate : float, optional
        By default that of the preset. A discriminator's is fixed.
    network_options : mapping
        Options of the network in place of the preset's, such as ``{"dropout": 0}``.
    adversarial : bool, optional
        Whether a discriminator learns along, so that the network is the generator of a
        conditional GAN; by default as in the preset.
    equalize : bool
        Equalize the histogram of the inputs.
    turns : bool
        Flip patches and turn them by quarters at random. Without, where the light has a
        direction that the image shows, as the shear of DIC.
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
    learning_rate: float | None = None
    network_options: Mapping[str, Any] = field(default_factory=dict)
    adversarial: bool | None = None
    equalize: bool = False
    turns: bool = True
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
            if value is not None:
                what = option.replace("_", " ")
                object.__setattr__(self, option, whole_number(value, f"the option {what}", 1))
        for crop in (self.train_crop, self.validation_crop):
            check_crop(crop)
        rate = self.learning_rate
        if rate is not None and not (is_number(rate) and 0 < rate < math.inf):
            raise VirtualStainError(
                f"the learning rate is a number above 0, not {self.learning_rate}."
            )
        if whole_number(self.seed, "the seed", 0) >= 2**63:
            raise VirtualStainError(f"the seed must not be huge, and is {self.seed}.")
        if self.precision not in get_args(Precision):
            raise VirtualStainError(
                f"there is no precision {self.precision!r}; choose one of "
                f"{', '.join(get_args(Precision))}."
            )
