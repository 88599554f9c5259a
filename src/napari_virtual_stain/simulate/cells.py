"""Adherent cells as numbers: where they lie, their outlines, nuclei, nucleoli and granules.

Everything is in µm, and nothing knows of pixels, so that one seed gives the
same cells at every sampling. Heights count from the focal plane of the cell
layer (z = 0), through which the nuclei lie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_virtual_stain.simulate.layout import GLASS, scatter

_DIVIDING_APART = 0.35
_ANGLES = 360


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell; all lengths in µm.

    Parameters
    ----------
    y, x : float
        Centre of the nucleus.
    radii : (360,) array
        Distance from that centre to the outline, for each degree.
    angle : float
        Direction of the nucleus' long axis in radians.
    semi_axes : (3,) array
        Of the nucleus: along, across, and half its height. Of a dividing cell: of the whole cell.
    bumps : (2, 2) array
        Amplitude and phase of the second and third harmonic of the nucleus' outline.
    lamella, dome : float
        Thickness of the cell's flat part, and what its middle rises above it.
    nucleoli, granules : (n, 4) arrays
        y, x (from the centre), z and radius of each.
    plates : tuple of float
        Of a dividing cell: where its plates of chromosomes lie across `angle`. Empty otherwise.
    dna, dye : float
        How strongly the two dyes bind, about 1.
    """

    y: float
    x: float
    radii: np.ndarray
    angle: float
    semi_axes: np.ndarray
    bumps: np.ndarray
    lamella: float
    dome: float
    nucleoli: np.ndarray
    granules: np.ndarray
    plates: tuple[float, ...]
    dna: float
    dye: float

    @property
    def reach(self) -> float:
        """Distance of the outline's farthest point from the centre."""
        return float(self.radii.max())


def draw_cells(
    seed: np.random.SeedSequence, field: tuple[float, float], count: int | None
) -> tuple[list[Cell], int]:
    """Draw the cells of a field of view and of a margin around it.

    Parameters
    ----------
    seed : SeedSequence
    field : (float, float)
        Height and width of the field in µm.
    count : int, optional
        Number of cells whose nucleus' centre lies in the field.

    Returns
    -------
    cells : list of Cell
        Those in the field first.
    count : int
        How many of them lie in the field.

    Raises
    ------
    VirtualStainError
        If `count` cells do not fit into the field.
    """
    layout_seed, cell_seed = seed.spawn(2)
    places, inside = scatter(np.random.default_rng(layout_seed), field, count)
    seeds = cell_seed.spawn(len(places))
    cells = []
    for (y, x, dividing), child in zip(places, seeds, strict=True):
        rng = np.random.default_rng(child)
        cells.append(_dividing_cell(rng, y, x) if dividing else _flat_cell(rng, y, x))
    return cells, inside


def _flat_cell(rng: np.random.Generator, y: float, x: float) -> Cell:
    direction = rng.uniform(0, np.pi)
    size = rng.uniform(8.5, 14.5)
    elongation = rng.uniform(1.0, 1.9)
    along = rng.uniform(4.6, 6.2)
    across = min(along * rng.uniform(0.66, 0.95), 5.2)
    half_height = rng.uniform(1.7, 2.05)
    angle = direction + rng.normal(0, 0.25)
    bumps = np.stack([[0.03, 0.035] * rng.uniform(0.2, 1, 2), rng.uniform(0, 2 * np.pi, 2)], axis=1)
    radii = _outline(rng, size * elongation**0.5, size / elongation**0.5, direction)
    # The outline never comes nearer than about 1.5 µm to the nucleus.
    radii = _smooth(np.maximum(radii, _ellipse(along, across, angle) * 1.1 + 1.5))
    nucleoli = _nucleoli(rng, along, across, angle)
    granules = _granules(rng, radii, _ellipse(along, across, angle))
    return Cell(
        y=y,
        x=x,
        radii=radii,
        angle=angle,
        semi_axes=np.array([along, across, half_height]),
        bumps=bumps,
        lamella=rng.uniform(0.9, 1.4),
        dome=rng.uniform(3.2, 4.2),
        nucleoli=nucleoli,
        granules=granules,
        plates=(),
        dna=float(np.clip(rng.normal(1, 0.07), 0.85, 1.15)),
        dye=float(np.clip(rng.normal(1, 0.07), 0.85, 1.15)),
    )


