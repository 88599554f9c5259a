"""``vstain compare --features``: cells of one image, of a folder, and of several models."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("cp_measure", reason="there is none for this version of Python")

from napari_virtual_stain import io
from napari_virtual_stain.image import Image

SHAPE = (70, 90)


def nuclei(rng):
    labels = np.zeros(SHAPE, np.int32)
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    for number, (y, x) in enumerate(((18, 20), (20, 45), (18, 70), (50, 25), (48, 65)), 1):
        labels[(rows - y) ** 2 + (columns - x) ** 2 < rng.uniform(4, 6) ** 2] = number
    return labels


def put(folder, name, values, axes="YX", **fields):
    folder.mkdir(exist_ok=True)
    return io.write_image(Image(values, axes, name=name, **fields), folder / f"{name}.ome.tif")


@pytest.fixture
def images(tmp_path):
    """Return folders of observed images, of predictions, and of labels."""
    rng = np.random.default_rng(0)
    folders = [tmp_path / name for name in ("observed", "predicted", "labels")]
    for name in ("a", "b"):
        labels = nuclei(rng)
        bright = np.concatenate([[0], rng.uniform(300, 900, 5)])[labels]
        values = 200 + ndimage.gaussian_filter(bright, 1) + rng.normal(0, 15, SHAPE)
        made = (values + rng.normal(0, 25, SHAPE)).astype(np.float32)
        put(folders[0], name, values.astype(np.uint16), channels=("DAPI",))
        put(folders[1], f"{name}.predicted", made, channels=("DAPI",))
        put(folders[2], name, labels)
    return folders


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def r_of(path, feature="Intensity_MeanIntensity", compartment="nuclei"):
    (row,) = [
        row for row in table(path) if (row["feature"], row["compartment"]) == (feature, compartment)
    ]
    return float(row["r"]), int(row["objects"])


FILES = {
    "feature_correlations.csv",
    "feature_heat_map.png",
    "feature_histogram.png",
    "features.csv",
    "features.html",
    "features.json",
}


def test_an_image_with_found_and_with_given_nuclei(vstain, images, tmp_path):
    observed, predicted, labels = images
    pair = observed / "a.ome.tif", predicted / "a.predicted.ome.tif"
    output = tmp_path / "found"
    status, stdout, stderr = vstain("compare", *pair, "--output", output, "--features", "--json")
    assert (status, "Traceback" in stderr) == (0, False)
    result = json.loads(stdout)
    assert result["channels"]["DAPI"]["pearson_r"] > 0.9
    assert result["features"]["objects"] == {"cells": 5, "nuclei": 5, "cytoplasm": 5}
    assert result["features"]["nuclear_channel"] == "DAPI"
    names = {path.name for path in output.iterdir()}
    assert {"labels.nuclei.ome.tif", "labels.cells.ome.tif", "metrics.json"} | FILES <= names
    assert r_of(output / "feature_correlations.csv")[0] > 0.9
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "Measured in 5 cells, 5 nuclei, cytoplasm of 5 cells, found in DAPI." in page
    assert io.read_image(output / "labels.nuclei.ome.tif").numpy().max() == 5

    given = tmp_path / "given"
    status, stdout, _ = vstain(
        *("compare", *pair, "--output", given, "--features"),
        *("--nuclei", labels / "a.ome.tif", "--crop", "X=0:60"),
    )
    assert status == 0
    assert "features of 3 cells, 3 nuclei, cytoplasm of 3 cells" in stdout
    assert "features of DAPI: median r" in stdout
    # What was written is what can be given.
    status, stdout, _ = vstain(
        *("compare", *pair, "--output", tmp_path / "again", "--features"),
        *("--nuclei", output / "labels.nuclei.ome.tif", "--cells", output / "labels.cells.ome.tif"),
    )
    assert status == 0
    tables = [table(folder / "features.csv") for folder in (output, tmp_path / "again")]
    assert tables[0] == tables[1]


def test_a_folder_goes_on_where_it_was_stopped(vstain, images, tmp_path):
    observed, predicted, labels = images
    output = tmp_path / "compared"
    arguments = ("compare", observed, predicted, "--output", output)
    features = ("--features", "--nuclei", labels)
    status, _, stderr = vstain(*arguments, *features)
    assert (status, "Traceback" in stderr) == (0, False)
    assert {path.name for path in output.iterdir()} >= FILES | {"a", "b", "set.html"}
    assert {path.name for path in (output / "a").iterdir()} >= FILES
    rows = table(output / "features.csv")
    assert [row["image"] for row in rows if row["compartment"] == "nuclei"] == ["a"] * 5 + ["b"] * 5
    r, objects = r_of(output / "feature_correlations.csv")
    assert objects == 10
    means = np.array(
        [
            [float(row[f"{which}:Intensity_MeanIntensity"]) for which in ("observed", "predicted")]
            for row in rows
            if row["compartment"] == "nuclei"
        ]
    )
    assert r == pytest.approx(np.corrcoef(means.T)[0, 1])
    assert "cytoplasm of 10 cells of 2 images" in (output / "set.html").read_text(encoding="utf-8")

    first = (output / "features.csv").read_bytes()
    for file in (output / "b").iterdir():
        if file.name.startswith(("features", "feature_", "labels.")):
            file.unlink()
    status, stdout, stderr = vstain(*arguments, *features, "--json")
    assert status == 0
    assert "a: features of 5 cells, 5 nuclei, cytoplasm of 5 cells (measured before)" in stderr
    assert "b: features of 5 cells, 5 nuclei, cytoplasm of 5 cells, median r" in stderr
    assert (output / "features.csv").read_bytes() == first
    assert json.loads(stdout)["features"]["predicted"]["objects"]["nuclei"] == 10
    # Measured in another way, they are not replaced unasked.
    status, _, stderr = vstain(*arguments, "--features")
    assert status == 1
    assert "already holds" in stderr
    assert (output / "features.csv").read_bytes() == first


def test_two_models_have_features_of_their_own(vstain, images, tmp_path):
    observed, predicted, _ = images
    worse = tmp_path / "worse"
    rng = np.random.default_rng(1)
    values = io.read_image(predicted / "a.predicted.ome.tif").numpy()
    made = values + rng.normal(0, 300, values.shape).astype(np.float32)
    put(worse, "a.predicted", made, channels=("DAPI",))
    (predicted / "b.predicted.ome.tif").unlink()
    output = tmp_path / "compared"
    status, stdout, _ = vstain(
        "compare", observed, predicted, "--against", worse, "--output", output, "--features"
    )
    assert status == 0
    assert "predicted, features of 5 cells" in stdout
    medians = [
        json.loads((output / model / "features.json").read_text())["median_r"]["DAPI"]["nuclei"]
        for model in ("predicted", "worse")
    ]
    assert medians[0] > medians[1]
    page = (output / "set.html").read_text(encoding="utf-8")
    assert "Features of cells: worse" in page


def test_an_image_that_cannot_be_measured_is_named(vstain, images, tmp_path):
    observed, predicted, labels = images
    (labels / "b.ome.tif").unlink()
    output = tmp_path / "compared"
    status, _, stderr = vstain(
        "compare", observed, predicted, "--output", output, "--features", "--nuclei", labels
    )
    assert status == 1
    assert "holds no labels of the nuclei named b" in stderr
    assert r_of(output / "feature_correlations.csv")[1] == 5
    assert (output / "set.html").is_file()


def test_arguments_that_go_with_features(vstain, images, tmp_path, monkeypatch):
    observed, predicted, labels = images
    pair = ("compare", observed / "a.ome.tif", predicted / "a.predicted.ome.tif")
    status, _, stderr = vstain(*pair, "--output", tmp_path / "out", "--nuclei", labels)
    assert status == 2
    assert "--features" in stderr
    status, _, stderr = vstain(
        *pair, "--output", tmp_path / "out", "--features", "--nuclear-channel", "actin"
    )
    assert status == 1
    assert "there is no channel 'actin' to find nuclei in; it has 'DAPI'" in stderr
    monkeypatch.setitem(__import__("sys").modules, "cp_measure.bulk", None)
    status, _, stderr = vstain(*pair, "--output", tmp_path / "out", "--features")
    assert status == 1
    assert "napari-virtual-stain[features]" in stderr
    assert not (tmp_path / "out").exists()
