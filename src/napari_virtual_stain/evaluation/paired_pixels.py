"""The channels of two images that belong together, as arrays on one grid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_virtual_stain.evaluation.counting import spread_mask
from napari_virtual_stain.evaluation.pairing import pair_channels
from napari_virtual_stain.image import Image


def paired_pixels(
    observed: Image, predicted: Image, mask: Image | None = None
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray | None]]:
    """Yield the name, observed and predicted pixels of each pair of channels, and what counts.

    Parameters
    ----------
    observed, predicted : Image
        On one grid; lazy ones are read a channel at a time.
    mask : Image, optional
        As that of :func:`.compare`.

    Yields
    ------
    name : str
    observed, predicted : ndarray, shape (T, [Z,] Y, X)
    mask : ndarray of bool, same shape, or None
    """
    pairing = pair_channels(observed, predicted)
    spatial = [size for axis, size in observed.sizes.items() if axis not in "TC"]
    shape = (observed.sizes.get("T", 1), *spatial)
    chosen = None if mask is None else spread_mask(mask, observed, pairing.observed, spatial)
    for place, (name, i, j) in enumerate(
        zip(pairing.names, pairing.observed, pairing.predicted, strict=True)
    ):
        pixels = (observed.channel(i).numpy(), predicted.channel(j).numpy())
        of_mask = None if chosen is None else chosen[:, place]
        yield name, pixels[0].reshape(shape), pixels[1].reshape(shape), of_mask
