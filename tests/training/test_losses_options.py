"""What can be chosen of a loss, and what is measured of the targets for it."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.training.losses import LossOptions, target_levels


def test_options_are_plain_and_come_back():
    options = LossOptions("mae", foreground=2, ssim=0.5, correlation=1)
    stored = json.loads(json.dumps(dataclasses.asdict(options)))
    assert LossOptions(**stored) == options


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"value": "huber"}, "there is no loss 'huber'; choose 'mse'"),
        ({"ssim": -1}, "the weight of the SSIM term in a loss is a number that is not negative"),
        ({"foreground": math.inf}, "the additional weight of the foreground in a loss is a number"),
        ({"correlation": "1"}, "the weight of the correlation term in a loss .* not '1'"),
        ({"ssim": math.nan}, "not nan"),
        ({"ssim": True}, "not True"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(chosen, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        LossOptions(**chosen)


def test_terms_that_need_levels_say_so():
    assert not LossOptions("mae").needs_levels
    assert LossOptions(foreground=1).needs_levels
    assert LossOptions(ssim=1).needs_levels
    assert LossOptions(correlation=1).needs_levels


def two_levels(rng, low, high, share, sizes):
    """Return an image of two levels with a little noise."""
    values = np.where(rng.random(sizes) < share, high, low) + rng.normal(0, 0.05, sizes)
    return values.astype(np.float32)


def test_levels_are_those_of_all_targets_together():
    rng = np.random.default_rng(0)
    bright, dark = (two_levels(rng, 0, 5, share, (1, 60, 70)) for share in (0.3, 0.0))
    masks = (two_levels(rng, 0, 1, 0.5, sizes) > 0.5 for sizes in ((1, 60, 70), (1, 60, 70)))
    first, second = (
        np.concatenate([image, mask.astype(np.float32)])
        for image, mask in zip((bright, dark), masks, strict=True)
    )
    levels = target_levels([first, second])
    assert 0.15 < levels.thresholds[0] < 4.8
    assert 0 <= levels.thresholds[1] < 1
    assert levels.ranges == pytest.approx((5.2, 1.0), abs=0.2)
    # Alone, the dark image is cut in the middle of its noise.
    assert target_levels([second]).thresholds[0] < 0.1


def test_what_does_not_count_is_not_measured():
    rng = np.random.default_rng(0)
    target = two_levels(rng, 0, 2, 0.4, (2, 40, 40))
    weight = np.ones_like(target)
    weight[0, :, 20:], weight[1] = 0, 0
    expected = target_levels([target[:1, :, :20]])
    target[weight == 0] = np.nan
    found = target_levels([target], [weight])
    assert found.thresholds == (*expected.thresholds, 0.0)
    assert found.ranges == (*expected.ranges, 1.0)


def test_a_constant_target_has_a_range_too():
    assert target_levels([np.full((1, 8, 8), 3, np.float32)]).ranges == (1.0,)
    rare = np.zeros((1, 100, 100), np.float32)
    rare[0, 0, 0] = 4
    assert target_levels([rare]).ranges == (4.0,)
