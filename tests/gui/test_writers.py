"""Layers saved through us, as napari saves them."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.notifications import notification_manager
from npe2 import PluginManager

from napari_virtual_stain.gui.layer_data import LABELS, METADATA, layer_data
from napari_virtual_stain.gui.writers import write_images, write_labels
from napari_virtual_stain.image import Image
from napari_virtual_stain.io import read_image, write_image

PLUGIN = "napari-virtual-stain"


@pytest.fixture(autouse=True)
def _discovered():
    """A window finds the installed plugins when it opens; its model alone does not."""
    PluginManager.instance().discover()


VOXEL_SIZE = {"Z": 1.5, "Y": 0.25, "X": 0.25}


def well(dtype="u2"):
    pixels = np.random.default_rng(0).integers(0, 200, (2, 4, 6, 5)).astype(dtype)
    return Image(pixels, "CZYX", VOXEL_SIZE, ["phase", "DAPI"], provenance={"model": "m"})


def viewer_of(image):
    viewer = ViewerModel()
    for layer in layer_data(image):
        viewer._add_layer_from_data(*layer)
    return viewer


def tuples(viewer):
    return [layer.as_layer_data_tuple() for layer in viewer.layers]


@pytest.fixture
def said(monkeypatch):
    monkeypatch.setattr(notification_manager, "records", [])
    return notification_manager.records


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8"])
def test_reader_writer_reader(tmp_path, dtype):
    first = write_image(well(dtype), tmp_path / "first.ome.tif")
    viewer = ViewerModel()
    viewer.open(first, plugin=PLUGIN)
    (second,) = viewer.layers.save(str(tmp_path / "second.ome.tif"))
    before, after = read_image(first), read_image(second)
    assert (after.axes, after.dtype) == (before.axes, before.dtype)
    assert after.channels == ("phase", "DAPI")
    assert after.voxel_size == before.voxel_size == VOXEL_SIZE
    assert after.provenance == {"model": "m"}
    np.testing.assert_array_equal(after.data, before.data)


@pytest.mark.data
@pytest.mark.parametrize(
    "path",
    [
        "idr0062_3d_laminb1_dapi/embryo.ome.tif",
        "isl_condition_b/fluorescence.ome.tif",
        "yeastvision_timelapse/movie.ome.tif",
    ],
)
def test_reader_writer_reader_of_a_real_image(data_folder, tmp_path, path):
    viewer = ViewerModel()
    viewer.open(data_folder / path, plugin=PLUGIN)
    viewer.layers.save(str(tmp_path / "again.ome.tif"))
    before, after = read_image(data_folder / path), read_image(tmp_path / "again.ome.tif")
    assert (after.axes, after.channels, after.dtype) == (before.axes, before.channels, before.dtype)
    assert after.voxel_size == pytest.approx(dict(before.voxel_size))
    np.testing.assert_array_equal(after.data, before.data)


def test_napari_chooses_us_for_one_image_and_for_several(tmp_path):
    viewer = viewer_of(well())
    viewer.layers[1].save(str(tmp_path / "one.ome.tif"))
    one = read_image(tmp_path / "one.ome.tif")
    assert (one.axes, one.channels, one.voxel_size) == ("ZYX", ("DAPI",), VOXEL_SIZE)
    viewer.layers.save(str(tmp_path / "two.ome.tiff"))
    assert read_image(tmp_path / "two.ome.tiff").channels == ("phase", "DAPI")


@pytest.mark.parametrize(("dtype", "stored"), [("i8", "i4"), ("u1", "u1"), ("u4", "u4")])
def test_labels_are_kept_and_are_labels_again(tmp_path, dtype, stored):
    cells = np.zeros((4, 6, 5), dtype)
    cells[1, 2:4, 2:4] = 200
    viewer = ViewerModel()
    place = {"scale": (1.5, 0.25, 0.25), "units": "um", "axis_labels": "zyx"}
    viewer.add_labels(cells, name="cells", **place)
    (path,) = viewer.layers.save(str(tmp_path / "cells.ome.tif"))
    (back,) = viewer.open(path, plugin=PLUGIN)
    assert isinstance(back, Labels)
    assert back.data.dtype == stored
    assert tuple(back.scale) == (1.5, 0.25, 0.25)
    np.testing.assert_array_equal(back.data, cells)


def test_masks_of_several_channels_make_one_file(tmp_path):
    viewer = ViewerModel()
    for name in ("nuclei", "cytoplasm"):
        viewer.add_labels(np.eye(6, dtype=bool), name=name)
    write_labels(tmp_path / "masks.ome.tif", tuples(viewer))
    masks = read_image(tmp_path / "masks.ome.tif")
    assert (masks.channels, masks.dtype) == (("nuclei", "cytoplasm"), np.dtype("u1"))
    assert masks.provenance[LABELS] is True


def test_lazy_layers_are_written(tmp_path):
    lazy = well().replace(data=da.from_array(well().data, chunks=(1, 1, 6, 5)))
    write_images(tmp_path / "lazy.ome.tif", tuples(viewer_of(lazy)))
    np.testing.assert_array_equal(read_image(tmp_path / "lazy.ome.tif").data, well().data)


@pytest.mark.parametrize("name", ["well", "well.5um", "DAPI.png"])
def test_name_of_no_tiff_gets_a_suffix(tmp_path, name):
    written = write_images(tmp_path / name, tuples(viewer_of(well())))
    assert written == [str(tmp_path / f"{name}.ome.tif")]
    with pytest.raises(OSError, match="exists already and is left as it is"):
        write_images(tmp_path / name, tuples(viewer_of(well())))


def test_existing_file_is_replaced_as_napari_has_asked(tmp_path):
    path = tmp_path / "well.ome.tif"
    path.write_bytes(b"old")
    write_images(path, tuples(viewer_of(well())))
    assert read_image(path).channels == ("phase", "DAPI")


def test_failure_leaves_the_existing_file(tmp_path):
    path = tmp_path / "well.ome.tif"
    path.write_bytes(b"old")
    viewer = viewer_of(well())
    viewer.add_image(np.zeros((3, 3)), name="other")
    with pytest.raises(OSError, match="are of different sizes"):
        viewer.layers.save(str(path), plugin=PLUGIN)
    broken = da.map_blocks(lambda block: 1 / 0, da.zeros((4, 4)), dtype="u2", meta=np.empty((0, 0)))
    lazy = [(broken, {"name": "a"}, "image")]
    with pytest.raises(ZeroDivisionError):
        write_images(path, lazy)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["well.ome.tif"]


def test_what_cannot_be_written_is_said(tmp_path, said):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((6, 5)), name="a", translate=(3, 4))
    viewer.layers.save(str(tmp_path / "a.ome.tif"))
    (record,) = said
    assert record.severity == "warning"
    assert record.message.startswith("a: position, rotation, mirroring and shear")


def test_provenance_of_a_prediction_is_written(tmp_path):
    viewer = ViewerModel()
    origin = {"model": "m", "model_sha256": "0" * 64}
    viewer.add_image(np.zeros((6, 5)), name="DAPI", metadata={METADATA: {"provenance": origin}})
    viewer.layers.save(str(tmp_path / "p.ome.tif"))
    assert read_image(tmp_path / "p.ome.tif").provenance == origin


def test_layers_are_written_as_ome_zarr_and_read_again(tmp_path):
    image = well()
    path = tmp_path / "well.ome.zarr"
    viewer_of(image).layers.save(str(path))
    read = read_image(path)
    assert (read.axes, read.channels, read.provenance) == (
        "CZYX",
        ("phase", "DAPI"),
        {"model": "m"},
    )
    assert dict(read.voxel_size) == VOXEL_SIZE
    np.testing.assert_array_equal(read.numpy(), image.data)
    write_images(path, tuples(viewer_of(image.replace(data=image.data + 1))))
    np.testing.assert_array_equal(read_image(path).numpy(), image.data + 1)


def test_multiscale_layers_are_written_at_full_resolution(tmp_path):
    image = Image(np.arange(300 * 400, dtype="u2").reshape(300, 400), "YX", {"Y": 0.5, "X": 0.5})
    viewer = ViewerModel()
    viewer.open(write_image(image, tmp_path / "a.ome.zarr"), plugin=PLUGIN)
    viewer.layers.save(str(tmp_path / "b.ome.zarr"))
    np.testing.assert_array_equal(read_image(tmp_path / "b.ome.zarr").numpy(), image.data)


def test_labels_are_written_as_ome_zarr(tmp_path):
    path = tmp_path / "m.ome.zarr"
    (layer,) = [Labels(np.arange(30).reshape(6, 5))]
    write_labels(path, [layer.as_layer_data_tuple()])
    assert read_image(path).provenance[LABELS]


def test_a_folder_of_other_things_is_not_replaced(tmp_path):
    path = tmp_path / "a.zarr"
    path.mkdir()
    (path / "thesis.txt").write_text("ten years")
    with pytest.raises(OSError, match="is a folder, but no OME-Zarr, and is left as it is"):
        write_images(path, tuples(viewer_of(well())))
    assert (path / "thesis.txt").exists()
