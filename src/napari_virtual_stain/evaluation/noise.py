"""How much of an image is noise, and how large r can become against it.

References
----------
.. [1] Ounkomol et al., "Label-free prediction of three-dimensional fluorescence images from
   transmitted-light microscopy", Nature Methods 15, 917-920 (2018): C_max from images of cells
   that bear no label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.moments import moments
from napari_virtual_stain.image import Image


def noise_ceiling(noise_variance: float, image_variance: float) -> float:
    """Return the largest r that a perfect prediction could reach against a noisy image.

    Parameters
    ----------
    noise_variance : float
        Variance of the camera's noise, as of images of nothing.
    image_variance : float
        Variance of the observed image, noise included.

    Returns
    -------
    float
        1 / √(1 + noise / signal), where signal = image − noise; 0 where there is no signal.

    References
    ----------
    .. [1] Ounkomol et al. (2018), equation of C_max.
    """
    signal = image_variance - noise_variance
    return 1 / math.sqrt(1 + noise_variance / signal) if signal > 0 else 0.0


def noise_variances(noise: Image, channels: Sequence[str]) -> list[float]:
    """Measure the variance of the noise of each channel.

    Parameters
    ----------
    noise : Image
        Taken with the settings of the observed images. Without a T axis, an image of nothing (or
        of cells without label): the variance is that of all its pixels. With one, a field that
        was taken again and again: that of each pixel over time (divided by n − 1), averaged over
        the pixels, in which uneven light does not count. Pixels that are NaN or infinite are
        left out.
    channels : sequence of str
        Names of the observed channels. A single channel of noise stands for all; else they are
        told by their names, or by their order where no name is shared.

    Returns
    -------
    list of float
        In squared intensity units, one for each of `channels`.

    Raises
    ------
    VirtualStainError
        If it cannot be told which channel of noise belongs to one, or it is constant.
    """
    return [_variance(noise.channel(place), noise.name) for place in _places(noise, channels)]


def _places(noise: Image, channels: Sequence[str]) -> list[int]:
    if noise.n_channels == 1:
        return [0] * len(channels)
    folded = [name.casefold() for name in noise.channels]
    wanted = [name.casefold() for name in channels]
    if all(folded.count(name) == 1 for name in wanted):
        return [folded.index(name) for name in wanted]
    if noise.n_channels == len(channels) and not set(folded) & set(wanted):
        return list(range(len(channels)))
    raise VirtualStainError(
        f"{noise.name} has the channels {', '.join(map(repr, noise.channels))}, and noise of "
        f"{', '.join(map(repr, channels))} is wanted; give an image of one channel, or one with "
        "the same names."
    )


def _variance(channel: Image, name: str) -> float:
    if channel.sizes.get("T", 1) > 1:
        found = _over_time(channel)
    else:
        pixels = channel.numpy()
        found = moments(pixels, pixels).var_observed
    if not found > 0:
        raise VirtualStainError(
            f"{name}: the image of noise is constant, or no pixel of it is a number, and a camera "
            "always has some noise; give one as it comes from the camera."
        )
    return found


def _over_time(channel: Image) -> float:
    """Return the mean over pixels of their variance over time."""
    mean = squares = np.zeros(())
    times = channel.sizes["T"]
    for t in range(times):
        # Welford: differences from the mean lose no digits to a large offset.
        frame = channel.select("T", t).numpy().astype(np.float64)
        with np.errstate(invalid="ignore"):
            difference = frame - mean
            mean = mean + difference / (t + 1)
            squares = squares + difference * (frame - mean)
    known = squares[np.isfinite(squares)]
    return float(known.mean()) / (times - 1) if known.size else math.nan
