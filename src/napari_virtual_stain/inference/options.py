"""What a user can choose about a prediction, beside the model and the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Literal, get_args

from napari_virtual_stain.errors import VirtualStainError

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Units = Literal["intensity", "z-score"]
Statistic = Literal["mean", "median"]

_CHOICES = {"device": Device, "precision": Precision, "units": Units, "statistic": Statistic}


@dataclass(frozen=True)
class PredictOptions:
    """Options of a prediction.

    Parameters
    ----------
    channels : sequence of int or str, optional
        The image's channel for each input of the model, by position or name; by
        default they are matched by name.
    device : {"auto", "cpu", "cuda", "mps"}
    precision : {"auto", "fp32", "bf16", "fp16"}
    memory : float, optional
        GiB that a prediction may use, above 0; by default a share of what is free.
    tile : int, optional
        Size of a tile's core along Y and X (px), at least 1. Changes memory and time, not the
        result. Networks with a window of their own have no tiles.
    crop : mapping of str to slice
        Part of the image to predict; statistics are still those of the full image.
    units : {"intensity", "z-score"}
        Grey values of the training target, or the network's own units: z-scores of the target,
        or what the model was trained on in their place.
    uncertainty : bool
        Whether the uncertainty is computed too.
    statistic : {"mean", "median"}
        Of the distribution that a network with classes yields for each pixel; changes nothing
        for others.
    context : int, optional
        Global operators look at blocks of so many voxels along each spatial axis, rounded up to
        the network's stride, on a grid from the image's first voxel; convolutions still
        read beyond. By default, and where a block holds the image, they look at all of it.
        Changes the result.
    tta : bool
        Test-time augmentation: the mean over the eight turns and flips in Y and X. How far they
        differ is an uncertainty. Takes eight times as long.

    Raises
    ------
    VirtualStainError
        If an option has no value of its kind.
    """

    channels: Sequence[int | str] | None = None
    device: Device = "auto"
    precision: Precision = "auto"
    memory: float | None = None
    tile: int | None = None
    crop: Mapping[str, slice] = field(default_factory=dict)
    units: Units = "intensity"
    uncertainty: bool = False
    statistic: Statistic = "mean"
    context: int | None = None
    tta: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.channels, str):
            object.__setattr__(self, "channels", (self.channels,))
        for option, kind in _CHOICES.items():
            value = getattr(self, option)
            if value not in get_args(kind):
                known = ", ".join(get_args(kind))
                raise VirtualStainError(f"there is no {option} {value!r}; choose one of {known}.")
        if self.channels is not None and not isinstance(self.channels, Sequence):
            raise VirtualStainError(
                f"the channels are a list of names or positions, not {self.channels!r}."
            )
        if self.memory is not None and not (is_number(self.memory) and 0 < self.memory < 2**30):
            raise VirtualStainError(
                f"a prediction cannot use {self.memory} GiB of memory; give a number above 0."
            )
        for option, what in (("tile", "the size of a tile (px)"), ("context", "the context (px)")):
            if getattr(self, option) is not None:
                object.__setattr__(self, option, whole_number(getattr(self, option), what, 1))
        check_crop(self.crop)


def is_number(value: Any) -> bool:
    """Whether a value is a real number; a check of types alone takes what is annotated as given."""
    return isinstance(value, Real) and not isinstance(value, bool)


def whole_number(value: Any, what: str, least: int) -> int:
    """Return a whole number as an int, whatever integer type it is.

    Raises
    ------
    VirtualStainError
        If it is none, or less than `least`; `what` names it.
    """
    if not is_number(value) or not isinstance(value, Integral) or value < least:
        raise VirtualStainError(f"{what} is a whole number, at least {least}, not {value!r}.")
    return int(value)


def check_crop(crop: Any) -> None:
    """Raise a VirtualStainError unless a crop maps axes to slices of whole numbers."""
    if not isinstance(crop, Mapping):
        raise VirtualStainError(
            f"a crop names its axes, such as {{'X': slice(0, 640)}}, and is not {crop!r}."
        )
    for axis, part in crop.items():
        bounds = (part.start, part.stop) if isinstance(part, slice) else ("",)
        if not all(bound is None or isinstance(bound, Integral) for bound in bounds):
            raise VirtualStainError(
                f"the crop of {axis} is a slice, such as slice(0, 640), not {part!r}."
            )
