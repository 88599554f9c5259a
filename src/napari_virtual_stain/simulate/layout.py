"""Where nuclei and dirt lie in a field of view, in µm."""

from __future__ import annotations

import numpy as np

from napari_virtual_stain.errors import VirtualStainError

GLASS = -2.3
"""Height of the cover glass in µm, from the focal plane of the cell layer."""

MARGIN = 20.0
"""The field is filled this far (µm) beyond its edges, so that they cut through some cells."""

Place = tuple[float, float, bool]

_DENSITY = 1 / 620  # cells for each µm²: a culture shortly before confluence
_SPACING, _SPACING_DIVIDING = 14.0, 21.0  # µm between nuclei
_DIVIDING = 0.07
_PATIENCE = 500
_DEBRIS_AREA = 2600.0  # µm² for each cluster


def scatter(
    rng: np.random.Generator, field: tuple[float, float], count: int | None
) -> tuple[list[Place], int]:
    """Place nuclei at random, none too near to another, in the field and then in its margin.

    Parameters
    ----------
    rng : Generator
    field : (float, float)
        Height and width of the field in µm.
    count : int, optional
        Number of nuclei whose centre lies in the field; by default one for each 620 µm².

    Returns
    -------
    places : list of (float, float, bool)
        y and x of each nucleus in µm, and whether its cell divides.
    count : int
        How many of them, the first ones, lie in the field.

    Raises
    ------
    VirtualStainError
        If `count` nuclei do not fit into the field.
    """
    height, width = field
    area = height * width
    if count is None:
        count = max(1, round(area * _DENSITY))
    places: list[Place] = []

    def is_free(y: float, x: float, dividing: bool) -> bool:
        for other_y, other_x, other_dividing in places:
            spacing = _SPACING_DIVIDING if dividing or other_dividing else _SPACING
            if (y - other_y) ** 2 + (x - other_x) ** 2 < spacing**2:
                return False
        return True

    misses = 0
    while len(places) < count:
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        dividing = rng.random() < _DIVIDING
        misses = 0 if is_free(y, x, dividing) else misses + 1
        if misses == 0:
            places.append((y, x, dividing))
        elif misses > _PATIENCE:
            raise VirtualStainError(
                f"{count} cells do not fit into a field of {height:.0f} × {width:.0f} µm; "
                f"ask for at most {len(places)} or for a larger image."
            )
    around = (height + 2 * MARGIN) * (width + 2 * MARGIN) - area
    for _ in range(round(around * min(count / area, _DENSITY))):
        y, x = rng.uniform(-MARGIN, height + MARGIN), rng.uniform(-MARGIN, width + MARGIN)
        outside = not (0 <= y <= height and 0 <= x <= width)
        if outside and is_free(y, x, False):
            places.append((y, x, False))
    return places, count


def draw_debris(seed: np.random.SeedSequence, field: tuple[float, float]) -> np.ndarray:
    """Draw clusters of dirt in the field and its margin.

    Parameters
    ----------
    seed : SeedSequence
    field : (float, float)
        Height and width of the field in µm.

    Returns
    -------
    (n, 4) array
        y, x, z and radius of each grain in µm.
    """
    rng = np.random.default_rng(seed)
    area = (field[0] + 2 * MARGIN) * (field[1] + 2 * MARGIN)
    grains = [np.zeros((0, 4))]
    for _ in range(rng.poisson(area / _DEBRIS_AREA)):
        y, x = (rng.uniform(-MARGIN, side + MARGIN) for side in field)
        z, size = rng.uniform(GLASS + 0.5, GLASS + 7), rng.uniform(0.3, 0.9)
        count = int(rng.integers(1, 6))
        places = np.array([y, x]) + rng.normal(0, size, (count, 2))
        radii = size * rng.uniform(0.6, 1.1, (count, 1))
        grains.append(np.hstack([places, np.full((count, 1), z), radii]))
    return np.concatenate(grains)
