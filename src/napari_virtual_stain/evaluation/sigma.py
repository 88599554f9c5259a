"""The predicted standard deviations that belong to channels of a prediction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.evaluation.matching import Coefficients
from napari_virtual_stain.evaluation.pairing import check_grids
from napari_virtual_stain.events import Notice, Progress, Work
from napari_virtual_stain.image import Image

SIGMA = " σ"
"""What follows an output's name in the name of its channel of uncertainty."""


def read_sigma(
    uncertainty: Image,
    predicted: Image,
    positions: Sequence[int],
    coefficients: Sequence[Sequence[Coefficients]],
) -> Work[np.ndarray | None]:
    """Return σ of each channel, in the units that its prediction was matched to.

    Parameters
    ----------
    uncertainty : Image
        On the grid of `predicted`; a channel of σ is named as the predicted one, with `` σ``
        behind. An image of one channel may bear any name but that of an entropy.
    predicted : Image
    positions : sequence of int
        Its channels that are compared.
    coefficients : sequence of sequence of Coefficients
        The match of each channel at each time point; σ is multiplied by the gain.

    Returns
    -------
    ndarray of float32, shape (T, C, [Z,] Y, X), or None
        NaN in a channel that has no σ; None where none has, which is said.

    Raises
    ------
    VirtualStainError
        If the two do not lie on one grid.
    """
    check_grids(predicted, uncertainty)
    places = [_place(uncertainty, predicted, position) for position in positions]
    if not any(place is not None for place in places):
        yield Notice(
            f"{uncertainty.name} has no channel of σ for those that are compared, so it is left "
            "out; such a channel is named as the predicted one, with ' σ' behind."
        )
        return None
    times = predicted.sizes.get("T", 1)
    spatial = [size for axis, size in predicted.sizes.items() if axis not in "TC"]
    sigma = np.full((times, len(positions), *spatial), np.nan, np.float32)
    for c, place in enumerate(places):
        channel = None if place is None else uncertainty.channel(place)
        for t in range(times):
            if channel is not None:
                frame = channel.select("T", t) if "T" in channel.axes else channel
                sigma[t, c] = abs(coefficients[c][t].gain) * frame.numpy().reshape(spatial)
            yield Progress("reading σ", c * times + t + 1, len(positions) * times)
    return sigma


def _place(uncertainty: Image, predicted: Image, position: int) -> int | None:
    names = [name.casefold() for name in uncertainty.channels or ("",)]
    name = (predicted.channels or ("",))[position].casefold()
    if name + SIGMA in names:
        return names.index(name + SIGMA)
    alone = len(names) == predicted.n_channels == 1 and not names[0].endswith("entropy")
    return 0 if alone else None
