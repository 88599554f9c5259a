"""What a comparison has beyond its scores: with masks, σ, stacks and what is not defined."""

from __future__ import annotations

import json
import math

import dask.array as da
import numpy as np
import pytest
from scipy import ndimage

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation import (
    RingCounter,
    calibration,
    compare,
    compare_events,
    confusion_matrix,
    fourier_ring_correlation,
    mask_overlap,
    metrics_json,
    single_scores,
    tolerance_index,
)
from napari_virtual_stain.events import Notice, run
from napari_virtual_stain.image import Image


def pair(axes="CYX", shape=(1, 24, 32), **fields):
    rng = np.random.default_rng(0)
    observed = ndimage.gaussian_filter(rng.normal(size=shape), (0,) * (len(shape) - 2) + (1, 1))
    observed = (1000 + 900 * observed).clip(0).astype(np.uint16)
    predicted = (0.9 * observed + rng.normal(0, 60, shape)).astype(np.float32)
    return Image(observed, axes, **fields), Image(predicted, axes, name="guess", **fields)


def test_details_are_those_of_the_single_functions():
    observed, predicted = pair(channels=("DAPI",))
    found = compare(observed, predicted)
    o, p = observed.numpy(), predicted.numpy()
    scores = found.details["DAPI"].as_scores()
    tolerance = tolerance_index(o, p)
    assert (scores["tolerance_index"], scores["tolerance_level"]) == (
        tolerance.index,
        tolerance.level,
    )
    assert scores["tolerance_curve"]["spatial_error"] == tolerance.spatial_error.tolist()
    confusion = confusion_matrix(o, p, limits=found.display_limits["DAPI"])
    assert scores["confusion_matrix"] == confusion.counts.tolist()
    assert scores["grey_value_accuracy"] == confusion.overall_accuracy
    overlap = mask_overlap(*(found.masks[which].numpy() for which in ("observed", "predicted")))
    assert (scores["mask_dice"], scores["mask_iou"]) == (overlap.dice, overlap.iou)
    assert scores["mask_hit"] + scores["mask_missed"] == (found.masks["observed"].numpy() > 0).sum()
    rings = fourier_ring_correlation(o[0], p[0])
    assert scores["ring_correlation"]["correlation"] == rings.correlation.tolist()
    assert (scores["resolution"], scores["resolution_unit"]) == (rings.resolution(), "px")
    assert "calibration" not in scores
    written = metrics_json(found)["channels"]["DAPI"]
    assert json.loads(json.dumps(written, allow_nan=False)) == written
    assert written["tolerance_index"] == tolerance.index
    row = single_scores(found)["DAPI"]
    assert row["mask_hit"] == overlap.hit
    assert "tolerance_curve" not in row


def test_they_are_computed_once_and_only_when_they_are_asked_for(monkeypatch):
    from napari_virtual_stain.evaluation import comparison as module

    asked = []
    original = module.details_of
    monkeypatch.setattr(module, "details_of", lambda *given: asked.append(1) or original(*given))
    found = compare(*pair("CYX", (2, 24, 32)))
    assert asked == []
    assert found.details is found.details
    assert len(asked) == 2


def test_the_spectrum_of_a_stack_is_that_of_all_planes_together_in_µm():
    voxel = {"Y": 0.5, "X": 0.25}
    observed, predicted = pair("ZYX", (4, 24, 40), voxel_size=voxel)
    o, p = observed.numpy(), predicted.numpy()
    found = compare(observed, predicted).details["channel 1"]
    counter = RingCounter((24, 40), (0.5, 0.25))
    for plane in range(4):
        counter.add(o[plane], p[plane])
    np.testing.assert_array_equal(found.spectrum.correlation, counter.result().correlation)
    assert found.spectrum_unit == "µm"
    # Sums over planes: written out for one ring.
    taper = np.outer(np.hanning(24), np.hanning(40))
    spectra = [np.fft.fft2((i - i.mean((1, 2), keepdims=True)) * taper) for i in (o, p)]
    radius = np.hypot(np.fft.fftfreq(24, 0.5)[:, None], np.fft.fftfreq(40, 0.25))
    step = max(1 / (24 * 0.5), 1 / (40 * 0.25))
    at = np.rint(radius / step) == 3
    cross = (spectra[0][:, at] * spectra[1][:, at].conj()).sum().real
    power = [(np.abs(one[:, at]) ** 2).sum() for one in spectra]
    assert found.spectrum.correlation[2] == pytest.approx(cross / math.sqrt(power[0] * power[1]))
    # A plane with a pixel that does not count is left out.
    data = o.astype(np.float32)
    data[1:, 3, 4] = np.nan
    found = compare(observed.replace(data=data), predicted).details["channel 1"]
    one = fourier_ring_correlation(o[0], p[0], (0.5, 0.25))
    np.testing.assert_allclose(found.spectrum.correlation, one.correlation, rtol=1e-6)
    data[0, 0, 0] = np.nan
    found = compare(observed.replace(data=data), predicted).details["channel 1"]
    assert found.spectrum is None
    assert math.isnan(found.as_scores()["resolution"])


