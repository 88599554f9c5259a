"""Pairs: an input, its targets, and which of their pixels are learned and scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image


@dataclass(frozen=True, eq=False)
class TrainingPair:
    """One field of view.

    Parameters
    ----------
    source : Image
        The input.
    target : Image
        Its channels are what is learned, each by its name. Pairs may have different ones: a
        target that a pair lacks contributes nothing there.
    masks : tuple of str
        Names of target channels that are masks of 0 and 1. They are learned as they are, and
        predicted as a probability.
    counts : Image, optional
        Where the target counts: 0 where it does not (not annotated, saturated), anything else where
        it does. Of the target's axes and sizes; without a C axis it holds for all channels.
    learn, score : ndarray of bool, shape (Y, X), optional
        Where targets are learned and where they are scored. Of one that is not given, it is
        everywhere else, unless there are validation pairs.
    pooled : bool
        Whether the time points are measured together, as patches that were cut from images:
        each by itself, one of background would be stretched to the contrast of cells.
    cut : mapping of str to tuple of int
        Where the target begins in the one that it was cut from, and how long that is (px by axis).
        Crops are of that.

    Raises
    ------
    VirtualStainError
        If the parts do not fit each other.
    """

    source: Image
    target: Image
    masks: tuple[str, ...] = ()
    counts: Image | None = None
    learn: np.ndarray | None = None
    score: np.ndarray | None = None
    pooled: bool = False
    cut: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.masks:
            if name not in self.target.channels:
                known = ", ".join(map(repr, self.target.channels)) or "no channel names"
                raise VirtualStainError(
                    f"{self.target.name} has no channel {name!r} that could be a mask; it has "
                    f"{known}."
                )
        if self.counts is not None:
            _check_counts(self.counts, self.target)
        sizes = self.target.sizes
        for region, what in ((self.learn, "training"), (self.score, "validation")):
            if region is None:
                continue
            if region.shape != (sizes["Y"], sizes["X"]) or region.dtype != bool:
                raise VirtualStainError(
                    f"the {what} region of {self.target.name} must be true or false for each of "
                    f"its {sizes['Y']} × {sizes['X']} pixels, and is {region.dtype} of "
                    f"{' × '.join(map(str, region.shape))}."
                )
        if self.learn is not None and self.score is not None and (self.learn & self.score).any():
            raise VirtualStainError(
                f"the training and the validation region of {self.target.name} overlap, so the "
                "score would be of what was trained on; keep them apart."
            )

    def counts_of(self, channel: int) -> Image | None:
        """Return where one target channel counts; None for everywhere."""
        if self.counts is None or "C" not in self.counts.axes:
            return self.counts
        return self.counts.channel(channel)


def as_pair(given: Any) -> TrainingPair:
    """Return what was given as a pair: a :class:`TrainingPair`, or an (input, target) of images.

    Raises
    ------
    VirtualStainError
        If it is neither.
    """
    if isinstance(given, TrainingPair):
        return given
    images = given if isinstance(given, (tuple, list)) else ()
    if len(images) != 2 or not all(isinstance(image, Image) for image in images):
        raise VirtualStainError(
            "a pair is an input image and a target image (vs.read_image, vs.Image), not "
            f"{type(given).__name__}."
        )
    return TrainingPair(*images)


def as_pairs(given: Sequence[Any]) -> list[TrainingPair]:
    """Return each of what was given as a pair."""
    return [as_pair(one) for one in given]


def _check_counts(counts: Image, target: Image) -> None:
    expected = {axis: n for axis, n in target.sizes.items() if axis != "C" or "C" in counts.axes}
    if counts.sizes != expected:
        raise VirtualStainError(
            f"where {target.name} counts is given for {_sizes(counts.sizes)}, but the target has "
            f"{_sizes(target.sizes)}."
        )


def _sizes(sizes: dict[str, int]) -> str:
    return " × ".join(f"{axis} {size}" for axis, size in sizes.items())
