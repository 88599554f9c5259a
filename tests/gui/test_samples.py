"""Sample data, as napari opens them."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from napari.components import ViewerModel
from npe2 import PluginManager

from napari_virtual_stain import io
from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image

PLUGIN = "napari-virtual-stain"


@pytest.fixture(autouse=True)
def _discovered():
    """A window finds the installed plugins when it opens; its model alone does not."""
    PluginManager.instance().discover()


def test_simulated_cells_are_called_simulated():
    viewer = ViewerModel()
    brightfield, nuclei, cytoplasm = viewer.open_sample(PLUGIN, "simulated_cells")
    assert [layer.name for layer in viewer.layers] == [
        "simulated cells: brightfield",
        "simulated cells: nuclei",
        "simulated cells: cytoplasm",
    ]
    assert brightfield.ndim == 3
    assert brightfield.opacity < nuclei.opacity
    assert nuclei.ndim == cytoplasm.ndim == 2
    assert viewer.layers.extent.units is not None
    for layer in viewer.layers:
        assert layer.metadata["napari_virtual_stain"]["provenance"]["simulated"] is True


def test_isl_well_names_its_stains_and_its_source(monkeypatch):
    fetched = (
        Image(np.ones((13, 8, 8), "u2"), "ZYX", channels=["phase"], provenance={"licence": "CC"}),
        Image(np.ones((3, 8, 8), "u2"), "CYX", channels=["DAPI", "MAP2", "NFH"]),
    )
    monkeypatch.setattr(io, "fetch_isl_well", lambda: fetched, raising=False)
    viewer = ViewerModel()
    viewer.open_sample(PLUGIN, "isl_well")
    names = ["ISL well: phase", "ISL well: DAPI", "ISL well: MAP2", "ISL well: NFH"]
    assert [layer.name for layer in viewer.layers] == names
    assert viewer.layers[0].metadata["napari_virtual_stain"]["provenance"] == {"licence": "CC"}


def test_cells_3d_have_their_voxel_size(monkeypatch):
    pixels = np.arange(6 * 2 * 4 * 4, dtype="u2").reshape(6, 2, 4, 4)
    monkeypatch.setattr(skimage.data, "cells3d", lambda: pixels)
    viewer = ViewerModel()
    membrane, nuclei = viewer.open_sample(PLUGIN, "cells_3d")
    assert [membrane.name, nuclei.name] == ["cells 3D: membrane", "cells 3D: nuclei"]
    assert tuple(nuclei.scale) == (0.29, 0.26, 0.26)
    assert [str(unit) for unit in nuclei.units] == ["micrometer"] * 3
    np.testing.assert_array_equal(nuclei.data, pixels[:, 1])


def test_failed_download_is_a_sentence(monkeypatch):
    def fail():
        raise ConnectionError("no route")

    monkeypatch.setattr(skimage.data, "cells3d", fail)
    with pytest.raises(VirtualStainError, match=r"Cells \(3D\) could not be downloaded"):
        ViewerModel().open_sample(PLUGIN, "cells_3d")
