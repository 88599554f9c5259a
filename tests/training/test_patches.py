"""Patches: where they lie, what they read around them, and that they follow from (seed, step)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.networks import Geometry, Window
from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.lazy import LazyChannels
from napari_virtual_stain.training.patches import Patches, PatchPlan, patch_plan


def batch(examples, plan, count, seed, step, **options):
    """Return inputs and targets of a step."""
    drawn = Patches(examples, plan, seed, **options).draw(step, range(count))
    return drawn.values, drawn.targets


def numbered(*shape):
    """Return an example whose input tells the position of each pixel, and its target the same."""
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    return Example(values, 2 * values[:, 0] if len(shape) == 3 else 2 * values, ())


WINDOW = Window((16, 16), (8, 8), (4, 4))


@pytest.mark.parametrize("sizes", [(40, 30), (8, 8), (5, 3), (1, 9)])
def test_a_window_is_learned_from_all_that_lies_around_it(sizes):
    example = numbered(*sizes)
    plan = patch_plan([example], (256, 256), Geometry((16, 16), (0, 0), window=WINDOW))
    assert (plan.target, plan.source) == ((8, 8), (16, 16))
    # All there is around an image: where its outputs begin, −4 … size − 4, keyed by their pixels.
    around = np.pad(example.values[0], 8, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(around, (16, 16))
    allowed = {windows[y, x].tobytes(): (y - 4, x - 4) for y, x in np.ndindex(windows.shape[:2])}
    found = set()
    for step in range(60):
        values, targets = batch([example], plan, 2, 0, step)
        assert (values.shape, targets.shape) == ((2, 1, 16, 16), (2, 1, 8, 8))
        assert np.array_equal(targets, 2 * values[:, :, 4:12, 4:12])
        found |= {allowed[patch.tobytes()] for patch in values}
    assert len(found) > 20 or max(sizes) < 10


def test_windows_hang_over_the_borders_as_far_as_those_of_a_prediction():
    plan = patch_plan([numbered(20, 20)], (1, 1), Geometry((16, 16), (0, 0), window=WINDOW))
    assert plan.overhang == (4, 4)
    example = Example(
        np.zeros((1, 20, 20), np.float32),
        np.broadcast_to(np.arange(20, dtype=np.float32), (1, 20, 20)),
        (),
    )
    rows = set()
    for step in range(100):
        _, targets = batch([example], plan, 4, 0, step)
        rows |= {tuple(target[0, 0].astype(int)) for target in targets}
    # They begin 4 before the first pixel … and end 4 behind the last.
    assert len(rows) == 21
    assert (4, 3, 2, 1, 0, 1, 2, 3) in rows
    assert (16, 17, 18, 19, 18, 17, 16, 15) in rows


def test_a_stack_that_is_projected_is_read_in_its_whole_depth():
    shallow, deep = numbered(5, 20, 24), numbered(9, 20, 24)
    geometry = Geometry((2, 4, 4), (0, 0, 0), projects=True)
    plan = patch_plan([shallow, deep], (50, 16, 64), geometry)
    assert (plan.target, plan.source, plan.depth_stride) == ((16, 24), (16, 24), 2)
    depths = set()
    for step in range(20):
        values, targets = batch([shallow, deep], plan, 3, 0, step)
        assert values.shape in ((3, 1, 6, 16, 24), (3, 1, 10, 16, 24))
        assert np.array_equal(targets, 2 * values[:, :, 0])
        # Reflected behind the last plane.
        assert np.array_equal(values[:, :, -1], values[:, :, -3])
        depths.add(values.shape[2])
    assert depths == {6, 10}


def test_stacks_are_drawn_in_proportion_to_what_there_is_to_learn():
    small, large = numbered(9, 8, 8), numbered(3, 8, 24)
    plan = PatchPlan((8, 8), (8, 8), (0, 0), depth_stride=1)
    depths = [batch([small, large], plan, 1, 0, step)[0].shape[2] for step in range(400)]
    assert 0.68 < np.mean(np.array(depths) == 3) < 0.82


def test_patches_of_other_networks_lie_inside():
    example = numbered(20, 24)
    plan = patch_plan([example], (16, 16), Geometry((8, 8), (8, 8)))
    assert (plan.target, plan.overhang) == ((16, 16), (0, 0))
    for step in range(30):
        (patch,), _ = batch([example], plan, 1, 0, step)
        assert len(np.unique(patch)) == 256


def test_a_margin_is_read_around_input_and_target_and_reflected_at_the_border():
    example = numbered(20, 24)
    plan = patch_plan([example], (16, 16), Geometry((8, 8), (8, 8)))
    around = np.pad(example.values[0], 3, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(around, (22, 22))
    allowed = {windows[y, x].tobytes() for y, x in np.ndindex(windows.shape[:2])}
    for step in range(10):
        values, targets = batch([example], plan, 2, 0, step, margin=(3, 3))
        assert np.array_equal(targets, 2 * values)
        assert {patch.tobytes() for patch in values} <= allowed


def test_a_patch_follows_from_its_number_so_that_processes_can_share_a_batch():
    patches = Patches([numbered(40, 50)], PatchPlan((8, 8), (8, 8), (0, 0)), 3)
    whole = patches.draw(7, range(4))
    halves = [patches.draw(7, numbers) for numbers in (range(2), range(2, 4))]
    assert np.array_equal(whole.values, np.concatenate([half.values for half in halves]))
    assert list(whole.seeds) == [*halves[0].seeds, *halves[1].seeds]
    assert len(set(whole.seeds)) == 4


def weighted(size, inside):
    """Return an example that counts in one part alone."""
    example = numbered(size, size)
    weight = np.zeros((1, size, size), bool)
    weight[(0, *inside)] = True
    return replace(example, weight=weight)


def test_patches_are_drawn_where_something_counts():
    example = weighted(200, (slice(150, 160), slice(20, 30)))
    patches = Patches([example], PatchPlan((16, 16), (16, 16), (0, 0)), 0)
    seen = np.zeros((200, 200), bool)
    for step in range(60):
        drawn = patches.draw(step, range(2))
        assert drawn.weights.dtype == bool
        for target in drawn.targets:
            seen.flat[(target / 2).astype(int).ravel()] = True
        for weight, target in zip(drawn.weights, drawn.targets, strict=True):
            assert np.array_equal(
                weight[0].sum(), example.weight.flat[(target / 2).astype(int)].sum()
            )
    assert seen[150:160, 20:30].all()
    assert not seen[:100].any()


def test_examples_are_drawn_in_proportion_to_what_counts_of_them():
    little, nothing = weighted(64, (slice(0, 8), slice(0, 8))), numbered(64, 64)
    nothing = replace(nothing, weight=np.zeros((1, 64, 64), bool), values=nothing.values + 1e6)
    much = weighted(64, (slice(0, 24), slice(0, 8)))
    much = replace(much, values=much.values + 2e6)
    patches = Patches([little, nothing, much], PatchPlan((8, 8), (8, 8), (0, 0)), 0)
    which = [int(patches.draw(step, [0]).values.min() // 1e6) for step in range(400)]
    assert set(which) == {0, 2}
    assert 0.68 < np.mean(np.array(which) == 2) < 0.82


def test_nothing_that_counts_is_said():
    empty = replace(numbered(20, 20), weight=np.zeros((1, 20, 20), bool))
    with pytest.raises(VirtualStainError, match="nothing to learn: no pixel of any target counts"):
        Patches([empty], PatchPlan((8, 8), (8, 8), (0, 0)), 0)


def test_patches_can_be_drawn_around_foreground():
    target = np.random.default_rng(0).normal(0, 0.1, (1, 256, 256)).astype(np.float32)
    target[0, 200:210, 40:50] = 10
    example, plan = Example(target, target, ()), PatchPlan((32, 32), (32, 32), (0, 0))
    shares = []
    for foreground in (0.0, 0.5, 1.0):
        patches = Patches([example], plan, 0, foreground=foreground)
        shares.append(np.mean([patches.draw(step, [0]).targets.max() > 5 for step in range(200)]))
    assert shares[0] < 0.1
    assert 0.4 < shares[1] < 0.65
    assert shares[2] > 0.95


def test_channels_that_are_read_when_asked_for_give_the_same_patches():
    example = weighted(80, (slice(10, 60), slice(5, 70)))
    reads = []

    def lazily(array):
        def read(region):
            reads.append(region)
            return array[(slice(None), *region)]

        return LazyChannels(read, array.shape)

    lazy = replace(
        example,
        values=lazily(example.values),
        target=lazily(example.target),
        weight=lazily(example.weight),
    )
    plan = patch_plan([lazy], (16, 16), Geometry((8, 8), (8, 8)))
    one, other = (Patches([e], plan, 5, margin=(2, 2)).draw(3, range(3)) for e in (example, lazy))
    assert np.array_equal(one.values, other.values)
    assert np.array_equal(one.targets, other.targets)
    assert np.array_equal(one.weights, other.weights)
    # The weights are looked through once; of the rest, nothing but the patches is read.
    assert max(part.stop - part.start for region in reads[1:] for part in region) <= 20
