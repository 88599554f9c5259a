"""Predictions to disk are those in memory, and a run that was stopped comes to the same pixels."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.events import Notice, Progress
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import PredictOptions, predict, predict_events
from napari_virtual_stain.io import TiffTarget, ZarrTarget

UM = {"Z": 1.0, "Y": 0.5, "X": 0.5}


def picture(axes: str, *shape: int) -> Image:
    values = np.random.default_rng(3).integers(100, 4000, shape).astype(np.uint16)
    return Image(values, axes, {a: UM[a] for a in axes if a in UM}, name="well")


CASES = {
    "tiles": ({"name": "fnet"}, picture("YX", 150, 90), {"tile": 32}),
    "planes and time": ({"name": "fnet"}, picture("TZYX", 2, 2, 40, 70), {"tile": 32}),
    "3D": ({"name": "fnet", "axes": "ZYX"}, picture("TZYX", 2, 9, 40, 70), {"tile": 16}),
    "global operators": ({"name": "gvtnet"}, picture("YX", 90, 70), {"tile": 24}),
    "softmax": ({"name": "gvtnet", "attention": "softmax"}, picture("YX", 50, 70), {"tile": 24}),
    "several operators": (
        {"name": "gvtnet", "up": "gvto-v2", "large_weights": False},
        picture("YX", 60, 70),
        {"tile": 24, "context": 32},
    ),
    "projection": (
        {"name": "gvtnet-projection", "axes": "ZYX", "large_weights": False},
        picture("ZYX", 4, 40, 40),
        {"tile": 16},
    ),
    "windows": ({"name": "gt-unet", "large_weights": False}, picture("YX", 60, 40), {}),
    "resampled": (
        {"name": "fnet", "voxel_size": {"Y": 0.7, "X": 0.4}},
        picture("YX", 60, 50),
        {"tile": 16},
    ),
    "uncertainty": (
        {"name": "fnet", "likelihood": "gaussian"},
        picture("YX", 60, 40),
        {"tile": 16, "uncertainty": True},
    ),
    "augmented": (
        {"name": "gvtnet"},
        picture("YX", 45, 70),
        {"tile": 24, "uncertainty": True, "tta": True},
    ),
}


def work(models, image, options, target=None):
    return predict_events(models, image, PredictOptions(device="cpu", **options), target)


def finished(events):
    """Drive work to its end; return its result and the events."""
    seen = []
    try:
        while True:
            seen.append(next(events))
    except StopIteration as end:
        return end.value, seen


def stop_after(events, steps: int) -> bool:
    """Drive work for so many steps of prediction; return whether it was not at its end before."""
    for event in events:
        if isinstance(event, Progress) and event.stage == "Predicting":
            steps -= 1
            if not steps:
                events.close()
                return True
    return False


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def target_in(folder):
    return ZarrTarget(folder / "well.predicted.ome.zarr", folder / "well.uncertainty.ome.zarr")


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_is_what_is_predicted(make_model, tmp_path, case):
    fields, image, options = CASES[case]
    model = make_model(**fields)
    expected, _ = finished(work(model, image, options))
    written, _ = finished(work(model, image, options, target_in(tmp_path)))
    for one, other in (
        (expected.predicted, written.predicted),
        (expected.uncertainty, written.uncertainty),
    ):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(np.asarray(other.data), one.data)
            assert (other.axes, other.channels) == (one.axes, one.channels)
            assert dict(other.voxel_size) == dict(one.voxel_size)
            assert dict(other.provenance) == dict(one.provenance)


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_stopped_goes_on_to_the_same_chunks(make_model, tmp_path, case):
    fields, image, options = CASES[case]
    model = make_model(**fields)
    _, events = finished(work(model, image, options, target_in(tmp_path / "at once")))
    total = sum(isinstance(e, Progress) and e.stage == "Predicting" for e in events)
    folder = tmp_path / "in parts"
    for steps in (2, total // 3, total // 2, total - 1):
        if steps > 0:
            assert stop_after(work(model, image, options, target_in(folder)), steps)
            assert not (folder / "well.predicted.ome.zarr").exists()
    _, events = finished(work(model, image, options, target_in(folder)))
    shares = [e.done / e.total for e in events if isinstance(e, Progress) and e.total]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert files(folder) == files(tmp_path / "at once")


@pytest.mark.parametrize("case", ["tiles", "global operators", "several operators", "windows"])
def test_what_was_done_is_not_done_again(make_model, tmp_path, case, monkeypatch):
    from napari_virtual_stain.inference.engine import Engine

    fields, image, options = CASES[case]
    model = make_model(**fields)
    calls, on_device = [], Engine.on_device

    def counted(self, staged, raw=None):
        calls.append(1)
        return on_device(self, staged, raw)

    monkeypatch.setattr(Engine, "on_device", counted)
    _, seen = finished(work(model, image, options))
    total, folder = len(calls), tmp_path
    steps = sum(isinstance(e, Progress) and e.stage == "Predicting" for e in seen)
    assert stop_after(work(model, image, options, target_in(folder)), steps - 2)
    calls.clear()
    _, seen = finished(work(model, image, options, target_in(folder)))
    assert 0 < len(calls) < total / 2
    assert any("Going on" in e.text for e in seen if isinstance(e, Notice))


def test_another_image_is_another_job(make_model, tmp_path):
    model, image = make_model("fnet"), picture("YX", 90, 70)
    assert stop_after(work(model, image, {"tile": 16}, target_in(tmp_path)), 4)
    other = image.replace(data=image.numpy()[::-1].copy() // 2)
    written, seen = finished(work(model, other, {"tile": 16}, target_in(tmp_path)))
    expected = predict(model, other, tile=16, device="cpu")
    np.testing.assert_array_equal(np.asarray(written.predicted.data), expected.data)
    assert any("begins anew" in e.text for e in seen if isinstance(e, Notice))


def test_an_ensemble_is_written_too(make_model, tmp_path):
    models = [make_model("fnet", seed=seed) for seed in (0, 1)]
    image, options = picture("ZYX", 3, 40, 50), {"uncertainty": True, "tile": 16}
    expected, _ = finished(work(models, image, options))
    assert stop_after(work(models, image, options, target_in(tmp_path)), 30)
    written, _ = finished(work(models, image, options, target_in(tmp_path)))
    for one, other in (
        (expected.predicted, written.predicted),
        (expected.uncertainty, written.uncertainty),
    ):
        np.testing.assert_array_equal(np.asarray(other.data), one.data)


def test_a_tiff_is_written_by_way_of_a_store(make_model, tmp_path):
    model, image = make_model("gvtnet"), picture("ZYX", 2, 90, 70)
    path = tmp_path / "well.predicted.ome.tif"
    assert stop_after(work(model, image, {"tile": 24}, TiffTarget(path)), 20)
    written, _ = finished(work(model, image, {"tile": 24}, TiffTarget(path)))
    expected = predict(model, image, tile=24, device="cpu")
    np.testing.assert_array_equal(np.asarray(written.predicted.data), expected.data)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
