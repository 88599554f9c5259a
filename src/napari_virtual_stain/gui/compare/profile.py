"""Grey values of both along a line that a person has drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.gui.layers import Layer


@dataclass(frozen=True, eq=False)
class Profile:
    """Grey values along a line.

    Parameters
    ----------
    distance : ndarray, shape (n,)
        From the beginning of the line.
    unit : str
        Of the distance: ``µm`` or ``px``.
    observed, predicted : ndarray, shape (n,)
    """

    distance: np.ndarray
    unit: str
    observed: np.ndarray
    predicted: np.ndarray


def profile(
    observed: np.ndarray,
    predicted: np.ndarray,
    line: np.ndarray,
    voxel_size: tuple[float, float] | None = None,
) -> Profile:
    """Read both images along a line, between pixels linearly.

    Parameters
    ----------
    observed, predicted : ndarray, shape (Y, X)
    line : ndarray, shape (vertices, 2)
        In pixels along Y and X; two vertices or more.
    voxel_size : (Y, X), optional
        In µm.
    """
    from scipy.ndimage import map_coordinates

    steps = np.diff(line, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    places, distances, before = [], [], 0.0
    scale = np.array(voxel_size or (1.0, 1.0))
    for start, step, length in zip(line, steps, lengths, strict=False):
        count = max(2, int(np.ceil(length)) + 1)
        part = np.linspace(0, 1, count)
        places.append(start + part[:, None] * step)
        size = float(np.linalg.norm(step * scale))
        distances.append(before + part * size)
        before += size
    points = np.concatenate(places).T
    # Only what lies around the line is converted; what leaves the image is NaN.
    last = np.array(observed.shape) - 1
    low = np.clip(np.floor(points.min(axis=1)).astype(int) - 1, 0, last)
    high = np.clip(np.ceil(points.max(axis=1)).astype(int) + 2, low + 1, last + 1)
    around = tuple(slice(first, stop) for first, stop in zip(low, high, strict=True))
    points = points - low[:, None]
    values = []
    for image in (observed, predicted):
        part = image[around].astype(np.float64)
        values.append(map_coordinates(part, points, order=1, mode="constant", cval=np.nan))
    return Profile(np.concatenate(distances), "µm" if voxel_size else "px", values[0], values[1])


def drawn_line(shapes: Layer, layer: Layer) -> np.ndarray | None:
    """Return the last line of a Shapes layer in the pixels of another; None if there is none.

    Parameters
    ----------
    shapes : napari.layers.Shapes
    layer : layer
        Its last two axes are Y and X.

    Returns
    -------
    ndarray, shape (vertices, 2), optional
    """
    lines = [
        vertices
        for vertices, kind in zip(shapes.data, shapes.shape_type, strict=True)
        if kind in ("line", "path")
    ]
    if not lines:
        return None
    found = []
    for vertex in lines[-1]:
        world = np.zeros(layer.ndim)
        world[-2:] = np.asarray(shapes.data_to_world(vertex))[-2:]
        found.append(np.asarray(layer.world_to_data(world))[-2:])
    return np.array(found, float)
