"""Patience counts validations without a better score."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_virtual_stain.training.stopping import Patience


def test_it_is_over_after_so_many_scores_that_were_no_better():
    patience = Patience(2)
    found = [(patience.saw(score), patience.over) for score in (0.5, 0.4, 0.6, 0.6, 0.1)]
    assert found == [(True, False), (False, False), (True, False), (False, False), (False, True)]
    assert patience.best == 0.6


def test_without_a_limit_it_is_never_over():
    patience = Patience(None)
    for _ in range(100):
        patience.saw(0.0)
    assert not patience.over


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_not_better(score):
    patience = Patience(3)
    assert not patience.saw(score)
    assert patience.waited == 1
    assert patience.saw(-0.2)


@given(
    st.lists(st.floats(-1, 1) | st.just(math.nan), max_size=20),
    st.integers(0, 20),
    st.integers(1, 4),
)
def test_resumed_it_goes_on_as_if_unbroken(scores, cut, limit):
    unbroken, first, second = Patience(limit), Patience(limit), Patience(limit)
    for score in scores:
        unbroken.saw(score)
    for score in scores[:cut]:
        first.saw(score)
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    for score in scores[cut:]:
        second.saw(score)
    assert second == unbroken
    assert second.over == unbroken.over
