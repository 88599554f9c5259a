"""What a user can choose about a training, beside the pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import SPATIAL, Image
from napari_virtual_stain.inference import Device, Precision
from napari_virtual_stain.inference.options import check_crop, is_number, whole_number
from napari_virtual_stain.training.augmentation import Augmentation
from napari_virtual_stain.training.given_options import (
    as_augmentation,
    as_loss,
    as_parts,
    as_start,
    check_mapping,
)
from napari_virtual_stain.training.losses import LossOptions
from napari_virtual_stain.training.pairs import TrainingPair

if TYPE_CHECKING:
    from napari_virtual_stain.model import StainModel

Pair = tuple[Image, Image] | TrainingPair
"""An input image and its target image, on one grid; or these and what is known about them."""

MOST_PROCESSES = 4096


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
    augmentation : Augmentation, optional
        What else is done to patches, or a mapping such as ``{"rotation": 10}``; by default as the
        preset says.
    loss : LossOptions, optional
        What is minimized, or a mapping such as ``{"ssim": 0.5}``, or ``"mse"`` or ``"mae"`` for
        that alone; by default as the preset says.
    averaging : float, optional
        Decay of the running average of the weights that is scored and kept, 0 for none; by
        default as the preset says.
    foreground : float, optional
        Share of the patches that are drawn around foreground of the targets; by default as the
        preset says.
    patience : int, optional
        End after so many scores in a row without a better one; by default train all steps.
    voxel_size : mapping of str to float
        In µm, keyed by axis: resample the pairs to it. By default the first pair's own.
    start : StainModel, optional
        Begin with its weights, and with its network in place of the preset's.
    freeze : sequence of str
        Parts of the network that stay as they are: beginnings of the names of its parameters. A
        text is one of them.
    devices, nodes : int
        Processes on each machine, and machines; each process draws a batch of its own.
    strategy : str
        Of Lightning Fabric, for several processes.
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

    preset: str = "best"
    inputs: Sequence[str] | None = None
    targets: Sequence[str] | None = None
    steps: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    network_options: Mapping[str, Any] = field(default_factory=dict)
    adversarial: bool | None = None
    equalize: bool = False
    turns: bool = True
    augmentation: Augmentation | None = None
    loss: LossOptions | None = None
    averaging: float | None = None
    foreground: float | None = None
    patience: int | None = None
    voxel_size: Mapping[str, float] = field(default_factory=dict)
    start: StainModel | None = None
    freeze: Sequence[str] = ()
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
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
        for option, as_what in (
            ("loss", as_loss),
            ("augmentation", as_augmentation),
            ("start", as_start),
            ("freeze", as_parts),
        ):
            if getattr(self, option) is not None:
                object.__setattr__(self, option, as_what(getattr(self, option)))
        check_mapping(self.network_options, "options of the network", "{'dropout': 0}")
        check_mapping(self.voxel_size, "voxel sizes to train at", "{'Y': 0.3, 'X': 0.3}")
        for option in ("steps", "batch", "validate_every", "patience", "devices", "nodes"):
            value = getattr(self, option)
            if value is not None:
                what = option.replace("_", " ")
                object.__setattr__(self, option, whole_number(value, f"the option {what}", 1))
        if self.devices * self.nodes > MOST_PROCESSES:
            raise VirtualStainError(
                f"{self.devices} devices on {self.nodes} machines are more than can train together."
            )
        for option in ("inputs", "targets"):
            names = getattr(self, option)
            if names is not None and not isinstance(names, str) and len({*names}) < len(names):
                raise VirtualStainError(
                    f"the {option} {', '.join(map(repr, names))} name one channel twice; once is "
                    "enough."
                )
        share, decay = self.foreground, self.averaging
        if share is not None and not (is_number(share) and 0 <= share <= 1):
            raise VirtualStainError(
                f"the option foreground is a number from 0 to 1, not {share!r}."
            )
        if decay is not None and not (is_number(decay) and 0 <= decay < 1):
            raise VirtualStainError(
                "the option averaging is a number from 0 (no average) to below 1, such as 0.999, "
                f"not {decay!r}."
            )
        for axis, size in self.voxel_size.items():
            if axis not in SPATIAL or not (is_number(size) and 0 < size < math.inf):
                raise VirtualStainError(
                    f"the voxel size to train at is a number of µm for Z, Y or X, not {size!r} for "
                    f"{axis!r}."
                )
        for crop in (self.train_crop, self.validation_crop):
            _check_part(crop)
        _check_strategy(self.strategy)
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


def _check_part(crop: Mapping[str, slice]) -> None:
    """Refuse a crop that is no range of pixels, or holds none."""
    check_crop(crop)
    for axis, part in crop.items():
        if part.step not in (None, 1):
            raise VirtualStainError(
                f"the crop of {axis} has a step of {part.step}, and a training takes all pixels; "
                "leave the step out."
            )
        if part.stop is not None and 0 <= part.stop <= (part.start or 0):
            raise VirtualStainError(
                f"the crop {axis}={part.start or 0}:{part.stop} is empty; its second number, where "
                "it ends, is larger than the first."
            )


def _check_strategy(strategy: Any) -> None:
    """Refuse strategies by which processes would not begin with the command."""
    words = strategy.split("_") if isinstance(strategy, str) else []
    if not words or not {"spawn", "fork", "notebook", "dp"}.isdisjoint(words):
        raise VirtualStainError(
            f"the strategy {strategy!r} cannot train here: each process has to begin with the "
            "command itself; choose auto, ddp or another that does so."
        )
