"""What a camera makes of an image of light: uneven illumination, noise and counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """A scientific camera.

    Parameters
    ----------
    electrons : float
        Electrons for an intensity of 1.
    background : float
        Electrons in every pixel, from stray light.
    counts : float
        Counts per electron.
    offset : float
        Counts without light.
    read_noise : float
        Standard deviation in electrons.
    """

    electrons: float
    background: float
    counts: float
    offset: float = 100.0
    read_noise: float = 1.6

    def record(self, intensity: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
        """Turn intensities into counts.

        Photon noise is drawn as a normal deviate of the same variance as the Poisson law's. At
        tens of electrons and more the two are alike, and the counts then do not depend on the
        last bits of the intensity, as they would with rejection sampling.

        Parameters
        ----------
        intensity : array
        rng : Generator
        noise : float
            Factor on all noise; 0 for none.

        Returns
        -------
        uint16 array
        """
        electrons = self.electrons * intensity + self.background
        if noise:
            deviation = np.sqrt(electrons + self.read_noise**2)
            electrons = electrons + noise * deviation * rng.standard_normal(
                intensity.shape, dtype=np.float32
            )
        counts = np.rint(self.offset + self.counts * electrons)
        recorded: np.ndarray = np.clip(counts, 0, 65535).astype(np.uint16)
        return recorded


def uneven_light(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> np.ndarray:
    """Draw a slow fall-off of light from a bright point near the middle of the field.

    Parameters
    ----------
    rng : Generator
    shape : (int, int)
        Height and width in pixels.
    strength : float
        Fall-off at the corners of a centred field.

    Returns
    -------
    (Y, X) float32 array
        About 1.
    """
    centre = rng.uniform(-0.35, 0.35, 2)
    y, x = ((np.arange(n) + 0.5) / n * 2 - 1 for n in shape)
    squared = (y[:, None] - centre[0]) ** 2 + (x - centre[1]) ** 2
    light: np.ndarray = (1 + strength / 2 * (2 / 3 - squared)).astype(np.float32)
    return light