def _dividing_cell(rng: np.random.Generator, y: float, x: float) -> Cell:
    radius = rng.uniform(7.0, 8.2)
    apart = rng.random() < _DIVIDING_APART
    stretch = 1.12 if apart else 1.02
    angle = rng.uniform(0, np.pi)
    half_height = rng.uniform(3.6, 3.9)
    half_distance = rng.uniform(2.2, 3.2)
    granules = np.zeros((0, 4))
    # `angle` points along the plates; the cell stretches across them.
    semi_axes = np.array([radius / stretch, radius * stretch, half_height])
    return Cell(
        y=y,
        x=x,
        radii=_ellipse(semi_axes[0], semi_axes[1], angle),
        angle=angle,
        semi_axes=semi_axes,
        bumps=np.zeros((2, 2)),
        lamella=0.0,
        dome=0.0,
        nucleoli=np.zeros((0, 4)),
        granules=granules,
        plates=(-half_distance, half_distance) if apart else (rng.uniform(-0.4, 0.4),),
        dna=float(np.clip(rng.normal(1, 0.07), 0.85, 1.15)),
        dye=float(np.clip(rng.normal(1, 0.07), 0.85, 1.15)),
    )


def _theta() -> np.ndarray:
    return np.arange(_ANGLES) * (2 * np.pi / _ANGLES)


def _ellipse(along: float, across: float, angle: float) -> np.ndarray:
    """Radius of an ellipse for each degree."""
    theta = _theta() - angle
    radius: np.ndarray = 1 / np.hypot(np.cos(theta) / along, np.sin(theta) / across)
    return radius


def _outline(rng: np.random.Generator, along: float, across: float, angle: float) -> np.ndarray:
    """Draw an outline: an ellipse, slow waves, and a few pulled-out corners."""
    theta = _theta()
    radii = _ellipse(along, across, angle)
    for harmonic in (2, 3, 4, 5, 7):
        phase = rng.uniform(0, 2 * np.pi)
        radii = radii * (1 + rng.normal(0, 0.16 / harmonic) * np.cos(harmonic * theta + phase))
    for tip in range(rng.integers(2, 5)):
        # The first two corners are the poles of the cell.
        pole = angle + np.pi * tip + rng.normal(0, 0.3)
        where = pole if tip < 2 else rng.uniform(0, 2 * np.pi)
        sharpness = rng.uniform(5, 18)
        pull = rng.uniform(0.15, 0.65)
        radii = radii * (1 + pull * np.exp(sharpness * (np.cos(theta - where) - 1)))
    outline: np.ndarray = np.minimum(radii, 22.0)
    return outline


def _smooth(radii: np.ndarray, degrees: float = 6.0) -> np.ndarray:
    """Round off the corners of an outline."""
    harmonic = np.arange(_ANGLES // 2 + 1)
    kept = np.exp(-0.5 * (np.radians(degrees) * harmonic) ** 2)
    rounded: np.ndarray = np.fft.irfft(np.fft.rfft(radii) * kept, n=_ANGLES)
    return rounded


def _nucleoli(rng: np.random.Generator, along: float, across: float, angle: float) -> np.ndarray:
    nucleoli: list[tuple[float, float, float, float]] = []
    wanted = int(rng.integers(1, 5))
    for _ in range(8 * wanted):
        if len(nucleoli) == wanted:
            break
        radius = rng.uniform(0.75, 1.35)
        turn, distance = rng.uniform(0, 2 * np.pi), 0.62 * np.sqrt(rng.random())
        u, v = along * distance * np.cos(turn), across * distance * np.sin(turn)
        y = u * np.sin(angle) + v * np.cos(angle)
        x = u * np.cos(angle) - v * np.sin(angle)
        if all(np.hypot(y - n[0], x - n[1]) > radius + n[3] + 0.4 for n in nucleoli):
            nucleoli.append((y, x, rng.uniform(-0.3, 0.3), radius))
    return np.array(nucleoli)


def _granules(rng: np.random.Generator, radii: np.ndarray, nucleus: np.ndarray) -> np.ndarray:
    """Scatter granules in the cytoplasm, most of them on one side of the nucleus."""
    count = int(rng.integers(6, 26))
    side = rng.uniform(0, 2 * np.pi)
    turn = np.where(
        rng.random(count) < 0.6,
        side + rng.normal(0, 0.7, count),
        rng.uniform(0, 2 * np.pi, count),
    )
    degree = np.floor(np.degrees(turn) % 360).astype(int) % _ANGLES
    inner, outer = nucleus[degree] + 0.7, 0.85 * radii[degree]
    distance = inner + np.maximum(outer - inner, 0) * rng.beta(1.1, 2.6, count)
    z = GLASS + rng.uniform(0.5, 1.6, count) + 1.2 * np.exp(-(distance - inner) / 2)
    radius = np.clip(rng.lognormal(np.log(0.29), 0.32, count), 0.18, 0.6)
    return np.stack([distance * np.sin(turn), distance * np.cos(turn), z, radius], axis=1)
