"""``vstain compare`` on folders: a report of each image, one of the set, and a test."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy.stats import ttest_rel

from napari_virtual_stain import io
from napari_virtual_stain.image import Image

NAMES = ("a", "b", "c")


def put(folder, name, values):
    image = Image(values, "CYX", channels=("DAPI", "ER"), name=name)
    return io.write_image(image, folder / f"{name}.ome.tif")


@pytest.fixture
def folders(tmp_path):
    """Return folders of observed images and of predictions of two models, the first better."""
    rng = np.random.default_rng(0)
    made = [tmp_path / name for name in ("observed", "first", "second")]
    for folder in made:
        folder.mkdir()
    for name in NAMES:
        values = rng.integers(0, 1000, (2, 24, 32)).astype(np.float32)
        put(made[0], name, values.astype(np.uint16))
        put(made[1], f"{name}.predicted", values + rng.normal(0, 100, values.shape))
        put(made[2], f"{name}.predicted", values + rng.normal(0, 300, values.shape))
    return made


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_has_a_report_of_each_image_and_one_of_all(vstain, folders, tmp_path):
    observed, first, _ = folders
    output = tmp_path / "compared"
    status, stdout, stderr = vstain("compare", observed, first, "--output", output)
    assert (status, "Traceback" in stderr) == (0, False)
    assert "first, DAPI: Pearson r 0.9" in stdout
    for name in NAMES:
        assert (output / name / "report.html").is_file()
        metrics = json.loads((output / name / "metrics.json").read_text(encoding="utf-8"))
        assert list(metrics["channels"]) == ["DAPI", "ER"]
    rows = table(output / "set.csv")
    assert [(row["image"], row["channel"]) for row in rows] == [
        (name, channel) for name in NAMES for channel in ("DAPI", "ER")
    ]
    summary = json.loads((output / "set.json").read_text(encoding="utf-8"))
    r = [float(row["pearson_r"]) for row in rows if row["channel"] == "DAPI"]
    found = summary["models"]["first"]["DAPI"]["pearson_r"]
    assert found["mean"] == pytest.approx(np.mean(r))
    assert found["spread"] == pytest.approx(np.std(r, ddof=1))
    assert found["interval"][0] <= found["mean"] <= found["interval"][1]
    assert (found["images"], summary["tests"]) == (3, [])
    page = (output / "set.html").read_text(encoding="utf-8")
    assert 'href="b/report.html"' in page


def test_two_models_are_tested_on_the_same_images(vstain, folders, tmp_path):
    observed, first, second = folders
    output = tmp_path / "compared"
    command = ("compare", observed, first, "--against", second, "--output", output, "--json")
    status, stdout, _ = vstain(*command)
    assert status == 0
    assert (output / "second" / "c" / "report.html").is_file()
    rows = table(output / "set.csv")
    of_models = [
        [float(r["pearson_r"]) for r in rows if (r["model"], r["channel"]) == (model, "ER")]
        for model in ("first", "second")
    ]
    expected = ttest_rel(*of_models, alternative="greater")
    test = next(one for one in json.loads(stdout)["tests"] if one["channel"] == "ER")
    assert (test["better"], test["than"], test["degrees_of_freedom"]) == ("first", "second", 2)
    assert (test["t"], test["p"]) == pytest.approx((expected.statistic, expected.pvalue))
    page = (output / "set.html").read_text(encoding="utf-8")
    assert "Is first better than second?" in page
    assert 'href="second/c/report.html"' in page


def test_one_bad_file_does_not_end_the_set(vstain, folders, tmp_path):
    observed, first, second = folders
    (first / "b.predicted.ome.tif").unlink()
    put(first, "b.predicted", np.full((2, 20, 20), 5, np.float32))
    (observed / "alone.ome.tif").write_bytes((observed / "a.ome.tif").read_bytes())
    output = tmp_path / "compared"
    status, stdout, stderr = vstain(
        "compare", observed, first, "--against", second, "--output", output, "--json"
    )
    assert status == 1
    assert "error: b.predicted.ome.tif: " in stderr
    assert "1 observed images have no prediction" in stderr
    assert "1 images could not be compared" in stderr
    # The other model's is left out of the test too.
    assert [row["image"] for row in table(output / "set.csv")] == ["a", "a", "c", "c"] * 2
    assert json.loads(stdout)["images"] == 2


def test_nothing_is_replaced_unless_it_is_asked_for(vstain, folders, tmp_path):
    observed, first, _ = folders
    output = tmp_path / "compared"
    output.mkdir()
    (output / "set.csv").write_text("mine")
    status, _, stderr = vstain("compare", observed, first, "--output", output)
    assert status == 1
    assert "already holds set.csv" in stderr
    assert [path.name for path in output.iterdir()] == ["set.csv"]
    status, _, _ = vstain("compare", observed, first, "--output", output, "--overwrite")
    assert status == 0


def test_what_cannot_be_paired_is_refused(vstain, folders, tmp_path):
    observed, first, second = folders
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, said in (
        ((observed, empty), "has the name of one of"),
        ((observed, first / "a.predicted.ome.tif"), "is no folder"),
        ((observed / "a.ome.tif", first / "a.predicted.ome.tif", "--against", second), "folder"),
        ((observed, first, "--against", first), "called alike"),
    ):
        status, _, stderr = vstain("compare", *arguments, "--output", tmp_path / "out")
        assert status in (1, 2)
        assert said in stderr
        assert not (tmp_path / "out").exists()
    put(first, "a", np.zeros((2, 24, 32), np.float32))
    status, _, stderr = vstain("compare", observed, first, "--output", tmp_path / "out")
    assert status == 1
    assert "which is the prediction of a.ome.tif" in stderr
