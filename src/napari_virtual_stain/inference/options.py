"""What a user can choose about a prediction, beside the model and the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Units = Literal["intensity", "z-score"]


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
        GiB that a prediction may use; by default a share of what is free.
    tile : int, optional
        Size of a tile's core along Y and X (px). Changes memory and time, not the result.
    crop : mapping of str to slice
        Part of the image to predict; statistics are still those of the full image.
    units : {"intensity", "z-score"}
        Grey values of the training target, or z-scores of it.
    """

    channels: Sequence[int | str] | None = None
    device: Device = "auto"
    precision: Precision = "auto"
    memory: float | None = None
    tile: int | None = None
    crop: Mapping[str, slice] = field(default_factory=dict)
    units: Units = "intensity"
