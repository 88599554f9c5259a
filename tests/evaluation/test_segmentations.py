"""Masks that overlap, objects that match, and spectra that agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.instances import THRESHOLDS, match_instances
from napari_virtual_stain.evaluation.overlap import Overlap, mask_overlap, overlap_labels
from napari_virtual_stain.evaluation.spectrum import fourier_ring_correlation

OBSERVED = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]], np.uint8)
PREDICTED = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]], bool)


def test_overlap_worked_by_hand():
    found = mask_overlap(OBSERVED, PREDICTED)
    assert found == Overlap(hit=2, missed=3, false=2, neither=5)
    assert found.dice == pytest.approx(4 / 9)
    assert found.iou == pytest.approx(2 / 7)
    assert (found.precision, found.recall) == pytest.approx((2 / 4, 2 / 5))
    np.testing.assert_array_equal(
        overlap_labels(OBSERVED, PREDICTED), [[2, 1, 3, 0], [2, 1, 3, 0], [0, 0, 0, 2]]
    )
    counts = np.ones(OBSERVED.shape)
    counts[:, 3] = 0
    assert mask_overlap(OBSERVED, PREDICTED, counts) == Overlap(2, 2, 2, 3)
    assert found + Overlap(1, 1, 1, 1) == Overlap(3, 4, 3, 6)


def test_overlap_of_empty_masks_and_other_grids():
    nothing = mask_overlap(OBSERVED * 0, OBSERVED * 0)
    assert math.isnan(nothing.dice)
    assert math.isnan(nothing.iou)
    assert mask_overlap(OBSERVED, OBSERVED).iou == 1
    assert mask_overlap(OBSERVED, OBSERVED * 0).dice == 0
    with pytest.raises(VirtualStainError, match="3 × 4 pixels and the predicted mask 4 × 3"):
        mask_overlap(OBSERVED, OBSERVED.T)


def test_objects_worked_by_hand():
    # IoU 2/4 of the first pair, 3/3 of the second; the third observed object has no partner.
    observed = np.array([[7, 7, 7, 0, 2, 2, 2, 0, 4]])
    predicted = np.array([[0, 5, 5, 5, 9, 9, 9, 0, 0]])
    found = {one.threshold: one for one in match_instances(observed, predicted)}
    assert tuple(found) == THRESHOLDS
    assert (found[0.5].matched, found[0.5].missed, found[0.5].false) == (2, 1, 0)
    assert found[0.5].average_precision == pytest.approx(2 / 3)
    assert (found[0.55].matched, found[0.55].missed, found[0.55].false) == (1, 2, 1)
    assert found[0.95].average_precision == pytest.approx(1 / 4)


def test_an_object_has_one_partner_at_most():
    # One observed object, of which two predicted ones have exactly one half each.
    observed, predicted = np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 2]])
    (found,) = match_instances(observed, predicted, [0.5])
    assert (found.matched, found.missed, found.false) == (1, 0, 1)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7])
def test_as_many_objects_as_possible_match(threshold):
    rng = np.random.default_rng(0)
    blobs = [ndimage.gaussian_filter(rng.normal(size=(90, 80)), 3) for _ in range(2)]
    observed = ndimage.label(blobs[0] > 0.05)[0]
    predicted = ndimage.label(0.7 * blobs[0] + 0.3 * blobs[1] > 0.04)[0].astype(np.uint16)
    count_o, count_p = observed.max(), int(predicted.max())
    iou = np.zeros((count_o, count_p))
    for i, j in np.ndindex(*iou.shape):
        o, p = observed == i + 1, predicted == j + 1
        iou[i, j] = (o & p).sum() / (o | p).sum()
    there = iou >= threshold
    expected = there[linear_sum_assignment(there, maximize=True)].sum()
    (found,) = match_instances(observed, predicted, [threshold])
    assert found.matched == expected
    assert (found.missed, found.false) == (count_o - expected, count_p - expected)


def test_objects_of_empty_images_and_what_is_no_segmentation():
    nothing, some = np.zeros((4, 5), int), np.eye(4, 5, dtype=int)
    assert math.isnan(match_instances(nothing, nothing)[0].average_precision)
    assert match_instances(nothing, some)[0].false == 1
    assert match_instances(some, nothing)[0].missed == 1
    with pytest.raises(VirtualStainError, match="labels are integers"):
        match_instances(nothing, some.astype(float))
    with pytest.raises(VirtualStainError, match="one grid"):
        match_instances(nothing, some.T)


def written_out(observed, predicted):
    """Return the correlation of each ring of the whole spectrum."""
    height, width = observed.shape
    taper = np.outer(np.hanning(height), np.hanning(width))
    o, p = (np.fft.fft2((i - i.mean()) * taper) for i in (observed, predicted))
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    step = max(1 / height, 1 / width)
    ring = np.rint(radius / step)
    return [
        (o[at] * p[at].conj()).sum().real
        / math.sqrt((np.abs(o[at]) ** 2).sum() * (np.abs(p[at]) ** 2).sum())
        for at in (ring == n for n in range(1, int(0.5 / step) + 1))
    ]


@pytest.mark.parametrize("shape", [(40, 40), (41, 64), (64, 33)])
def test_rings_are_those_of_the_whole_spectrum(shape):
    rng = np.random.default_rng(0)
    observed = ndimage.gaussian_filter(rng.normal(size=shape), 1) + 5
    predicted = observed + rng.normal(0, 0.1, shape)
    found = fourier_ring_correlation(observed, predicted)
    np.testing.assert_allclose(found.correlation, written_out(observed, predicted), atol=1e-10)
    assert (np.diff(found.frequencies) > 0).all()


def test_what_is_blurred_away_is_not_followed():
    rng = np.random.default_rng(0)
    observed = rng.normal(size=(128, 128))
    follows = ndimage.gaussian_filter(observed, 2) + rng.normal(0, 0.02, observed.shape)
    found = fourier_ring_correlation(observed, follows, (0.5, 0.5))
    assert found.correlation[2] > 0.95
    assert found.correlation[-1] < 0.3
    # Where the blur leaves as much of the image as there is noise, some way below 1 / (2 · 0.5).
    assert 0.2 < found.resolved() < 0.6
    assert math.isnan(fourier_ring_correlation(observed, observed).resolved())


def test_what_has_no_spectrum_is_refused():
    plane = np.random.default_rng(0).random((16, 16))
    for pair in ((plane, plane[:8]), (plane[:4], plane[:4]), (plane[None], plane[None])):
        with pytest.raises(VirtualStainError, match="8 × 8 pixels or more"):
            fourier_ring_correlation(*pair)
    with pytest.raises(VirtualStainError, match="NaN or infinite"):
        fourier_ring_correlation(plane, np.where(plane > 0.9, np.nan, plane))
