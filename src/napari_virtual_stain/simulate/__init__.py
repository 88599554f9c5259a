"""A simulated specimen: brightfield z-stack and its fluorescence.

For samples, tests and documentation. Everything it makes says that it is simulated.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.simulate import arguments
from napari_virtual_stain.simulate.camera import Camera, uneven_light
from napari_virtual_stain.simulate.cells import draw_cells
from napari_virtual_stain.simulate.field import Field
from napari_virtual_stain.simulate.fluorescence import widefield
from napari_virtual_stain.simulate.grid import HEIGHTS
from napari_virtual_stain.simulate.layout import draw_debris
from napari_virtual_stain.simulate.transmitted import Optics, brightfield
from napari_virtual_stain.simulate.volume import fill

__all__ = ["specimen"]

_OPTICS = Optics(aperture=0.5, condenser=0.22, wavelength=0.55)
_EMISSION = {"nuclei": 0.46, "cytoplasm": 0.52}  # µm
_TRANSMITTED_CAMERA = Camera(electrons=12_000, background=0, counts=1.6)
_FLUORESCENCE_CAMERA = Camera(electrons=220, background=60, counts=4)
_IN_FOCUS = 0.0


def specimen(
    *,
    size: tuple[int, int] = (512, 512),
    planes: int = 7,
    ndim: int = 2,
    voxel_size: Mapping[str, float] = arguments.VOXEL_SIZE,
    seed: int = 0,
    cells: int | None = None,
    noise: float = 1.0,
) -> tuple[Image, Image]:
    """Simulate a field of cells: its brightfield z-stack and its fluorescence.

    Adherent cells with nuclei, nucleoli and granules, some of them dividing, and debris that has
    no fluorescence. They are laid out in µm: one seed gives the same cells wherever the field of
    view in µm is the same, whatever the voxel size.

    Parameters
    ----------
    size : (int, int)
        Height and width in pixels.
    planes : int
        Number of focal planes, centred on the cell layer, from the glass upwards.
    ndim : int
        2 for fluorescence in focus, 3 for fluorescence at each of the focal planes.
    voxel_size : mapping of str to float
        Distance of the planes (Z) and pixel size (Y, X) in µm, the latter from 0.05 to 1.3. Axes
        that are left out keep their default.
    seed : int
        Of everything that is drawn. The same seed gives the same specimen.
    cells : int, optional
        Number of cells in view; by default as many as a culture shortly before confluence has.
    noise : float
        Factor on the photon and read noise of a good exposure; 0 for none.

    Returns
    -------
    brightfield : Image
        uint16, axes ZYX.
    fluorescence : Image
        uint16, channels ``nuclei`` and ``cytoplasm``, axes CYX (`ndim` 2) or CZYX (`ndim` 3).

    Raises
    ------
    VirtualStainError
        If an argument is out of its range, or so many cells do not fit.

    See Also
    --------
    napari_virtual_stain.simulate.transmitted.brightfield : the image formation and its sources.
    napari_virtual_stain.simulate.fluorescence.widefield : that of the fluorescence.
    """
    size = arguments.image_size(size)
    planes = arguments.whole("the number of planes", planes, 1)
    if ndim not in (2, 3):
        raise VirtualStainError(f"ndim is {ndim!r}; give 2 for a plane of fluorescence, 3 for all.")
    voxel_size = arguments.voxel_sizes(voxel_size)
    seed = arguments.whole("the seed", seed, 0)
    cells = None if cells is None else arguments.whole("the number of cells", cells, 1)
    noise = arguments.finite("the noise", noise, least=0)

    field = Field(size, (voxel_size["Y"], voxel_size["X"]))
    # A stream for each part: what one draws more or less leaves the others as they are.
    streams = np.random.SeedSequence(seed).spawn(5)
    drawn, count = draw_cells(streams[0], field.extent, cells)
    debris = draw_debris(streams[1], field.extent)
    matter = fill(drawn, debris, field.grid(), streams[2])
    light_rng, noise_rng = (np.random.default_rng(stream) for stream in streams[3:])

    focus = [(plane - (planes - 1) / 2) * voxel_size["Z"] for plane in range(planes)]
    phase = matter.path * np.float32(2 * np.pi / _OPTICS.wavelength)
    light = brightfield(phase, matter.absorption, HEIGHTS, focus, field.step, _OPTICS)
    light = field.view(light) * uneven_light(light_rng, size, 0.1)
    transmitted = _TRANSMITTED_CAMERA.record(light, noise_rng, noise)

    excitation = uneven_light(light_rng, size, 0.06)
    emitted = []
    for dye, wavelength in zip((matter.nuclei, matter.cytoplasm), _EMISSION.values(), strict=True):
        levels = focus if ndim == 3 else [_IN_FOCUS]
        light = widefield(dye, HEIGHTS, levels, field.step, _OPTICS.aperture, wavelength)
        emitted.append(
            _FLUORESCENCE_CAMERA.record(field.view(light) * excitation, noise_rng, noise)
        )
    fluorescence = np.stack(emitted)

    name = f"simulated cells, seed {seed}"
    provenance = {
        "simulated": True,
        "seed": seed,
        "size": list(size),
        "planes": planes,
        "ndim": ndim,
        "voxel_size": voxel_size,
        "cells": count,
        "noise": noise,
        "numerical_aperture": _OPTICS.aperture,
        "condenser_aperture": _OPTICS.condenser,
    }
    return (
        Image(
            transmitted,
            "ZYX",
            voxel_size,
            ["brightfield"],
            name=f"{name}: brightfield",
            provenance=provenance,
        ),
        Image(
            fluorescence if ndim == 3 else fluorescence[:, 0],
            "CZYX" if ndim == 3 else "CYX",
            voxel_size if ndim == 3 else {axis: voxel_size[axis] for axis in "YX"},
            list(_EMISSION),
            name=f"{name}: fluorescence",
            provenance=provenance,
        ),
    )
