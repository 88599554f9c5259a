"""Structural similarity is scikit-image's, whatever the size, the strips and what is masked."""

from __future__ import annotations

import math

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity as reference

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation import similarity
from napari_virtual_stain.evaluation.similarity import (
    WINDOW,
    global_structural_similarity,
    structural_similarity,
)
from napari_virtual_stain.events import Stopped, stop_when


def pair(shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    observed = rng.gamma(2, 30, shape).clip(0, 255)
    predicted = 0.8 * observed + rng.normal(10, 15, shape)
    return observed.astype(dtype), predicted.astype(np.float32)


def expected_map(observed, predicted, data_range):
    """Return scikit-image's map where windows lie within the image, and its mean."""
    mean, full = reference(
        observed.astype(float), predicted.astype(float), data_range=data_range, full=True
    )
    margin = WINDOW // 2
    return mean, full[(slice(margin, -margin),) * observed.ndim]


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(7, 70), st.integers(7, 70)),
    strip=st.sampled_from([1, 500, 1 << 16]),
    seed=st.integers(0, 99),
)
def test_of_a_plane_it_is_scikit_images(shape, strip, seed):
    observed, predicted = pair(shape, seed=seed)
    data_range = float(np.ptp(observed))
    mean, _ = expected_map(observed, predicted, data_range)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "STRIP", strip)
        assert structural_similarity(observed, predicted) == pytest.approx(mean, abs=1e-10)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(7, 7, 7), (9, 40, 33), (20, 65, 31)])
def test_of_a_stack_it_is_scikit_images(monkeypatch, dtype, shape):
    monkeypatch.setattr(similarity, "STRIP", 300)
    observed, predicted = pair(shape, dtype)
    mean, _ = expected_map(observed, predicted, 255.0)
    found = structural_similarity(observed, predicted, data_range=255)
    assert found == pytest.approx(mean, abs=1e-10)


def test_plane_by_plane_it_is_the_mean_of_the_planes():
    observed, predicted = pair((4, 30, 40))
    data_range = float(np.ptp(observed))
    planes = [expected_map(o, p, data_range)[0] for o, p in zip(observed, predicted, strict=True)]
    found = structural_similarity(observed, predicted, per="plane")
    assert found == pytest.approx(np.mean(planes), abs=1e-10)


@pytest.mark.parametrize("shape", [(50, 44), (16, 30, 28)])
def test_windows_count_whose_centre_the_mask_holds(monkeypatch, shape):
    monkeypatch.setattr(similarity, "STRIP", 300)
    observed, predicted = pair(shape)
    mask = np.random.default_rng(1).random(shape) < 0.2
    data_range = float(np.ptp(observed[mask]))
    _, full = expected_map(observed, predicted, data_range)
    margin = WINDOW // 2
    expected = full[mask[(slice(margin, -margin),) * len(shape)]].mean()
    for form in (mask, mask * np.uint8(3)):
        found = structural_similarity(observed, predicted, form)
        assert found == pytest.approx(expected, abs=1e-10)
    assert math.isnan(structural_similarity(observed, predicted, mask & False))


@pytest.mark.parametrize("shape", [(50, 44), (20, 30, 28)])
@pytest.mark.parametrize("what", [np.nan, np.inf])
def test_windows_with_unmeasured_pixels_do_not_count(monkeypatch, shape, what):
    monkeypatch.setattr(similarity, "STRIP", 300)
    observed, predicted = pair(shape)
    gone = np.zeros(shape, bool)
    gone[(slice(8, 10),) * len(shape)] = True
    _, full = expected_map(observed, predicted, 255.0)
    counts = np.ones(full.shape, bool)
    counts[(slice(8 - 6, 10),) * len(shape)] = False
    found = structural_similarity(np.where(gone, what, observed), predicted, data_range=255)
    assert found == pytest.approx(full[counts].mean(), abs=1e-10)
    # What was predicted there is of no matter.
    nowhere = structural_similarity(
        np.where(gone, what, observed), np.where(gone, np.nan, predicted), ~gone, data_range=255
    )
    assert not math.isnan(nowhere)


def test_a_prediction_that_is_no_number_where_it_counts_has_no_similarity():
    observed, predicted = pair((12, 30, 28))
    predicted[2, 4, 5] = np.nan
    assert math.isnan(structural_similarity(observed, predicted))
    mask = np.zeros(observed.shape, bool)
    mask[:, 12:] = True
    _, full = expected_map(observed, np.nan_to_num(predicted), 255.0)
    found = structural_similarity(observed, predicted, mask, data_range=255)
    assert found == pytest.approx(full[:, 12 - 3 :].mean(), abs=1e-10)


def test_extremes():
    observed, predicted = pair((20, 30), np.uint16)
    assert structural_similarity(observed, observed) == pytest.approx(1, abs=1e-12)
    assert math.isnan(structural_similarity(np.full((20, 30), 7), predicted))
    black, white = np.zeros((20, 30), np.uint16), np.full((20, 30), 65535, np.uint16)
    expected = reference(black, white, data_range=65535)
    assert structural_similarity(black, white, data_range=65535) == pytest.approx(expected)


def test_a_lazy_stack_is_scored_as_one_in_memory():
    observed, predicted = pair((15, 60, 50), np.uint16)
    lazy = [da.from_array(array, chunks=(4, 20, 50)) for array in (observed, predicted)]
    assert structural_similarity(*lazy) == pytest.approx(
        structural_similarity(observed, predicted), abs=1e-12
    )


def test_the_printed_formula_takes_the_image_as_one_window():
    observed, predicted = pair((20, 30))
    o, p = observed, predicted.astype(float)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    covariance = ((o - o.mean()) * (p - p.mean())).mean()
    expected = ((2 * o.mean() * p.mean() + c1) * (2 * covariance + c2)) / (
        (o.mean() ** 2 + p.mean() ** 2 + c1) * (o.var() + p.var() + c2)
    )
    found = global_structural_similarity(observed, predicted, data_range=255)
    assert found == pytest.approx(expected, rel=1e-12)
    assert math.isnan(global_structural_similarity(np.ones((9, 9)), np.ones((9, 9))))


def test_what_has_no_window_is_refused_with_what_to_do():
    with pytest.raises(VirtualStainError, match=r"5 × 30 × 30\. Ask for it plane by plane"):
        structural_similarity(*pair((5, 30, 30)))
    assert structural_similarity(*pair((5, 30, 30)), per="plane") < 1
    with pytest.raises(VirtualStainError, match="the image has 6 × 30"):
        structural_similarity(*pair((6, 30)))
    with pytest.raises(VirtualStainError, match="the mask 9 × 8"):
        structural_similarity(*pair((9, 9)), np.ones((9, 8)))
    with pytest.raises(VirtualStainError, match="per 'cube'"):
        structural_similarity(*pair((9, 9)), per="cube")


def test_it_follows_a_request_to_stop():
    with stop_when(lambda: True), pytest.raises(Stopped):
        structural_similarity(*pair((20, 30)), data_range=1)
