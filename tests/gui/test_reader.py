"""Files opened through us, as napari opens them."""

from __future__ import annotations

import json
from pathlib import Path

import napari
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from npe2 import PluginManager

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui import commands, reader
from napari_virtual_stain.gui.reader import (
    get_image_reader,
    get_model_reader,
    get_zarr_reader,
    read_images,
    read_zarrs,
)
from napari_virtual_stain.image import Image
from napari_virtual_stain.io import write_image
from napari_virtual_stain.io.ome_zarr import write_ome_zarr

PLUGIN = "napari-virtual-stain"


@pytest.fixture(autouse=True)
def _discovered():
    """A window finds the installed plugins when it opens; its model alone does not."""
    PluginManager.instance().discover()


@pytest.fixture
def well(tmp_path):
    """Return an OME-TIFF of two channels and its image."""
    pixels = np.arange(2 * 4 * 6 * 5, dtype="u2").reshape(2, 4, 6, 5)
    image = Image(
        pixels, "CZYX", {"Z": 1.5, "Y": 0.25, "X": 0.25}, ["phase", "DAPI"], provenance={"a": 1}
    )
    return write_image(image, tmp_path / "wéll.ome.tif"), image


@pytest.fixture
def said(monkeypatch):
    """Return the notifications of the test."""
    monkeypatch.setattr(notification_manager, "records", [])
    return notification_manager.records


@pytest.mark.parametrize("path", ["a.ome.tif", "A.OME.TIFF", Path("a.ome.tif"), ["a.ome.tif"] * 2])
def test_ome_tiff_is_taken(path):
    assert get_image_reader(path) is read_images


@pytest.mark.parametrize(
    "path", ["a.tif", "a.tiff", "ome.tif.png", "", [], ["a.ome.tif", "a.tif"], None, 3, [None]]
)
def test_anything_else_is_left_to_others(path):
    assert get_image_reader(path) is None
    assert get_model_reader(path) is None


def test_napari_opens_channels_in_place(well):
    path, image = well
    viewer = ViewerModel()
    phase, dapi = viewer.open(path, plugin=PLUGIN)
    assert [phase.name, dapi.name] == ["wéll: phase", "wéll: DAPI"]
    assert tuple(dapi.scale) == (1.5, 0.25, 0.25)
    assert dapi.axis_labels == ("z", "y", "x")
    np.testing.assert_array_equal(dapi.data, image.data[1])


@pytest.fixture
def large(tmp_path):
    """Return an OME-Zarr of two channels with lower resolutions, and its image."""
    pixels = np.arange(2 * 3 * 300 * 400, dtype="u2").reshape(2, 3, 300, 400)
    sizes = {"Z": 1.5, "Y": 0.25, "X": 0.25}
    image = Image(pixels, "CZYX", sizes, ["phase", "DAPI"], provenance={"a": 1})
    return write_ome_zarr(image, tmp_path / "wéll.ome.zarr", colors={"DAPI": "00FFFF"}), image


def test_zarrs_are_taken_where_they_are_ome_zarrs(large, tmp_path):
    path, _ = large
    assert get_zarr_reader(path) is read_zarrs
    assert get_zarr_reader([str(path)] * 2) is read_zarrs
    (tmp_path / "table.zarr").mkdir()
    others = ["", [], None, 3, [None], "a.zarr", "\0", tmp_path, tmp_path / "table.zarr"]
    for other in [*others, path / "0", [path, tmp_path]]:
        assert get_zarr_reader(other) is None


def test_napari_opens_the_resolutions_of_a_zarr_in_place(large):
    path, image = large
    viewer = ViewerModel()
    offered = PluginManager.instance().iter_compatible_readers([str(path)])
    assert PLUGIN in {reader.plugin_name for reader in offered}
    phase, dapi = viewer.open(path, plugin=PLUGIN)
    assert [phase.name, dapi.name] == ["wéll: phase", "wéll: DAPI"]
    assert phase.multiscale
    assert [level.shape for level in dapi.data] == [(3, 300, 400), (3, 150, 200)]
    assert not isinstance(dapi.data[0], np.ndarray)
    np.testing.assert_array_equal(dapi.data[0], image.data[1])
    assert tuple(dapi.scale) == (1.5, 0.25, 0.25)
    assert {str(unit) for unit in dapi.units} == {"micrometer"}
    assert dapi.axis_labels == ("z", "y", "x")
    np.testing.assert_allclose(dapi.colormap.map(1.0), [[0, 1, 1, 1]])
    np.testing.assert_allclose(phase.colormap.map(1.0), [[1, 1, 1, 1]])
    low, high = dapi.contrast_limits
    assert image.data[1].min() <= low < high <= image.data[1].max()
    assert dapi.metadata["napari_virtual_stain"]["provenance"] == {"a": 1}


