"""Patches: where they lie, what they read around them, and that they follow from (seed, step)."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.networks import Geometry, Window
from napari_virtual_stain.training import patches
from napari_virtual_stain.training.examples import Example
from napari_virtual_stain.training.patches import PatchPlan, batch, patch_plan


@pytest.fixture
def unturned(monkeypatch):
    """Patches as they lie, so that their pixels tell where from."""
    monkeypatch.setattr(patches, "turn", lambda patch, way: patch)


def numbered(*shape):
    """Return an example whose input tells the position of each pixel, and its target the same."""
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    return Example(values, 2 * values[:, 0] if len(shape) == 3 else 2 * values, ())


WINDOW = Window((16, 16), (8, 8), (4, 4))


@pytest.mark.parametrize("sizes", [(40, 30), (8, 8), (5, 3), (1, 9)])
def test_a_window_is_learned_from_all_that_lies_around_it(unturned, sizes):
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


def test_windows_hang_over_the_borders_as_far_as_those_of_a_prediction(unturned):
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


def test_a_stack_that_is_projected_is_read_in_its_whole_depth(unturned):
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


def test_patches_are_turned_unless_the_image_has_a_direction():
    values = np.arange(64, dtype=np.float32).reshape(1, 8, 8)
    example, plan = Example(values, values, ()), PatchPlan((8, 8), (8, 8), (0, 0))
    turned = {batch([example], plan, 1, 0, step)[0].tobytes() for step in range(60)}
    assert len(turned) == 8
    for step in range(5):
        still, _ = batch([example], plan, 1, 0, step, turns=False)
        assert np.array_equal(still[0], values)
