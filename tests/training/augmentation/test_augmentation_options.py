"""What can be chosen about augmentation, and how much more is read for it."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.training.augmentation import Augmentation, margin

NUMBERS = [field.name for field in fields(Augmentation) if field.name != "turns"]


def test_options_are_plain_json():
    how = Augmentation(scale=np.float32(0.25), rotation=np.int64(10), blur=1)
    assert Augmentation(**json.loads(json.dumps(asdict(how)))) == how


def test_by_default_patches_are_turned_and_nothing_else():
    numbers = {name: value for name, value in asdict(Augmentation()).items() if name != "turns"}
    assert Augmentation().turns
    assert {name for name, value in numbers.items() if value} == {"probability"}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-0.1, 1e9, float("nan"), float("inf"), "0.1", None, True])
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(VirtualStainError, match=f"the {name.replace('_', ' ')} of an augmentation"):
        Augmentation(**{name: value})


def test_turns_are_wanted_or_not():
    with pytest.raises(VirtualStainError, match="turns patches is True or False, not 1"):
        Augmentation(turns=1)


def test_only_what_interpolates_needs_a_margin():
    how = Augmentation(contrast=1, brightness=1, blur=3, noise=1, illumination=1)
    assert margin(how, (8, 64, 48)) == (0, 0, 0)
    assert margin(Augmentation(scale=0.1), (8, 64, 48))[0] == 0


def test_the_margin_is_what_the_largest_change_reaches():
    # The outermost pixels lie 49.5 from the centre, and 74.25 when they are half as far again.
    assert margin(Augmentation(scale=0.5), (100, 100)) == (25, 25)
    # Turned by 90°, the long axis lies along the short one; the diagonal may reach even farther.
    assert margin(Augmentation(rotation=180), (101, 101)) == (21, 21)
    assert margin(Augmentation(rotation=180), (11, 101)) == (46, 1)
    assert margin(Augmentation(rotation=180, scale=1), (1, 1)) == (0, 0)