def test_the_resolution_is_the_finest_period_that_is_followed():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(64, 64))
    assert fourier_ring_correlation(plane, plane).resolution() == pytest.approx(2, abs=0.1)
    assert math.isnan(fourier_ring_correlation(plane, -plane).resolution())
    constant = np.ones((64, 64))
    assert math.isnan(fourier_ring_correlation(plane, constant).resolution())
    blurred = ndimage.gaussian_filter(plane, 2) + rng.normal(0, 0.05, plane.shape)
    found = fourier_ring_correlation(plane, blurred, (0.5, 0.5))
    assert found.resolution() == pytest.approx(1 / found.resolved())
    assert 2 < found.resolution() < 6


@pytest.mark.parametrize("match", ["none", "least-squares"])
def test_sigma_is_read_for_its_channel_and_matched_as_the_prediction(match):
    observed, predicted = pair("TCYX", (2, 2, 24, 32), channels=("DAPI", "ER"))
    rng = np.random.default_rng(3)
    sigma = rng.uniform(30, 90, (2, 3, 24, 32)).astype(np.float32)
    names = ("ER entropy", "ER σ", "er")
    uncertainty = Image(da.from_array(sigma), "TCYX", channels=names)
    mask = np.zeros((24, 32))
    mask[3:20] = 1
    found = compare(
        observed, predicted, uncertainty=uncertainty, match=match, mask=Image(mask, "YX")
    )
    gains = [one.gain for one in found.coefficients["ER"]]
    scaled = sigma[:, 1] * np.float32(gains).reshape(2, 1, 1)
    np.testing.assert_allclose(found.sigma.numpy()[:, 1], scaled, rtol=1e-6)
    assert np.isnan(found.sigma.numpy()[:, 0]).all()
    expected = calibration(
        observed.numpy()[:, 1],
        found.predicted.numpy()[:, 1],
        scaled,
        counts=np.broadcast_to(mask, (2, 24, 32)),
    )
    of_er = found.details["ER"].calibration
    assert of_er.observed == pytest.approx(expected.observed)
    assert of_er.count == 2 * 17 * 32
    assert found.details["DAPI"].calibration is None


def test_uncertainty_without_sigma_is_said_and_other_grids_are_refused():
    observed, predicted = pair(channels=("DAPI",))
    entropy = Image(np.ones((1, 24, 32), np.float32), "CYX", channels=("DAPI entropy",), name="u")
    events = []
    found = run(compare_events(observed, predicted, uncertainty=entropy), events.append)
    assert found.sigma is None
    assert any(isinstance(one, Notice) and "u has no channel of σ" in one.text for one in events)
    nameless = Image(np.full((24, 32), 60, np.float32), "YX")
    assert compare(observed, predicted, uncertainty=nameless).details["DAPI"].calibration.count
    with pytest.raises(VirtualStainError, match="cannot be compared pixel by pixel"):
        compare(observed, predicted, uncertainty=Image(np.ones((24, 30)), "YX"))


@pytest.mark.parametrize("value", [0, 65535])
def test_a_constant_image_has_details_without_numbers(value):
    constant = Image(np.full((16, 16), value, np.uint16), "YX")
    found = metrics_json(compare(constant, constant))["channels"]["channel 1"]
    assert (found["tolerance_index"], found["mask_dice"], found["resolution"]) == (None,) * 3
    assert json.loads(json.dumps(found, allow_nan=False)) == found
