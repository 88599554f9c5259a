"""Turns, scale and rotation: both sides of a pair alike, and nothing invented."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain.inference.dihedral import TURNS
from napari_virtual_stain.training.augmentation import Augmentation, augment, margin
from napari_virtual_stain.training.augmentation.geometry import matrices, sampled

STILL = Augmentation(turns=False)
WARPED = Augmentation(scale=0.3, rotation=25)
LARGEST = Augmentation(turns=False, scale=0.4, rotation=30)


def read(how, *shape):
    """Return seeded noise with the margin around patches of `shape` (B, C, [Z,] Y, X)."""
    sizes = [n + 2 * m for n, m in zip(shape[2:], margin(how, shape[2:]), strict=True)]
    return torch.randn(*shape[:2], *sizes, generator=torch.Generator().manual_seed(1))


def moved(inputs, targets, how, source, target=None, weights=None, first=0):
    seeds = [(first + i, 5) for i in range(len(inputs))]
    planes = (1,) * inputs.shape[1]
    return augment(
        inputs, targets, weights, how, seeds, source=source, target=target or source, planes=planes
    )


def inner(values, size):
    """Return the centre, (…, size, size)."""
    y, x = ((n - size) // 2 for n in values.shape[-2:])
    return values[..., y : y + size, x : x + size]


@pytest.mark.parametrize("shape", [(3, 2, 16, 16), (2, 1, 4, 12, 18)])
def test_nothing_asked_changes_no_bit(shape):
    patches, before = read(STILL, *shape), read(STILL, *shape)
    inputs, targets, weights = moved(patches, patches, STILL, shape[2:], weights=patches > 0)
    assert torch.equal(inputs, before)
    assert torch.equal(targets, before)
    assert torch.equal(weights, before > 0)


def test_what_is_beyond_the_patch_is_cropped():
    patches = read(STILL, 2, 1, 20, 18)
    inputs, targets, _ = moved(patches, patches, STILL, (20, 18), (12, 14))
    assert torch.equal(inputs, patches)
    assert torch.equal(targets, patches[..., 4:16, 2:16])


@settings(max_examples=20, deadline=None)
@given(
    size=st.sampled_from([(1, 1), (9, 9), (16, 16), (12, 17), (3, 10, 10)]),
    scale=st.floats(0, 1),
    rotation=st.floats(0, 180),
    turns=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_an_input_that_equals_its_target_stays_equal(size, scale, rotation, turns, seed):
    how = Augmentation(turns=turns, scale=scale, rotation=rotation)
    patches = read(how, 3, 2, *size)
    inputs, targets, _ = moved(patches, patches.clone(), how, size, first=seed)
    assert torch.equal(inputs, targets)
    assert inputs.shape[2:] == size


@pytest.mark.parametrize("how", [Augmentation(), WARPED])
def test_a_window_stays_at_the_centre_of_what_is_read_for_it(how):
    patches = read(how, 6, 1, 32, 32)
    small = 16 + 2 * margin(how, (16, 16))[0]
    inputs, targets, _ = moved(patches, inner(patches, small), how, (32, 32), (16, 16))
    assert targets.shape == (6, 1, 16, 16)
    torch.testing.assert_close(inner(inputs, 16), targets, rtol=0, atol=1e-4)


@pytest.mark.parametrize("how", [Augmentation(), WARPED])
def test_a_projection_moves_as_its_stack_does(how):
    stacks = read(how, 4, 1, 5, 24, 24)
    inputs, targets, _ = moved(stacks, stacks[:, :, 2], how, (5, 24, 24), (24, 24))
    assert torch.equal(inputs[:, :, 2], targets)
    # Sizes of the plane alone say as much, because Z is left as it is.
    again, *_ = moved(stacks, stacks[:, :, 2], how, (24, 24), (24, 24))
    assert torch.equal(again, inputs)


def test_planes_of_a_stack_move_alike_and_stay_in_order():
    stack = read(WARPED, 3, 1, 1, 16, 16) * torch.arange(1.0, 5)[:, None, None]
    inputs, *_ = moved(stack, stack, WARPED, (4, 16, 16))
    torch.testing.assert_close(
        inputs / torch.arange(1.0, 5)[:, None, None], inputs[:, :, :1] + 0 * inputs
    )


def test_turns_are_the_symmetries_of_the_square_all_as_often():
    patch = torch.arange(9.0).reshape(1, 1, 3, 3).repeat(1600, 1, 1, 1)
    turned, *_ = moved(patch, patch, Augmentation(), (3, 3))
    found, counts = torch.unique(turned.reshape(1600, 9), dim=0, return_counts=True)
    group = {tuple(t.apply(patch[0]).flatten().tolist()) for t in TURNS}
    assert {tuple(one.tolist()) for one in found} == group
    # 200 of each are expected; the spread is 13.
    assert (counts - 200).abs().max() < 60
    quarters = [np.rot90(patch[0].numpy(), n, (1, 2)) for n in range(4)]
    by_hand = {one.tobytes() for q in quarters for one in (q, q[..., ::-1])}
    assert by_hand == {np.array(one, np.float32).tobytes() for one in group}


@pytest.mark.parametrize(("source", "target"), [((4, 6), (4, 6)), ((6, 6), (4, 6))])
def test_patches_that_are_not_square_are_turned_by_halves(source, target):
    patch = torch.arange(36.0).reshape(1, 1, 6, 6)[..., : source[0], : source[1]]
    patch = patch.repeat(80, 1, 1, 1)
    small = patch[..., (source[0] - target[0]) // 2 :, :][..., : target[0], :]
    inputs, targets, _ = moved(patch, small, Augmentation(), source, target)
    assert (inputs.shape[2:], targets.shape[2:]) == (source, target)
    assert len(torch.unique(inputs.flatten(1), dim=0)) == 4


def ramp(sizes):
    """Return the offsets (Y, X) from the centre, which linear interpolation keeps exactly."""
    y, x = (torch.arange(n) - (n - 1) / 2 for n in sizes)
    return torch.stack(torch.meshgrid(y, x, indexing="ij"))[None]


@pytest.mark.parametrize("size", [(32, 32), (31, 32), (16, 40)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_nothing_is_invented_within_the_margin_and_it_is_no_wider(size, sign):
    beyond = margin(LARGEST, size)
    wide = [n + 2 * m for n, m in zip(size, beyond, strict=True)]
    place = matrices(np.array([1 / 1.4]), np.radians([sign * 30.0]))
    wanted = torch.einsum("ij,njyx->niyx", torch.tensor(place[0], dtype=torch.float), ramp(size))
    result = sampled(ramp(wide), place, size)
    torch.testing.assert_close(result, wanted, rtol=0, atol=1e-3)
    narrow = [n - 2 for n in wide]
    assert (sampled(ramp(narrow), place, size) - wanted).abs().max() > 0.1


def test_less_than_the_margin_is_refused():
    patches = read(LARGEST, 1, 1, 16, 16)
    with pytest.raises(ValueError, match="need 7 more on either side"):
        moved(patches[..., 1:-1, :], patches, LARGEST, (16, 16))
    with pytest.raises(ValueError, match="33 pixels were read for 16"):
        moved(patches, torch.nn.functional.pad(patches, (0, 3)), LARGEST, (16, 16))


def drawn(how):
    """Return factors and degrees that were drawn for 600 samples, which are similarities."""
    size = (8, 8)
    wide = ramp([n + 2 * m for n, m in zip(size, margin(how, size), strict=True)])
    result, *_ = moved(wide.repeat(600, 1, 1, 1), wide.repeat(600, 1, 1, 1), how, size)
    along_y = (result[:, :, -1, 0] - result[:, :, 0, 0]) / 7
    along_x = (result[:, :, 0, -1] - result[:, :, 0, 0]) / 7
    # Right angles stay right, nothing is stretched, and nothing is seen in a mirror.
    turned = torch.stack([-along_y[:, 1], along_y[:, 0]], 1)
    torch.testing.assert_close(turned, along_x, rtol=0, atol=1e-4)
    return 1 / along_y.norm(dim=1), torch.rad2deg(torch.atan2(along_y[:, 1], along_y[:, 0]))


def test_scale_and_rotation_are_as_large_as_asked():
    factors, degrees = drawn(Augmentation(turns=False, scale=0.5, rotation=20))
    logs = factors.log() / np.log(1.5)
    for values, most in ((logs, 1), (degrees / 20, 1)):
        assert values.abs().max() < most + 1e-3
        assert values.abs().max() > 0.98 * most
        # Uniform in ±1: the mean of 600 spreads by 0.024, and the variance is 1/3.
        assert values.mean().abs() < 0.1
        assert values.var() == pytest.approx(1 / 3, abs=0.05)
    assert np.corrcoef(logs, degrees)[0, 1] == pytest.approx(0, abs=0.15)
    assert drawn(replace(STILL, scale=0.5))[1].abs().max() < 1e-3
    assert drawn(replace(STILL, rotation=20))[0].sub(1).abs().max() < 1e-4


def test_a_larger_factor_draws_things_larger():
    blob = torch.exp(-(ramp((64, 64)) ** 2).sum(1, keepdim=True) / 32)
    sizes = sampled(blob.repeat(2, 1, 1, 1), matrices(np.array([1.3, 0.8]), np.zeros(2)), (32, 32))
    areas = sizes.sum((1, 2, 3)) / blob.sum()
    np.testing.assert_allclose(areas, [1.3**2, 0.8**2], rtol=0.01)


@pytest.mark.parametrize("how", [Augmentation(), WARPED])
def test_what_does_not_count_enters_nothing(how):
    patches = read(how, 8, 2, 24, 24)
    weights = (torch.rand(patches.shape, generator=torch.Generator().manual_seed(2)) > 0.05).float()
    holed = patches.where(weights > 0, float("nan"))
    _, expected, _ = moved(patches, patches, how, (24, 24))
    _, targets, kept = moved(patches, holed, how, (24, 24), weights=weights)
    assert set(kept.unique().tolist()) == {0, 1}
    counts = kept > 0
    assert counts.any()
    torch.testing.assert_close(targets[counts], expected[counts], rtol=0, atol=1e-2)
    # A hole takes those with it that are computed from it, and no others: within 1 pixel.
    _, shares, _ = moved(patches, 1 - weights, how, (24, 24))
    assert torch.equal(counts, shares < 1e-3)


def test_what_does_not_count_by_one_weight_for_all_outputs():
    patches = read(WARPED, 2, 3, 16, 16)
    weights = torch.ones_like(patches[:, :1])
    weights[..., : weights.shape[-1] // 2] = 0
    targets = patches.where(weights > 0, float("nan"))
    _, result, kept = moved(patches, targets, WARPED, (16, 16), weights=weights)
    assert kept.shape == (2, 1, 16, 16)
    assert 0 < kept.mean() < 1
    assert result.isfinite().all()


def test_everything_counts_where_everything_did():
    patches = read(WARPED, 8, 1, 64, 64)
    *_, kept = moved(patches, patches, WARPED, (64, 64), weights=torch.ones_like(patches))
    assert kept.min() == 1
