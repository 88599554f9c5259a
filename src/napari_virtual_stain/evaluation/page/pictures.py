"""Planes of images as pictures that a page can hold."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence

import numpy as np

from napari_virtual_stain.evaluation.colours import FALSE, HIT, MISSED, NEITHER, UNMEASURED, rgb

LONGEST = 640
"""Side of a picture (px) beyond which it is made smaller."""

QUALITY = 88

Painter = Callable[[np.ndarray], np.ndarray]
"""Grey values (Y, X) → uint8, shape (Y, X) or (Y, X, 3)."""


def grey(limits: tuple[float, float]) -> Painter:
    """Return what paints grey values between limits from black to white."""
    low, high = limits

    def paint(plane: np.ndarray) -> np.ndarray:
        scaled = (np.nan_to_num(plane.astype(np.float32)) - low) * (255 / (high - low))
        painted: np.ndarray = np.rint(scaled.clip(0, 255)).astype(np.uint8)
        return painted

    return paint


def signed(limits: tuple[float, float]) -> Painter:
    """Return what paints errors: 0 black, above it orange, below it blue."""
    low, high = limits
    ends = np.array([rgb(FALSE), rgb(MISSED)], np.float32)

    def paint(plane: np.ndarray) -> np.ndarray:
        known = np.nan_to_num(plane)
        above = (known / high).clip(0, 1)[..., np.newaxis]
        below = (known / low).clip(0, 1)[..., np.newaxis]
        painted: np.ndarray = np.rint(below * ends[0] + above * ends[1]).astype(np.uint8)
        return painted

    return paint


def overlap(labels: np.ndarray) -> np.ndarray:
    """Paint labels of :func:`.overlap_labels`: both white, missed orange, made up blue."""
    colours = np.array([rgb(colour) for colour in (NEITHER, HIT, MISSED, FALSE)], np.uint8)
    painted: np.ndarray = colours[labels]
    return painted


def magenta_green(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Merge two grey pictures, uint8: observed magenta, predicted green, both alike white."""
    return np.stack([observed, predicted, observed], axis=-1)


def marked(pixels: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Paint where a pixel does not count in a colour of its own.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (Y, X) or (Y, X, 3)
    gone : ndarray of bool, shape (Y, X)
    """
    if not gone.any():
        return pixels
    painted = np.stack([pixels] * 3, axis=-1) if pixels.ndim == 2 else pixels.copy()
    painted[gone] = rgb(UNMEASURED)
    return painted


def picture(pixels: np.ndarray, aspect: float = 1.0, longest: int = LONGEST) -> str:
    """Return a picture as the address of an ``img`` that holds it.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (Y, X) or (Y, X, 3)
    aspect : float
        Height of a pixel over its width.
    longest : int
        Longest side (px); larger pictures are made smaller.
    """
    from PIL import Image as Picture

    height, width = pixels.shape[0] * aspect, float(pixels.shape[1])
    shrink = min(1.0, longest / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    drawn = Picture.fromarray(pixels)
    if size != drawn.size:
        drawn = drawn.resize(
            size, Picture.Resampling.BOX if shrink < 1 else Picture.Resampling.NEAREST
        )
    file = io.BytesIO()
    drawn.save(file, "WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def orthogonal(volume: np.ndarray, at: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the planes YX, ZX and ZY of a volume (Z, Y, X) through a voxel."""
    z, y, x = at
    return volume[z], volume[:, y], volume[:, :, x]


def brightest(volume: np.ndarray) -> tuple[int, int, int]:
    """Return the voxel through which planes show most: the brightest plane along each axis."""
    sums = [np.nansum(volume, axis=axes, dtype=np.float64) for axes in ((1, 2), (0, 2), (0, 1))]
    z, y, x = (int(values.argmax()) for values in sums)
    return z, y, x
