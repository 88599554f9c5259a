"""How much more than a patch is read, so that nothing has to be invented at its borders."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_virtual_stain.training.augmentation.options import Augmentation


def margin(how: Augmentation, sizes: Sequence[int]) -> tuple[int, ...]:
    """Return how far scaling and rotation reach beyond a patch.

    Parameters
    ----------
    how : Augmentation
    sizes : sequence of int
        Of the patch, ([Z,] Y, X).

    Returns
    -------
    tuple of int
        Pixels beyond either side of each axis; 0 along Z.
    """
    *others, height, width = sizes
    if not how.interpolates:
        return (0,) * len(sizes)
    plane = (_beyond(how, height, width), _beyond(how, width, height))
    return (0,) * len(others) + plane


def _beyond(how: Augmentation, size: int, across: int) -> int:
    """Return it for the axis that is `size` long."""
    along, aside = (size - 1) / 2, (across - 1) / 2
    # A corner reaches farthest when its diagonal lies along the axis.
    angle = min(math.radians(how.rotation), math.atan2(aside, along))
    farthest = (1 + how.scale) * (along * math.cos(angle) + aside * math.sin(angle))
    # Rounding must not ask for another pixel.
    return max(0, math.ceil(farthest - along - 1e-6))
