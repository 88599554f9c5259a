"""The bodies of cells: how the field is divided among them, and how thick they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_virtual_stain.simulate.cells import Cell
from napari_virtual_stain.simulate.grid import Grid, Window, in_slices, softplus, texture
from napari_virtual_stain.simulate.layout import GLASS

_REACH = 4.0  # µm beyond its outline to which a cell keeps others' claims in view
_NOWHERE = -99.0


def bodies(
    cells: Sequence[Cell], grid: Grid, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Fill the slices with cell bodies.

    Parameters
    ----------
    cells : sequence of Cell
    grid : Grid
    rng : Generator
        Of the ruffles along the borders.

    Returns
    -------
    body : (slices, Y, X) float32 array
        Thickness in µm that is cell.
    dye : (Y, X) float32 array
        How strongly each pixel's cell binds the cytoplasm's dye.
    """
    inside, dome, lamella, dye = _territories(cells, grid, rng)
    inside = softplus(inside, 0.25)
    height = lamella * -np.expm1(-inside / 0.9) + dome * -np.expm1(-((inside / 4) ** 2))
    rounded = []
    for cell in cells:
        if not cell.plates:
            continue
        window = grid.window(cell.y, cell.x, cell.reach + _REACH)
        _, _, normal = nucleus_frame(cell, grid, window)
        # A dividing cell is round, and its neighbours give way to it.
        cover = 1 / (1 + np.exp((normal - 1.1) * 12))
        height[window] *= 1 - cover
        dye[window] += (cell.dye - dye[window]) * cover
        half = cell.semi_axes[2] * np.sqrt(softplus(1 - normal**2, 0.08))
        middle = GLASS + cell.semi_axes[2] + 0.1
        rounded.append((window, in_slices(middle - half, middle + half)))
    body = in_slices(np.full_like(height, GLASS), GLASS + height)
    for (rows, columns), ball in rounded:
        body[:, rows, columns] += ball
    return body, dye


def nucleus_frame(
    cell: Cell, grid: Grid, window: Window
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates in the frame of a nucleus (of the whole cell, while it divides).

    Returns
    -------
    along, across : (rows, columns) arrays
        In µm from the centre.
    normal : (rows, columns) array
        Radius that is 1 on the outline.
    """
    dy, dx = grid.offsets(cell.y, cell.x, window)
    along = dx * np.cos(cell.angle) + dy * np.sin(cell.angle)
    across = dy * np.cos(cell.angle) - dx * np.sin(cell.angle)
    normal = np.hypot(along / cell.semi_axes[0], across / cell.semi_axes[1])
    if cell.bumps.any():
        turn = np.arctan2(across, along)
        for harmonic, (amplitude, phase) in enumerate(cell.bumps, start=2):
            normal = normal / (1 + amplitude * np.cos(harmonic * turn + phase))
    return along, across, normal


def _territories(
    cells: Sequence[Cell], grid: Grid, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Divide the field among the flat cells; where outlines overlap they meet between the nuclei.

    Returns
    -------
    inside : (Y, X) array
        Distance to the edge of the pixel's cell in µm, negative outside.
    dome, lamella, dye : (Y, X) array
        Of that cell: rise over the nucleus and thickness of the flat part in µm, and dye.
    """
    claim, rival, inside = (np.full(grid.shape, _NOWHERE, np.float32) for _ in range(3))
    dome, lamella = (np.zeros(grid.shape, np.float32) for _ in range(2))
    dye = np.ones(grid.shape, np.float32)
    # Neighbours differ in their ruffles, else the border between them would be straight.
    ruffles = [texture(rng, grid, 5.0, 16.0, waves=120) for _ in range(3)]
    for number, cell in enumerate(cells):
        if cell.plates:
            continue
        window = grid.window(cell.y, cell.x, cell.reach + _REACH)
        ruffle = ruffles[number % len(ruffles)][window]
        distance, to_edge = _to_outline(cell, grid, window)
        to_edge += 0.4 * ruffle
        _, _, normal = nucleus_frame(cell, grid, window)
        from_nucleus = distance * (1 - 1 / np.maximum(normal, 0.05))
        # A cell claims what is near its nucleus, and gives up fast beyond its outline.
        mine = 0.8 * ruffle - from_nucleus - 6 * softplus(0.5 - to_edge, 0.3)
        mine = mine.astype(np.float32)
        wins = mine > claim[window]
        rival[window] = np.where(wins, claim[window], np.maximum(rival[window], mine))
        for field, value in (
            (claim, mine),
            (inside, to_edge),
            (dome, cell.dome * np.exp(-((normal / 1.9) ** 2))),
            (lamella, cell.lamella),
            (dye, cell.dye),
        ):
            field[window] = np.where(wins, value, field[window])
    return np.minimum(inside, (claim - rival) / 2), dome, lamella, dye


def _to_outline(cell: Cell, grid: Grid, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the centre, and (to first order) to the outline, positive inside; in µm."""
    dy, dx = grid.offsets(cell.y, cell.x, window)
    distance, turn = np.hypot(dy, dx), np.arctan2(dy, dx)
    theta = np.arange(len(cell.radii)) * (2 * np.pi / len(cell.radii))
    slope = (np.roll(cell.radii, -1) - np.roll(cell.radii, 1)) / (2 * theta[1]) / cell.radii
    radius = np.interp(turn, theta, cell.radii, period=2 * np.pi)
    tilt = np.interp(turn, theta, slope, period=2 * np.pi)
    to_edge: np.ndarray = (radius - distance) / np.hypot(1, tilt)
    return distance, to_edge
