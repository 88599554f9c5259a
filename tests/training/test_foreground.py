"""Where the foreground of a target is, and patches drawn around it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain.training import sampling
from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.foreground import (
    MAX_PIXELS,
    draw_centre,
    foreground_map,
    foreground_threshold,
    sampled,
)
from napari_virtual_stain.training.lazy import LazyChannels


def noise(*sizes):
    """Return a target of nothing but faint noise."""
    return np.random.default_rng(0).normal(0, 0.05, sizes).astype(np.float32)


def on_demand(values):
    return LazyChannels(lambda part: values[(slice(None), *part)], values.shape)


def dark(*sizes):
    """Return a target of nothing at all."""
    return np.zeros(sizes, np.float32)


def test_cells_with_foreground_are_drawn_in_proportion_to_it():
    target = dark(1, 64, 50)
    target[0, 16:32, 0:16] += 3  # all of one cell
    target[0, 48:56, 48:50] += 3  # a corner of another, at the cut-off end
    chances = foreground_map(target, None, 16)
    expected = np.zeros((4, 4))
    expected[1, 0], expected[3, 3] = 256, 16
    np.testing.assert_allclose(chances, expected / 272)


def test_a_rare_marker_counts_as_much_as_a_common_one():
    target = dark(3, 32, 32)
    target[0, :16] += 3
    target[1, 31, 31] += 3  # the third has no foreground: it is constant
    target[2] = 0.5
    chances = foreground_map(target, None, 16)
    np.testing.assert_allclose(chances, [[0.25, 0.25], [0, 0.5]])


def test_stacks_have_cells_along_z_too():
    target = dark(1, 20, 16, 32)
    target[0, 17:, :, :16] += 3
    chances = foreground_map(target, None, 16)
    assert chances.shape == (2, 1, 2)
    assert chances[1, 0, 0] == 1


def test_what_does_not_count_is_not_drawn():
    target, weight = dark(1, 32, 32), np.ones((1, 32, 32), np.float32)
    target[0, :8, :8] += 3
    target[0, 16:, 16:] = 50
    weight[0, 16:, 16:] = 0
    hidden = np.where(weight > 0, target, np.nan)
    for given_target in (target, hidden):
        chances = foreground_map(given_target, weight, 16)
        np.testing.assert_allclose(chances, [[1, 0], [0, 0]])


def test_without_foreground_it_is_uniform_over_what_counts():
    target, weight = np.zeros((2, 32, 24), np.float32), np.zeros((2, 32, 24), np.float32)
    np.testing.assert_allclose(foreground_map(target, None, 16), [[1 / 3, 1 / 6], [1 / 3, 1 / 6]])
    weight[1, :16] = 1
    np.testing.assert_allclose(foreground_map(target, weight, 16), [[2 / 3, 1 / 3], [0, 0]])
    nothing = foreground_map(target * np.nan, np.zeros_like(weight), 16)
    np.testing.assert_allclose(nothing, [[1 / 3, 1 / 6], [1 / 3, 1 / 6]])


def test_hot_pixels_do_not_hide_the_image():
    target = noise(300, 300)
    target[:90] += 1
    expected = foreground_threshold(target)
    target[150, [3, 40, 77]] = 1e4
    assert 0.2 < expected < 0.8
    assert foreground_threshold(target) == pytest.approx(expected, abs=0.1)


def test_a_single_cell_in_a_large_image_is_found():
    target = noise(1, 1024, 1024)
    target[0, 96:116, 96:116] += 3
    assert foreground_map(target, None, 32)[3, 3] > 0.95


def test_where_nearly_all_pixels_are_alike_the_others_are_foreground():
    target = dark(200, 200)
    target[4, 4] = 7
    assert 0 <= foreground_threshold(target) < 7


def test_large_targets_are_sampled_evenly():
    values = np.arange(3 * MAX_PIXELS, dtype=np.float32).reshape(3, 1024, -1)
    found = sampled(values, None)
    assert 0.3 * MAX_PIXELS < found.size <= MAX_PIXELS
    assert len({int(value) % 1024 for value in found}) == 1024
    assert sampled(values, None, among=8).size <= MAX_PIXELS / 8
    weight = np.zeros_like(values)
    weight[1, 5] = 1
    assert np.array_equal(sampled(values, weight), values[1, 5])


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 20),
    st.integers(0, 2**31),
)
def test_probabilities_add_up_and_centres_lie_where_they_are_not_zero(sizes, cell, seed):
    rng = np.random.default_rng(seed)
    target = rng.random((2, *sizes)).astype(np.float32) ** 8
    weight = (rng.random((2, *sizes)) < 0.5).astype(np.float32)
    chances = foreground_map(target, weight, cell)
    assert chances.shape == tuple(-(-size // cell) for size in sizes)
    assert chances.sum() == pytest.approx(1)
    assert (chances >= 0).all()
    for _ in range(10):
        centre = draw_centre(chances, cell, sizes, rng)
        assert all(0 <= place < size for place, size in zip(centre, sizes, strict=True))
        assert chances[tuple(place // cell for place in centre)] > 0


def test_every_pixel_of_a_cell_is_drawn():
    chances, rng = np.array([[0.0, 1.0]]), np.random.default_rng(0)
    found = {draw_centre(chances, 4, (3, 6), rng) for _ in range(400)}
    assert found == {(y, x) for y in range(3) for x in (4, 5)}


def test_foreground_on_disk_is_that_in_memory(monkeypatch):
    """Of what is read block by block, too, with what does not count."""
    rng = np.random.default_rng(0)
    target = rng.normal(0, 0.1, (2, 150, 110)).astype(np.float32)
    target[0, 40:80, 50:70] += 5
    target[1, 5:12, 90:] += 5
    weight = np.ones(target.shape, bool)
    weight[0, :60] = False
    monkeypatch.setattr(sampling, "BLOCK", 64)
    for counts in (None, weight):
        there = Example(target, target, (None, None), counts)
        lazy = [None if values is None else on_demand(values) for values in (target, counts)]
        on_disk = Example(lazy[0], lazy[0], (None, None), lazy[1])
        one, two = (sampling.sampler(example, 0.5) for example in (there, on_disk))
        assert np.allclose(one.foreground, two.foreground)
        if counts is not None:
            assert np.array_equal(one.counting, two.counting)
