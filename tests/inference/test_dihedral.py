"""Turns of a plane, and the spread of predictions over them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_virtual_stain.inference.dihedral import TURNS, Spread, Turn, turns_for
from napari_virtual_stain.inference.units import ENTROPY, SIGMA

turns = st.sampled_from(TURNS)
sizes = st.tuples(st.integers(1, 7), st.integers(1, 7))
SQUARE = torch.arange(12.0).reshape(3, 4)


@given(turns, sizes, st.integers(0, 2))
def test_invert_undoes_apply(turn, size, others):
    x = torch.randn(*range(2, 2 + others), *size)
    turned = turn.apply(x)
    assert torch.equal(turn.invert(turned), x)
    assert torch.equal(turn.apply(turn.invert(x)), x)
    assert turned.shape[-2:] == (size[::-1] if turn.quarter_turns % 2 else size)
    assert turned.shape[:-2] == x.shape[:-2]


@given(turns, sizes, st.data())
def test_a_region_is_found_again_after_the_turn(turn, size, data):
    bounds = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in size]
    slices = (slice(1, 2), *(slice(*pair) for pair in bounds))
    x = torch.arange(2.0 * size[0] * size[1]).reshape(2, *size)
    region = turn.region(slices, x.shape)
    assert torch.equal(turn.apply(x)[region], turn.apply(x[slices]))
    assert region[0] == slices[0]


def test_there_are_eight_turns_and_the_first_changes_nothing():
    assert TURNS[0] == Turn(0, False)
    assert torch.equal(TURNS[0].apply(SQUARE), SQUARE)
    turned = {tuple(turn.apply(SQUARE).ravel().tolist()) for turn in TURNS}
    assert len(turned) == len(TURNS) == 8


def test_the_direction_of_a_quarter_turn():
    assert torch.equal(Turn(1, False).apply(SQUARE)[0], SQUARE[:, -1])
    assert torch.equal(Turn(0, True).apply(SQUARE)[0], SQUARE[0].flip(0))


def test_a_window_that_is_not_square_takes_no_quarter_turns():
    assert turns_for(None) == turns_for((64, 64)) == turns_for((8, 64, 64)) == TURNS
    half = turns_for((32, 64))
    assert half[0] == TURNS[0]
    assert len(half) == 4
    assert all(turn.apply(torch.zeros(32, 64)).shape == (32, 64) for turn in half)


def over_turns(network, x, kinds=(), own=(), with_sigma=(True,)):
    spread = Spread(kinds, with_sigma)
    with torch.no_grad():
        for turn in TURNS:
            spread.add(turn.invert(network(turn.apply(x))), own)
    return spread.result()


def test_a_network_that_knows_no_direction_has_no_spread():
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 4, 1), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 1)]
    pointwise = torch.nn.Sequential(*layers)
    x = torch.randn(1, 1, 12, 20)
    mean, sigma = over_turns(pointwise, x, (SIGMA,), with_sigma=(False, False)).chunk(2, 1)
    assert torch.allclose(mean, pointwise(x), atol=1e-6)
    assert sigma.max() <= 1e-6
    directed = torch.nn.Conv2d(1, 2, 3, padding=1)
    assert over_turns(directed, x, (SIGMA,), with_sigma=(False, False))[:, 2:].min() > 1e-3


def test_the_spread_is_that_of_the_mixture():
    rng = np.random.default_rng(0)
    offset = np.float32(1e4)  # single precision would lose it to sums of squares
    members = rng.normal(0, 1, (5, 2, 6, 3, 4)).astype(np.float32)
    members[:, :, :2] += offset
    members[:, :, 2:] = np.abs(members[:, :, 2:])
    spread = Spread((SIGMA, ENTROPY), (True, False))
    kept = members.copy()
    for member in members:
        spread.add(torch.from_numpy(member), (SIGMA, ENTROPY))
    np.testing.assert_array_equal(members, kept)
    wide = members.astype(float)
    predicted, sigmas, entropies = wide[:, :, :2], wide[:, :, 2:4], wide[:, :, 4:]
    variance = predicted.var(0)
    variance[:, 0] += (sigmas[:, :, 0] ** 2).mean(0)
    result = spread.result().numpy()
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[:, :2], predicted.mean(0), rtol=1e-6)
    np.testing.assert_allclose(result[:, 2:4], np.sqrt(variance), rtol=2e-3)
    np.testing.assert_allclose(result[:, 4:], entropies.mean(0), rtol=1e-5)


@pytest.mark.parametrize(("kinds", "channels"), [((), 1), ((ENTROPY,), 2), ((SIGMA, ENTROPY), 3)])
def test_only_what_is_wanted_is_kept(kinds, channels):
    spread = Spread(kinds, (False,))
    for _ in range(2):
        spread.add(torch.rand(1, 3, 4, 5), (SIGMA, ENTROPY))
    assert spread.result().shape == (1, channels, 4, 5)
