from __future__ import annotations

import hashlib
import re
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io import isl
from napari_virtual_stain.io.isl import cache_folder, fetch_isl_well


@pytest.fixture
def published(tmp_path):
    """Return a folder of images named as the published ones, its address and its registry."""
    folder = tmp_path / "server"
    folder.mkdir()
    well = "lab-FINKBEINER,well-A4,tile_computation-STITCHED"
    names = [f"{well},z_depth-{z},channel-PHASE_CONTRAST,is_mask-false.png" for z in range(12)]
    names += [
        f"{well},depth_computation-MAXPROJECT,channel-{stain}_CONFOCAL,is_mask-false.png"
        for stain in ("NFH", "DAPI", "MAP2")
    ]
    registry = {}
    for i, name in enumerate(sorted(names)):
        depth = re.search(r"z_depth-(\d+)", name)
        stain = re.search(r"channel-(\w+)_CONFOCAL", name)
        value = int(depth[1]) if depth else 40000 + ["DAPI", "MAP2", "NFH"].index(stain[1])
        pixels = np.full((6, 5), value, np.uint16)
        pixels[0, 0] = 60000 + i
        iio.imwrite(folder / name, pixels)
        registry[name] = "sha256:" + hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return folder, folder.as_uri() + "/", registry


def test_the_planes_and_stains_are_put_in_order(tmp_path, published):
    _, url, registry = published
    phase, stains = fetch_isl_well(tmp_path / "kept", url, registry)
    assert (phase.axes, phase.dtype, phase.shape) == ("ZYX", np.dtype("u2"), (12, 6, 5))
    assert phase.data[:, 3, 3].tolist() == list(range(12))
    assert phase.data.max() > 60000
    assert (stains.axes, stains.channels) == ("CYX", ("DAPI", "MAP2", "NFH"))
    assert stains.data[:, 3, 3].tolist() == [40000, 40001, 40002]
    for image in (phase, stains):
        assert image.provenance["licence"] == "CC-BY-4.0"
        assert "Christiansen" in image.provenance["attribution"]
        assert not image.voxel_size


def test_what_has_been_downloaded_is_kept(tmp_path, published):
    server, url, registry = published
    first, _ = fetch_isl_well(tmp_path / "kept", url, registry)
    for file in server.iterdir():
        file.unlink()
    again, _ = fetch_isl_well(tmp_path / "kept", url, registry)
    np.testing.assert_array_equal(again.data, first.data)


def test_files_placed_by_hand_need_no_network(tmp_path, published):
    server, _, registry = published
    phase, _ = fetch_isl_well(server, "https://127.0.0.1:9/", registry)
    assert phase.shape == (12, 6, 5)


def test_the_cache_follows_the_environment(tmp_path, published, monkeypatch):
    _, url, registry = published
    monkeypatch.setenv("VSTAIN_CACHE", str(tmp_path / "cache"))
    fetch_isl_well(base_url=url, registry=registry)
    assert len(list((tmp_path / "cache" / "isl").glob("*.png"))) == 15
    monkeypatch.delenv("VSTAIN_CACHE")
    assert "napari-virtual-stain" in str(cache_folder())


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path, published):
    server, url, registry = published
    name = sorted(registry)[3]
    iio.imwrite(server / name, np.zeros((6, 5), np.uint16))
    with pytest.raises(VirtualStainError, match="not the published file") as error:
        fetch_isl_well(tmp_path / "kept", url, registry)
    assert name in str(error.value)
    assert not (tmp_path / "kept" / name).exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "file:///nowhere/at/all/"])
def test_without_network_the_remedy_is_said(tmp_path, published, url):
    _, _, registry = published
    with pytest.raises(VirtualStainError) as error:
        fetch_isl_well(tmp_path / "kept", url, registry)
    sentence = str(error.value)
    assert "could not be downloaded" in sentence
    assert url in sentence
    assert f"place its 15 files in {tmp_path / 'kept'} yourself" in sentence


def test_a_folder_that_cannot_be_written_is_said(published, tmp_path):
    _, url, registry = published
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VirtualStainError, match="could not be"):
        fetch_isl_well(tmp_path / "file" / "isl", url, registry)


def test_the_registry_of_the_package_lists_the_published_files():
    registry = isl._published()
    assert len(registry) == 16
    assert sum("PHASE_CONTRAST" in name for name in registry) == 13
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", known) for known in registry.values())


@pytest.mark.data
def test_the_registry_is_that_of_the_real_data(data_folder: Path):
    real = (data_folder / "isl_condition_b" / "registry.txt").read_text()
    assert dict(line.rsplit(" ", 1) for line in real.splitlines()) == isl._published()
