"""What is shown, as pictures of their own: for a flip that is sent to somebody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.utils.colormaps import ensure_colormap

from napari_virtual_stain.evaluation.display import Limits
from napari_virtual_stain.evaluation.matching import apply_match
from napari_virtual_stain.gui.compare.modes import Shown

CAPTION = 22
"""Height of the line above a picture that says which it is (px)."""

SMALLEST, LONGEST = 256, 1024
"""Sides of a picture (px): a smaller one is enlarged by whole numbers, a larger one shrunk."""


def flip_pictures(
    every: Sequence[Shown], limits: Sequence[Limits], index: dict[str, int], colors: Sequence[Any]
) -> list[np.ndarray]:
    """Return the observed and the predicted picture, captioned.

    Parameters
    ----------
    every : sequence of Shown
        One pair, or several that are merged in their colours.
    limits : sequence of (low, high)
        What is black and what is bright, for each pair.
    index : dict of str to int
        Where the sliders stand, by axis.
    colors : sequence of colormap
        For each pair.

    Returns
    -------
    list of ndarray of uint8, shape (Y, X, 3)
    """
    plane = {axis: at for axis, at in index.items() if axis in "TZ"}
    pictures = []
    for predicted in (False, True):
        total: np.ndarray | None = None
        for shown, (low, high), colour in zip(every, limits, colors, strict=True):
            pixels = _flat(shown, plane, predicted)
            scaled = np.clip((pixels - low) / (high - low), 0, 1)
            painted = ensure_colormap(colour).map(np.nan_to_num(scaled).ravel())[:, :3]
            painted = painted.reshape(*pixels.shape, 3)
            total = painted if total is None else total + painted
        assert total is not None
        picture = np.rint(255 * np.clip(total, 0, 1)).astype(np.uint8)
        names = ", ".join(shown.subject.name for shown in every)
        which = "predicted" if predicted else "observed"
        pictures.append(_captioned(_sized(picture), f"{which}: {names}"))
    return pictures


def _flat(shown: Shown, index: dict[str, int], predicted: bool) -> np.ndarray:
    """Return a plane; of a volume that is shown as a whole, its maximum."""
    pixels = shown.subject.at(index)[predicted]
    if predicted and shown.survey is not None:
        match = shown.survey.coefficients[index.get("T", 0)]
        pixels = pixels if match == (1.0, 0.0) else apply_match(pixels, match)
    while pixels.ndim > 2:
        pixels = pixels.max(axis=0)
    return pixels.astype(np.float64)


def _sized(picture: np.ndarray) -> np.ndarray:
    from PIL import Image as Picture

    longest = max(picture.shape[:2])
    if longest > LONGEST:
        height, width = (max(1, round(size * LONGEST / longest)) for size in picture.shape[:2])
        drawn = Picture.fromarray(picture).resize((width, height), Picture.Resampling.BOX)
        return np.asarray(drawn)
    times = max(1, SMALLEST // longest)
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _captioned(picture: np.ndarray, text: str) -> np.ndarray:
    from PIL import Image as Picture
    from PIL import ImageDraw, ImageFont

    strip = Picture.new("RGB", (picture.shape[1], CAPTION), "black")
    # The font that comes with Pillow has Latin letters alone; others become boxes.
    ImageDraw.Draw(strip).text((6, 4), text, fill="white", font=ImageFont.load_default(13))
    return np.concatenate([np.asarray(strip), picture])
