"""Sample data: simulated cells, a well to download, and cells in 3D."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.layer_data import LayerData, dimmed, layer_data
from napari_virtual_stain.image import Image

CELLS_3D_VOXEL_SIZE = {"Z": 0.29, "Y": 0.26, "X": 0.26}


def simulated_cells(seed: int = 0) -> list[LayerData]:
    """Return a simulated specimen: a brightfield z-stack, its nuclei and its cytoplasm."""
    from napari_virtual_stain.simulate import specimen

    return _one_scene("simulated cells", specimen(seed=seed))


def isl_well() -> list[LayerData]:
    """Return a well of human motor neurons: phase contrast, DAPI, MAP2 and NFH.

    It is downloaded when it is first asked for.

    Raises
    ------
    VirtualStainError
        If it cannot be downloaded.
    """
    from napari.utils.notifications import show_info

    from napari_virtual_stain.io import fetch_isl_well

    show_info(
        "ISL well: Christiansen et al. (2018), CC-BY-4.0. It is downloaded when it is first opened."
    )
    return _one_scene("ISL well", fetch_isl_well())


def cells_3d() -> list[LayerData]:
    """Return scikit-image's cells in 3D, membrane and nuclei, with their voxel size.

    They are downloaded when they are first asked for.

    Raises
    ------
    VirtualStainError
        If they cannot be downloaded.
    """
    from skimage.data import cells3d

    try:
        pixels = cells3d()
    except Exception as error:  # pooch, requests and urllib each raise kinds of their own
        raise VirtualStainError(
            f"the sample Cells (3D) could not be downloaded ({type(error).__name__}), so the "
            "network may be down; try again later."
        ) from error
    image = Image(
        np.moveaxis(pixels, 1, 0),
        "CZYX",
        voxel_size=CELLS_3D_VOXEL_SIZE,
        channels=["membrane", "nuclei"],
        name="cells 3D",
        provenance={"attribution": "Allen Institute for Cell Science; scikit-image"},
    )
    return layer_data(image)


def _one_scene(name: str, images: Sequence[Image]) -> list[LayerData]:
    layers = (layer_data(image.replace(name=name)) for image in images)
    return dimmed(list(chain.from_iterable(layers)))
