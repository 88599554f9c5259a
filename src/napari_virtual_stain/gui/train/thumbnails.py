"""Patches of a batch as small pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_virtual_stain.training.preview import BatchPreview

SAMPLES = 3
"""Samples of a batch that are shown."""

COLUMNS = 4
"""Channels of a sample that are shown."""

DIM = 0.35
"""Brightness of pixels that do not count."""


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """One channel of one sample.

    Parameters
    ----------
    title : str
    pixels : ndarray of uint8, shape (Y, X, 3)
        Grey; what does not count is dim and reddish.
    """

    title: str
    pixels: np.ndarray


def thumbnails(batch: BatchPreview) -> list[list[Thumbnail]]:
    """Return rows of pictures, one for each of the first samples of a batch.

    Each row has the middle plane of the inputs, then of the targets, all cut to the middle part
    that the targets have.
    """
    inputs = [(name, at, False) for at, name in enumerate(batch.input_names)]
    targets = [(name, at, True) for at, name in enumerate(batch.target_names)]
    shown = _some(inputs, targets)
    rows = []
    for sample in range(min(SAMPLES, len(batch.inputs))):
        side = batch.targets.shape[-2:]
        row = []
        for name, channel, is_target in shown:
            stack = (batch.targets if is_target else batch.inputs)[sample, channel]
            weights = batch.weights[sample, channel] if is_target else None
            pixels = _grey(_cut(_plane(stack), side))
            if weights is not None:
                ignored = _cut(_plane(weights), side) == 0
                pixels[ignored] = pixels[ignored] * np.array([1.0, DIM, DIM])
            row.append(Thumbnail(name, pixels))
        rows.append(row)
    return rows


def _some(
    inputs: list[tuple[str, int, bool]], targets: list[tuple[str, int, bool]]
) -> list[tuple[str, int, bool]]:
    """Return as many of both as there is room for, of inputs given as planes the middle one."""
    most = max(COLUMNS - len(targets), 1)
    if len(inputs) > most:
        middle = (len(inputs) - most) // 2
        inputs = inputs[middle : middle + most]
    return inputs + targets[: COLUMNS - len(inputs)]


def _plane(stack: np.ndarray) -> np.ndarray:
    return stack if stack.ndim == 2 else stack[stack.shape[0] // 2]


def _cut(plane: np.ndarray, side: tuple[int, ...]) -> np.ndarray:
    begin = [max(size - wanted, 0) // 2 for size, wanted in zip(plane.shape, side, strict=True)]
    return plane[begin[0] : begin[0] + side[0], begin[1] : begin[1] + side[1]]


def _grey(plane: np.ndarray) -> np.ndarray:
    finite = plane[np.isfinite(plane)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    scale = 255.0 / (high - low) if high > low else 0.0
    grey = np.clip((np.nan_to_num(plane, nan=low) - low) * scale, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)
