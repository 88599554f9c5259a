"""Confusion of grey values, random pixels, and tests over a set of images."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap, ttest_rel

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.evaluation.confusion import ConfusionCounter, confusion_matrix
from napari_virtual_stain.evaluation.metrics import pearson_r
from napari_virtual_stain.evaluation.sampled import PixelDraws, Positions, sampled_pearson_r
from napari_virtual_stain.evaluation.significance import bootstrap_interval, paired_t_test


def images(count=3, seed=0):
    rng = np.random.default_rng(seed)
    observed = [rng.gamma(2, 30, (40 + 9 * n, 50)).astype(np.float32) for n in range(count)]
    return observed, [0.8 * o + rng.normal(0, 20, o.shape) for o in observed]


def test_confusion_worked_by_hand():
    # 1.0 belongs to the last bin, 0.1 to the second, and what lies beyond to the outermost.
    observed = np.array([0.0, 0.05, 0.1, 0.95, 1.0, 1.0])
    predicted = np.array([0.0, 0.15, 0.1, 0.99, 1.0, -3.0])
    found = confusion_matrix(observed, predicted, limits=(0, 1))
    expected = np.zeros((10, 10), int)
    expected[0, 0], expected[0, 1], expected[1, 1], expected[9, 9], expected[9, 0] = (
        1,
        1,
        1,
        3 - 1,
        1,
    )
    expected[9, 9] = 2
    np.testing.assert_array_equal(found.counts, expected)
    assert found.overall_accuracy == pytest.approx(4 / 6)
    np.testing.assert_allclose(found.bin_accuracy, [0.5, 1, *[np.nan] * 7, 2 / 3])
    assert found.shares[9, 0] == pytest.approx(1 / 3)
    assert np.isnan(found.shares[4]).all()


def test_confusion_is_numpys_two_dimensional_histogram_image_after_image():
    observed, predicted = images()
    counter = ConfusionCounter(0, 200, bins=7)
    for pair in zip(observed, predicted, strict=True):
        counter.add(*pair)
    o, p = (
        np.concatenate([i.ravel() for i in part]).clip(0, 200) for part in (observed, predicted)
    )
    expected, _, _ = np.histogram2d(o, p, bins=7, range=[(0, 200), (0, 200)])
    np.testing.assert_array_equal(counter.result().counts, expected)


def test_confusion_counts_what_counts():
    observed, predicted = (part[0] for part in images())
    mask = np.random.default_rng(0).random(observed.shape) < 0.5
    found = confusion_matrix(observed, predicted, mask, limits=(0, 200))
    cut = confusion_matrix(observed[mask], predicted[mask], limits=(0, 200))
    np.testing.assert_array_equal(found.counts, cut.counts)
    broken = np.where(mask, observed, np.nan), np.where(mask, predicted, np.inf)
    np.testing.assert_array_equal(confusion_matrix(*broken, limits=(0, 200)).counts, cut.counts)
    nothing = confusion_matrix(observed, predicted, mask & False, limits=(0, 200))
    assert math.isnan(nothing.overall_accuracy)
    with pytest.raises(VirtualStainError, match="from 5 to 5"):
        confusion_matrix(observed, predicted, limits=(5, 5))


def test_random_pixels_are_those_of_all_images_and_of_any_model():
    observed, predicted = images()
    found = sampled_pearson_r(observed, predicted, pixels=500, repeats=4, seed=7)
    everything = [np.concatenate([i.ravel() for i in part]) for part in (observed, predicted)]
    rng = np.random.default_rng(7)
    for value in found.values:
        drawn = rng.integers(len(everything[0]), size=500)
        assert value == pytest.approx(pearson_r(*(each[drawn] for each in everything)), abs=1e-10)
    assert found.mean == pytest.approx(np.mean(found.values))
    assert found.spread == pytest.approx(np.std(found.values, ddof=1))
    assert found.mean == pytest.approx(pearson_r(*everything), abs=0.05)
    # Another model with the same values at the same places has the same r.
    other = [2 * p + 1 for p in predicted]
    again = sampled_pearson_r(observed, other, pixels=500, repeats=4, seed=7)
    assert again.values == pytest.approx(found.values, abs=1e-10)


def test_random_pixels_of_nothing_or_of_other_grids_are_refused():
    observed, predicted = images()
    with pytest.raises(VirtualStainError, match="no image"):
        sampled_pearson_r([], [])
    with pytest.raises(VirtualStainError, match="image 2 has 49 × 50 observed and 40 × 50"):
        sampled_pearson_r(observed[:2], [predicted[0], predicted[0]])


def test_the_paired_test_worked_by_hand():
    # Differences 0.1, 0.2 and 0.3: mean 0.2, standard error 0.1 / √3, t = 2 √3, two degrees.
    found = paired_t_test([0.6, 0.8, 1.0], [0.5, 0.6, 0.7])
    assert found.mean_difference == pytest.approx(0.2)
    assert found.statistic == pytest.approx(2 * math.sqrt(3))
    assert found.degrees == 2
    # The tail of Student's t with two degrees has a closed form.
    t = found.statistic
    assert found.p == pytest.approx(0.5 - t / (2 * math.sqrt(2 + t * t)))


def test_the_paired_test_is_scipys_and_one_tailed():
    rng = np.random.default_rng(0)
    first, second = rng.random(20) + 0.1, rng.random(20)
    expected = ttest_rel(first, second, alternative="greater")
    found = paired_t_test(first, second)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert paired_t_test(second, first).p == pytest.approx(1 - found.p)
    some = [*first, math.nan, 0.5], [*second, 0.5, math.nan]
    assert paired_t_test(*some) == found


def test_the_paired_test_where_nothing_varies_or_is_missing():
    assert paired_t_test([0.5, 0.5], [0.5, 0.5]).p == 1
    always = paired_t_test([0.75, 0.5], [0.5, 0.25])
    assert always.p == 0
    assert math.isnan(always.statistic)
    with pytest.raises(VirtualStainError, match="two images or more"):
        paired_t_test([0.5, math.nan], [0.4, 0.3])
    with pytest.raises(VirtualStainError, match="of 2 images and the other of 1"):
        paired_t_test([0.5, 0.6], [0.4])


def test_the_bootstrap_interval_is_scipys_within_what_draws_vary():
    values = np.random.default_rng(0).normal(0.7, 0.1, 25)
    expected = bootstrap(
        (values,), np.mean, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=3e-3)
    assert low < values.mean() < high
    assert bootstrap_interval(values) == (low, high)
    assert bootstrap_interval([*values, math.nan]) == (low, high)
    assert all(math.isnan(end) for end in bootstrap_interval([0.5]))
    wider = bootstrap_interval(values, 0.99)
    assert wider[0] < low < high < wider[1]


def test_random_pixels_image_by_image_are_those_of_all_in_memory():
    observed, predicted = images(4)
    rng = np.random.default_rng(2)
    observed[1][rng.random(observed[1].shape) < 0.3] = np.nan
    mask = rng.random(observed[3].shape) < 0.4
    masks = [None, None, None, mask]
    sizes = [
        int((np.isfinite(o) & (True if m is None else m)).sum())
        for o, m in zip(observed, masks, strict=True)
    ]
    positions = Positions(sizes, pixels=700, repeats=5, seed=3)
    draws = PixelDraws(positions)
    for one in zip(observed, predicted, masks, strict=True):
        draws.add(*one)
    kept = [observed[0], observed[1], observed[2], np.where(mask, observed[3], np.nan)]
    expected = sampled_pearson_r(kept, predicted, pixels=700, repeats=5, seed=3)
    assert draws.result().values == pytest.approx(expected.values, abs=1e-10)
    assert all(math.isfinite(value) for value in expected.values)
    again = PixelDraws(positions)
    with pytest.raises(VirtualStainError, match="of image 1, 2000 pixels count, where 1"):
        PixelDraws(Positions([1, 2])).add(observed[0], predicted[0])
    for one in zip(observed, predicted, masks, strict=True):
        again.add(*one)
    with pytest.raises(VirtualStainError, match="more images are added"):
        again.add(observed[0], predicted[0])


def test_as_many_random_pixels_are_drawn_as_there_are_but_a_million_at_most():
    observed, predicted = images(2)
    found = sampled_pearson_r(observed, predicted)
    assert (found.pixels, len(found.values)) == (40 * 50 + 49 * 50, 30)
    assert Positions([2_000_000], repeats=1).pixels == 1_000_000
    assert Positions([2**33], pixels=10, repeats=1).draws[0].max() > 2**32


def test_a_draw_worked_by_hand():
    # Two images of two pixels; of the four, the draw takes the first and the last twice.
    observed = [np.array([1.0, 2.0]), np.array([3.0, 7.0])]
    predicted = [np.array([1.0, 0.0]), np.array([4.0, 5.0])]
    drawn = np.random.default_rng(1).integers(4, size=6)
    assert sorted(drawn.tolist()) == [0, 0, 1, 2, 3, 3]
    o, p = [1, 1, 2, 3, 7, 7], [1, 1, 0, 4, 5, 5]
    mean_o, mean_p = sum(o) / 6, sum(p) / 6
    cross = sum((a - mean_o) * (b - mean_p) for a, b in zip(o, p, strict=True))
    r = cross / math.sqrt(sum((a - mean_o) ** 2 for a in o) * sum((b - mean_p) ** 2 for b in p))
    (found,) = sampled_pearson_r(observed, predicted, pixels=6, repeats=1, seed=1).values
    assert found == pytest.approx(r)
