"""Cells as matter: what lies in each slice and pixel, in refractive index, absorption and dye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.simulate.bodies import bodies, nucleus_frame
from napari_virtual_stain.simulate.cells import Cell
from napari_virtual_stain.simulate.grid import HEIGHTS, Grid, in_slices, softplus, texture
from napari_virtual_stain.simulate.layout import GLASS


@dataclass(frozen=True)
class Substance:
    """What light meets: refractive index above the medium's, and amplitude absorbed per µm."""

    index: float
    absorption: float


CYTOPLASM = Substance(0.018, 0.003)
NUCLEUS = Substance(0.034, 0.006)
# The others come on top of what they lie in.
NUCLEOLUS = Substance(0.027, 0.006)
CHROMOSOME = Substance(0.010, 0.006)
GRANULE = Substance(0.042, 0.020)
DEBRIS = Substance(0.022, 0.035)

_DYE_IN_NUCLEUS = 0.3  # of the cytoplasm's dye, relative to the cytoplasm


@dataclass(frozen=True, eq=False)
class Volume:
    """A specimen in slices; every array is float32 of shape (slices, Y, X).

    Parameters
    ----------
    path : array
        Optical path in µm beyond that through the medium.
    absorption : array
        Amplitude absorbed.
    nuclei, cytoplasm : array
        Amount of each dye, in µm of stained thickness.
    """

    path: np.ndarray
    absorption: np.ndarray
    nuclei: np.ndarray
    cytoplasm: np.ndarray

    def add(self, what: Substance, where: tuple[slice, ...], thickness: np.ndarray) -> None:
        """Add a thickness of a substance in µm, negative to take it away."""
        self.path[where] += np.float32(what.index) * thickness
        self.absorption[where] += np.float32(what.absorption) * thickness


def fill(
    cells: Sequence[Cell], debris: np.ndarray, grid: Grid, seed: np.random.SeedSequence
) -> Volume:
    """Fill the slices of a field of view with cells and debris.

    Parameters
    ----------
    cells : sequence of Cell
    debris : (n, 4) array
        y, x, z and radius of each grain of dirt, which light sees and the dyes do not; in µm.
    grid : Grid
    seed : SeedSequence
        Of the textures and borders.
    """
    rngs = [np.random.default_rng(child) for child in seed.spawn(3)]
    chromatin = np.tanh(texture(rngs[0], grid, 1.1, 5.0))
    grain = 1 + 0.16 * np.tanh(texture(rngs[1], grid, 1.2, 9.0))
    body, dye = bodies(cells, grid, rngs[2])
    body *= grain
    volume = Volume(
        body * np.float32(CYTOPLASM.index),
        body * np.float32(CYTOPLASM.absorption),
        np.zeros_like(body),
        body * dye,
    )
    for cell in cells:
        if cell.plates:
            _add_chromosomes(volume, cell, grid)
        else:
            _add_nucleus(volume, cell, grid, body, chromatin)
        for y, x, z, radius in cell.granules:
            where, ball = _ball(grid, cell.y + y, cell.x + x, z, radius)
            volume.add(GRANULE, where, ball)
            volume.cytoplasm[where] -= cell.dye * ball
    for y, x, z, radius in debris:
        volume.add(DEBRIS, *_ball(grid, y, x, z, radius))
    np.maximum(volume.cytoplasm, 0, out=volume.cytoplasm)
    return volume


def _add_nucleus(
    volume: Volume, cell: Cell, grid: Grid, body: np.ndarray, chromatin: np.ndarray
) -> None:
    """Put a nucleus, with its chromatin and nucleoli, in the place of cytoplasm."""
    window = grid.window(cell.y, cell.x, 1.5 * cell.semi_axes[0] + 1)
    where = (slice(None), *window)
    _, _, normal = nucleus_frame(cell, grid, window)
    # The fourth power makes a nucleus flat on top, as spread cells press it.
    half = cell.semi_axes[2] * np.sqrt(softplus(1 - normal**4, 0.05))
    filled = in_slices(-half, half)
    nucleoli = np.zeros_like(filled)
    for y, x, z, radius in cell.nucleoli:
        dy, dx = grid.offsets(cell.y + y, cell.x + x, window)
        half = radius * np.sqrt(softplus(1 - (dy**2 + dx**2) / radius**2, 0.1))
        nucleoli += in_slices(z - half, z + half)
    displaced = np.minimum(filled, body[where])
    volume.add(CYTOPLASM, where, -displaced)
    volume.add(NUCLEUS, where, filled * (1 + 0.1 * chromatin[window]))
    volume.add(NUCLEOLUS, where, nucleoli)
    stained = np.maximum(filled - 0.85 * nucleoli, 0) * (1 + 0.22 * chromatin[window])
    volume.nuclei[where] += cell.dna * stained
    volume.cytoplasm[where] += cell.dye * (_DYE_IN_NUCLEUS * filled - displaced)


def _add_chromosomes(volume: Volume, cell: Cell, grid: Grid) -> None:
    """Put the plates of a dividing cell into its body: one in metaphase, two in anaphase."""
    window = grid.window(cell.y, cell.x, cell.reach)
    where = (slice(None), *window)
    along, across, _ = nucleus_frame(cell, grid, window)
    middle = GLASS + cell.semi_axes[2]
    apart = len(cell.plates) > 1
    width, density = (1.1, 1.2) if apart else (1.5, 1.5)
    for plate in cell.plates:
        bent = plate - np.sign(plate) * 0.02 * along**2
        ragged = 1 + 0.12 * np.cos(3.1 * along + 7 * plate) * np.cos(2.3 * along)
        normal = (along / 4.4) ** 4 + ((across - bent) / (width * ragged)) ** 2
        half = 2.4 * np.sqrt(softplus(1 - normal, 0.15))
        filled = in_slices(middle - half, middle + half)
        volume.add(CHROMOSOME, where, filled)
        volume.nuclei[where] += density * cell.dna * filled
        volume.cytoplasm[where] -= 0.6 * cell.dye * filled


def _ball(
    grid: Grid, y: float, x: float, z: float, radius: float
) -> tuple[tuple[slice, slice, slice], np.ndarray]:
    """Thickness of a soft ball, a Gaussian, in the two slices nearest to it; where those are."""
    window = grid.window(y, x, 2.5 * radius)
    dy, dx = grid.offsets(y, x, window)
    profile = 2 * radius * np.exp(-(dy**2 + dx**2) / (2 * (0.7 * radius) ** 2))
    position = min(max(z - HEIGHTS[0], 0.0), len(HEIGHTS) - 1.001)
    low = int(position)
    upper = position - low
    ball = np.stack([(1 - upper) * profile, upper * profile]).astype(np.float32)
    return (slice(low, low + 2), *window), ball
