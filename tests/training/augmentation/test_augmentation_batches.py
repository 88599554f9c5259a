"""Everything together: samples know nothing of each other, and operations neither."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from napari_virtual_stain.training.augmentation import Augmentation, apply, augment, margin

EVERYTHING = Augmentation(
    scale=0.2,
    rotation=15,
    contrast=0.3,
    brightness=0.3,
    blur=2.5,
    noise=0.2,
    illumination=0.3,
    channel_dropout=0.3,
    plane_dropout=0.2,
    probability=0.7,
)
INPUT_ONLY = ("contrast", "brightness", "blur", "noise", "illumination")
WITHOUT = dict.fromkeys((*INPUT_ONLY, "channel_dropout", "plane_dropout"), 0.0)
SEEDS = [(3, 10, i) for i in range(6)]

# Input, target (shapes behind B), and planes: a plane, planes as channels, a stack, a projection
# and a network with a window. Sizes are odd, so that blocks of vectorized code end differently.
CASES = {
    "plane": ((1, 33, 33), (2, 33, 33), (1,)),
    "planes": ((5, 21, 30), (1, 21, 30), (3, 2)),
    "stack": ((2, 3, 19, 19), (1, 3, 19, 19), (1, 1)),
    "projection": ((1, 5, 23, 23), (1, 23, 23), (1,)),
    "window": ((1, 32, 32), (1, 16, 16), (1,)),
}


def patches(shape, how, *, seed=0):
    sizes = [n + 2 * m for n, m in zip(shape[1:], margin(how, shape[1:]), strict=True)]
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(SEEDS), shape[0], *sizes, generator=generator)


def case(name, how):
    source, target, planes = CASES[name]
    inputs, targets = patches(source, how), patches(target, how, seed=1)
    weights = (patches(target, how, seed=2) > -2).float()
    sizes = {"source": source[1:], "target": target[1:], "planes": planes}
    return (inputs, targets.where(weights > 0, float("nan")), weights), sizes


@pytest.mark.parametrize("name", CASES)
def test_a_sample_does_not_depend_on_those_beside_it(name):
    batch, sizes = case(name, EVERYTHING)
    together = augment(*batch, EVERYTHING, SEEDS, **sizes)
    for part in ([0], [1, 2], [5, 3, 4]):
        apart = augment(*(t[part] for t in batch), EVERYTHING, [SEEDS[i] for i in part], **sizes)
        assert all(torch.equal(one, all_[part]) for one, all_ in zip(apart, together, strict=True))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_cpu_takes_a_batch_in_parts_and_the_result_is_the_same(monkeypatch, weighted):
    (inputs, targets, weights), sizes = case("planes", EVERYTHING)
    batch = (inputs, targets, weights) if weighted else (inputs, targets.nan_to_num(), None)
    whole = augment(*batch, EVERYTHING, SEEDS, **sizes)
    for at_once in (1, 4):
        monkeypatch.setattr(apply, "CACHED", at_once * inputs[0].numel())
        parts = augment(*batch, EVERYTHING, SEEDS, **sizes)
        assert torch.equal(parts[0], whole[0])
        assert torch.equal(parts[1], whole[1])
        assert (parts[2] is None) if whole[2] is None else torch.equal(parts[2], whole[2])


@pytest.mark.parametrize("name", CASES)
def test_sizes_are_those_asked_for_and_nothing_is_nan(name):
    batch, sizes = case(name, EVERYTHING)
    before = [t.clone() for t in batch]
    inputs, targets, weights = augment(*batch, EVERYTHING, SEEDS, **sizes)
    assert inputs.shape == (len(SEEDS), *CASES[name][0])
    assert targets.shape == weights.shape == (len(SEEDS), *CASES[name][1])
    assert {inputs.dtype, targets.dtype, weights.dtype} == {torch.float32}
    assert inputs.isfinite().all()
    assert targets[weights > 0].isfinite().all()
    assert set(weights.unique().tolist()) == {0, 1}
    # What was given is still what it was.
    for one, other in zip(batch, before, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_other_seeds_give_other_samples():
    (inputs, targets, _), sizes = case("plane", EVERYTHING)
    inputs, targets = inputs[:1].repeat(6, 1, 1, 1), targets[:1].nan_to_num().repeat(6, 1, 1, 1)
    result, moved, _ = augment(inputs, targets, None, EVERYTHING, SEEDS, **sizes)
    assert len(torch.unique(result.flatten(1), dim=0)) == 6
    assert len(torch.unique(moved.flatten(1), dim=0)) == 6
    again, *_ = augment(inputs, targets, None, EVERYTHING, SEEDS, **sizes)
    assert torch.equal(result, again)


@pytest.mark.parametrize("name", INPUT_ONLY)
def test_what_is_left_out_changes_nothing_of_the_rest(name):
    geometry = replace(EVERYTHING, **WITHOUT)
    batch, sizes = case("plane", EVERYTHING)
    moved = augment(*batch, geometry, SEEDS, **sizes)
    one = augment(*batch, replace(geometry, **{name: 0.4}), SEEDS, **sizes)
    assert torch.equal(moved[1].nan_to_num(), one[1].nan_to_num())
    left = (one[0] == moved[0]).flatten(1).all(1)
    assert 0 < left.sum() < len(SEEDS)


def test_the_state_of_torch_is_left_alone():
    batch, sizes = case("plane", EVERYTHING)
    before = torch.random.get_rng_state()
    augment(*batch, EVERYTHING, SEEDS, **sizes)
    assert torch.equal(before, torch.random.get_rng_state())


def test_choosing_augmentation_loads_no_torch():
    code = (
        "import sys, napari_virtual_stain.training.augmentation as a; "
        "a.margin(a.Augmentation(scale=0.1), (64, 64)); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("name", CASES)
def test_a_gpu_does_the_same(name):
    how = replace(EVERYTHING, noise=0.0)  # whose numbers are those of the device
    batch, sizes = case(name, how)
    expected = augment(*batch, how, SEEDS, **sizes)
    result = augment(*(t.cuda() for t in batch), how, SEEDS, **sizes)
    assert all(t.is_cuda for t in result)
    assert (result[2].cpu() == expected[2]).float().mean() > 0.99
    both = (result[2].cpu() > 0) & (expected[2] > 0)
    torch.testing.assert_close(result[0].cpu(), expected[0], rtol=0, atol=1e-3)
    torch.testing.assert_close(result[1].cpu()[both], expected[1][both], rtol=0, atol=1e-3)
