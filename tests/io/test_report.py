import csv
import json

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation import Comparison, compare, html, metrics_json
from napari_virtual_stain.image import Image
from napari_virtual_stain.io import read_image, write_report

FILES = {
    "report": "report.html",
    "metrics": "metrics.json",
    "table": "metrics.csv",
    "observed_minus_predicted": "observed_minus_predicted.ome.tif",
    "predicted_minus_observed": "predicted_minus_observed.ome.tif",
    "absolute_error": "absolute_error.ome.tif",
    "masks.observed": "masks.observed.ome.tif",
    "masks.predicted": "masks.predicted.ome.tif",
    "observed_clipped": "observed_clipped.ome.tif",
    "comparison": "comparison.png",
}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    rng = np.random.default_rng(0)
    observed = rng.integers(0, 1000, (2, 3, 20, 24)).astype(np.uint16)
    voxel_size = {"Z": 2.0, "Y": 0.5, "X": 0.5}
    names = ("DAPI", "β-tubulin")
    return compare(
        Image(observed, "CZYX", voxel_size, names, name="wéll"),
        Image(observed * np.float32(0.9), "CZYX", voxel_size, names, name="guess"),
        match="z-score",
    )


def test_a_report_is_a_folder_of_files_that_read_back(comparison, tmp_path):
    folder = tmp_path / "new" / "résults"
    paths = write_report(comparison, folder)
    assert paths == {what: folder / name for what, name in FILES.items()}
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES.values())
    metrics = json.loads(paths["metrics"].read_text(encoding="utf-8"))
    assert metrics == metrics_json(comparison)
    assert paths["report"].read_text(encoding="utf-8") == html(comparison)
    with paths["table"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["channel"] for row in rows] == ["DAPI", "β-tubulin"]
    assert float(rows[1]["pearson_r"]) == comparison.metrics["β-tubulin"]["pearson_r"]
    assert paths["comparison"].read_bytes().startswith(b"\x89PNG")
    images = {
        **comparison.errors,
        "masks.observed": comparison.masks["observed"],
        "masks.predicted": comparison.masks["predicted"],
        "observed_clipped": comparison.clipped,
    }
    for what, image in images.items():
        read = read_image(paths[what])
        assert (read.axes, read.dtype, read.channels) == ("CZYX", image.dtype, image.channels)
        assert read.voxel_size == image.voxel_size
        np.testing.assert_array_equal(read.numpy(), image.numpy())


@pytest.mark.parametrize("name", ["comparison.png", "masks.predicted.ome.tif"])
def test_nothing_is_written_where_a_file_of_a_report_exists(comparison, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(VirtualStainError, match=f"already holds {name}, and nothing was written"):
        write_report(comparison, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_an_earlier_report_is_replaced_on_request_and_nothing_else(comparison, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    write_report(comparison, tmp_path)
    paths = write_report(comparison, str(tmp_path), overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {*FILES.values(), "notes.txt"}
    assert all(path.is_file() for path in paths.values())


def test_a_folder_that_is_a_file_is_refused(comparison, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(VirtualStainError, match="could not be written"):
        write_report(comparison, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