def test_a_zarr_without_colours_and_lower_resolutions_is_shown_like_a_tiff(tmp_path):
    image = Image(np.arange(60, dtype="u2").reshape(2, 5, 6), "CYX", channels=["MAP2", "DAPI"])
    viewer = ViewerModel()
    opened = viewer.open(write_image(image, tmp_path / "a.zarr"), plugin=PLUGIN)
    assert [layer.colormap.name for layer in opened] == ["green", "bop blue"]
    assert not any(layer.multiscale for layer in opened)


def test_what_the_file_says_of_its_place_is_kept(large):
    path, _ = large
    file = path / "zarr.json"
    document = json.loads(file.read_text())
    first = document["attributes"]["ome"]["multiscales"][0]["datasets"][0]
    shift = {"type": "translation", "translation": [0, 3, 10, 20]}
    first["coordinateTransformations"].append(shift)
    file.write_text(json.dumps(document))
    for layer in ViewerModel().open(path, plugin=PLUGIN):
        assert tuple(layer.translate) == (3, 10, 20)


def test_masks_in_a_zarr_are_labels(tmp_path):
    image = Image(np.ones((300, 300), "u2"), "YX", provenance={"labels": True})
    (layer,) = ViewerModel().open(write_image(image, tmp_path / "m.ome.zarr"), plugin=PLUGIN)
    assert type(layer).__name__ == "Labels"
    assert layer.multiscale


def test_a_plate_is_refused_in_a_sentence(tmp_path, said):
    (tmp_path / "p.zarr").mkdir()
    (tmp_path / "p.zarr" / ".zattrs").write_text('{"plate": {"wells": [{"path": "B/2"}]}}')
    with pytest.raises(VirtualStainError, match=r"is a plate; open one field .*p\.zarr/B/2/0"):
        ViewerModel().open(tmp_path / "p.zarr", plugin=PLUGIN)


def test_several_files_are_layers_of_each(well, tmp_path):
    path, image = well
    other = write_image(image.channel(0), tmp_path / "other.ome.tiff")
    names = [attributes["name"] for _, attributes, _ in read_images([str(path), str(other)])]
    assert names == ["wéll: phase", "wéll: DAPI", "other: phase"]


def test_what_was_assumed_is_said_each_time(tmp_path, said):
    import tifffile

    path = tmp_path / "stack.ome.tif"
    tifffile.imwrite(path, np.zeros((3, 8, 8), "u2"), ome=False, photometric="minisblack")
    for _ in range(2):
        read_images(path)
    assert [record.severity for record in said] == ["warning"] * 2
    assert all("they are taken as a z stack" in record.message for record in said)


def test_damaged_file_is_refused_in_a_sentence(well, tmp_path):
    broken = tmp_path / "broken.ome.tif"
    broken.write_bytes(well[0].read_bytes()[:300])
    with pytest.raises(VirtualStainError, match=r"broken\.ome\.tif"):
        read_images(broken)


@pytest.mark.gui
@pytest.mark.parametrize("name", ["broken.ome.tif", "broken.safetensors"])
def test_window_shows_why_a_file_is_refused(make_napari_viewer, qtbot, tmp_path, said, name):
    """The window's own message is that the plugin has failed; the last word is ours."""
    viewer = make_napari_viewer()
    broken = tmp_path / name
    broken.write_bytes(b"nothing")
    with pytest.raises(VirtualStainError, match=name):
        viewer.open(broken, plugin=PLUGIN)
    qtbot.waitUntil(lambda: bool(said))
    assert said[-1].severity == "error"
    assert said[-1].message.startswith(name)
    assert len(viewer.window.dock_widgets) == len(viewer.layers) == 0


def test_missing_file_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(VirtualStainError, match=r"none\.ome\.tif"):
        read_images(tmp_path / "none.ome.tif")


# --- Models


class FakeDock:
    """Stands for the dock; remembers the models that it was given."""

    def __init__(self):
        self.chosen = []

    def choose_model(self, path):
        self.chosen.append(path)


@pytest.fixture
def dock(monkeypatch):
    """Return the dock of a window that stands for napari's."""
    fake = FakeDock()
    monkeypatch.setattr(napari, "current_viewer", lambda: "viewer")
    monkeypatch.setattr(commands, "open_predict_dock", lambda viewer: fake)
    return fake


def test_model_is_chosen_in_the_dock_and_makes_no_layer(save, dock):
    model = save("tiny")
    viewer = ViewerModel()
    assert viewer.open(model, plugin=PLUGIN) == []
    assert dock.chosen == [str(model)]
    assert len(viewer.layers) == 0


def test_other_weights_are_refused_before_anything_opens(tmp_path, monkeypatch, dock):
    import torch
    from safetensors.torch import save_file

    other = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(2)}, other)
    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    with pytest.raises(VirtualStainError, match="holds weights, but no model specification"):
        reader.open_model(other)
    assert dock.chosen == []


def test_model_without_a_window_is_refused(save, monkeypatch):
    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    with pytest.raises(VirtualStainError, match=r"tiny\.safetensors is a model, and there is no"):
        reader.open_model([str(save("tiny"))])
