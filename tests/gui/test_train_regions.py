"""Shapes in which is learned and scored: what they come to, and what is refused of them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.gui.train.verdict import Readiness

from .train_helpers import pair, pair_of_layers, verdict


@pytest.fixture
def layers(viewer, pixels):
    return pair_of_layers(viewer, pixels)


def test_regions_take_the_place_of_the_split(viewer, layers):
    box = np.array([[0, 0], [0, 20], [31, 20], [31, 0]])
    shapes = viewer.add_shapes([box], shape_type="polygon", name="here")
    found = verdict(pair(*layers), score_in=shapes)
    assert not found.request.splits
    (polygon,) = found.request.pairs[0].score
    # The layers have half a µm a pixel, and the shapes none.
    np.testing.assert_allclose(polygon, box / 0.5)
    empty = viewer.add_shapes(name="nothing")
    refused = verdict(pair(*layers), learn_in=empty)
    assert refused.text.startswith("nothing has no rectangle, ellipse or polygon")


@pytest.fixture
def drawn(viewer):
    """Return a function that draws rectangles, in pixels of the layers."""

    def draw(name, *corners):
        boxes = [
            0.5 * np.array([[top, left], [top, right], [bottom, right], [bottom, left]], float)
            for top, left, bottom, right in corners
        ]
        return viewer.add_shapes(boxes, shape_type="polygon", name=name)

    return draw


def refusal(layers, **regions):
    found = verdict(pair(*layers), **regions)
    assert found.readiness is Readiness.REFUSED, found.text
    return found.text


def test_regions_that_leave_nothing_are_refused_before_anything_is_read(layers, drawn):
    outside, everything = drawn("outside", (0, 200, 31, 300)), drawn("all", (-1, -1, 40, 120))
    thin = drawn("thin", (3.2, 0, 3.7, 90))
    assert refusal(layers, score_in=outside) == (
        "The shapes of outside enclose no pixel of DAPI, so nothing can be scored; draw them "
        "elsewhere, or choose no shapes."
    )
    assert "so nothing can be learned" in refusal(layers, learn_in=outside)
    assert "thin enclose no pixel of DAPI" in refusal(layers, score_in=thin)
    assert "point enclose no pixel" in refusal(layers, score_in=drawn("point", (9, 9, 9, 9)))
    text = refusal(layers, score_in=everything)
    assert "The shapes of all enclose every pixel of DAPI, so nothing can be learned" in text
    assert "so nothing can be scored" in refusal(layers, learn_in=everything)


def test_regions_that_overlap_are_refused_before_anything_is_read(layers, drawn):
    left, middle, right = (
        drawn("left", (0, 0, 31, 49)),
        drawn("middle", (0, 40, 31, 60)),
        drawn("r", (0, 50, 31, 99)),
    )
    text = refusal(layers, learn_in=left, score_in=middle)
    assert text.startswith("The shapes in which is learned and those in which is scored overlap on")
    assert refusal(layers, learn_in=left, score_in=left).startswith("left is chosen for learning")
    found = verdict(pair(*layers), learn_in=left, score_in=right)
    assert found.readiness is Readiness.READY, found.text
    assert found.notices == ()


def test_a_pair_without_anything_to_score_is_told(viewer, layers, drawn, pixels):
    far = [
        viewer.add_image(
            pixels(32, 100),
            name=name,
            axis_labels="yx",
            scale=(0.5,) * 2,
            translate=(900, 0),
            units="um",
        )
        for name in ("phase 2", "DAPI 2")
    ]
    here = drawn("here", (0, 0, 31, 40))
    found = verdict(pair(*layers), pair(*far), score_in=here)
    assert found.readiness is Readiness.READY, found.text
    (notice,) = found.notices
    assert notice.text == (
        "The shapes of here enclose no pixel of DAPI 2, so nothing of it is scored."
    )
    # With a pair for scoring alone, it is on this one that something must be left.
    only = verdict(pair(*layers), pair(*far, validates=True), score_in=here)
    assert "so nothing can be scored" in only.text


def test_little_to_score_on_is_warned_of(layers, drawn):
    (notice,) = verdict(pair(*layers), score_in=drawn("few", (2, 3, 4, 40), (-9, 0, 1, 9))).notices
    assert notice.warning
    assert notice.text.startswith("few marks little of DAPI (3 × 38 px); a score of less than 32")
    enough = drawn("enough", (0, 0, 31, 31), (2, 40, 4, 42))
    assert verdict(pair(*layers), score_in=enough).notices == ()
