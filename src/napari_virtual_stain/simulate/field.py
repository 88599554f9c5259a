"""A field of view: its pixels, and the finer and wider grid on which it is rendered."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.simulate.grid import Grid

_RENDERED = 0.35  # µm: resolves the smallest structures, and the finest period that is imaged
_BORDER = 16.0  # µm: how far out-of-focus light comes in from outside the field
_MOST_PIXELS = 4096**2


@dataclass(frozen=True)
class Field:
    """A field of view.

    Parameters
    ----------
    size : (int, int)
        Height and width in pixels.
    pixel : (float, float)
        Height and width of a pixel in µm.

    Raises
    ------
    VirtualStainError
        If so large a field cannot be rendered at once.
    """

    size: tuple[int, int]
    pixel: tuple[float, float]

    def __post_init__(self) -> None:
        if math.prod(n * p for n, p in zip(self.size, self._parts, strict=True)) > _MOST_PIXELS:
            raise VirtualStainError(
                f"an image of {self.size[0]} × {self.size[1]} pixels of {self.pixel[0]:g} × "
                f"{self.pixel[1]:g} µm is too large to simulate at once; ask for a smaller one."
            )

    @property
    def extent(self) -> tuple[float, float]:
        """Height and width in µm."""
        return self.size[0] * self.pixel[0], self.size[1] * self.pixel[1]

    @property
    def step(self) -> tuple[float, float]:
        """Pixel size of the grid in µm."""
        return self.pixel[0] / self._parts[0], self.pixel[1] / self._parts[1]

    @property
    def _parts(self) -> tuple[int, int]:
        """Into how many parts a pixel is divided along y and x."""
        return math.ceil(self.pixel[0] / _RENDERED), math.ceil(self.pixel[1] / _RENDERED)

    @property
    def _borders(self) -> tuple[int, int]:
        return math.ceil(_BORDER / self.step[0]), math.ceil(_BORDER / self.step[1])

    def grid(self) -> Grid:
        """Return the grid, with a border on all sides and a size that suits the FFT."""
        from scipy.fft import next_fast_len

        axes = []
        for pixels, parts, border, step in zip(
            self.size, self._parts, self._borders, self.step, strict=True
        ):
            total = next_fast_len(pixels * parts + 2 * border, real=True)
            axes.append((np.arange(total) - border + 0.5) * step)
        return Grid(*axes)

    def view(self, stack: np.ndarray) -> np.ndarray:
        """Return what the camera's pixels collect from images on the grid, shape (planes, Y, X)."""
        (height, width), (tall, wide), (top, left) = self.size, self._parts, self._borders
        seen = stack[:, top : top + height * tall, left : left + width * wide]
        pixels: np.ndarray = seen.reshape(len(stack), height, tall, width, wide).mean(axis=(2, 4))
        return pixels
