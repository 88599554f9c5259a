"""A comparison of a folder that was stopped goes on, and takes over only what is the same."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_virtual_stain import io
from napari_virtual_stain.image import Image


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for name in "abc":
        values = rng.integers(0, 1000, (16, 20)).astype(np.float32)
        for folder, pixels in (
            ("observed", values),
            ("made", values + rng.normal(0, 99, (16, 20))),
        ):
            image = Image(pixels.astype(np.float32), "YX", channels=("DAPI",))
            io.write_image(image, tmp_path / folder / f"{name}.ome.tif")
    return tmp_path / "observed", tmp_path / "made"


def stop_after(monkeypatch, images):
    """Make the picture of an image the last thing that is done, as Ctrl-C would."""
    from napari_virtual_stain import evaluation

    figure, done = evaluation.figure, []

    def stopped(comparison):
        if len(done) == images:
            raise KeyboardInterrupt
        done.append(comparison)
        return figure(comparison)

    monkeypatch.setattr(evaluation, "figure", stopped)
    return done


def test_what_was_stopped_goes_on_to_the_same_end(vstain, folders, tmp_path, monkeypatch):
    out, whole = tmp_path / "out", tmp_path / "whole"
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        assert vstain("compare", *folders, "--output", out)[0] == 130
    assert sorted(path.name for path in out.iterdir()) == ["a", "b"]
    with monkeypatch.context() as patch:
        done = stop_after(patch, 9)
        status, stdout, stderr = vstain("compare", *folders, "--output", out, "--json")
    assert (status, len(done)) == (0, 1)
    assert "2 of 3 images were compared by an earlier run" in stderr
    assert "a: DAPI r 0." in stderr
    assert vstain("compare", *folders, "--output", whole)[0] == 0
    for name in ("set.html", "set.json", "set.csv"):
        texts = [(folder / name).read_text(encoding="utf-8") for folder in (out, whole)]
        assert texts[0] == texts[1]
    assert json.loads(stdout)["images"] == 3


def test_other_images_or_options_are_not_taken_over(vstain, folders, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        vstain("compare", *folders, "--output", out)
    before = (out / "a" / "report.html").read_bytes()
    image = io.read_image(folders[0] / "b.ome.tif")
    io.write_image(image.replace(data=image.numpy() + 1), folders[0] / "b.ome.tif", overwrite=True)
    (out / "c").mkdir()
    (out / "c" / "metrics.csv").write_text("mine")
    status, _, stderr = vstain("compare", *folders, "--output", out)
    assert status == 1
    assert "holds a report that was made from another observed, and is left as it is" in stderr
    assert "holds metrics.csv, which is no whole report, and is left as it is" in stderr
    assert (out / "c" / "metrics.csv").read_text() == "mine"
    assert (out / "a" / "report.html").read_bytes() == before
    for path in out.glob("set.*"):
        path.unlink()
    status, _, stderr = vstain("compare", *folders, "--match", "z-score", "--output", out)
    assert (status, stderr.count("made from another") >= 2) == (1, True)
    status, _, _ = vstain("compare", *folders, "--match", "z-score", "--output", out, "--overwrite")
    assert status == 0
    metrics = json.loads((out / "a" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["match"] == "z-score"
    assert metrics["made_from"]["options"]["match"] == "z-score"
    # No path of this machine is in what may be sent to somebody else.
    assert str(tmp_path) not in (out / "a" / "metrics.json").read_text(encoding="utf-8")
    (out / "a" / "metrics.json").write_text("{")
    status, _, stderr = vstain("compare", *folders, "--match", "z-score", "--output", out)
    assert "made from something that it does not say" in stderr
