"""What training is given: masks of labels, regions of shapes, channels on top of each other."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import skimage.draw

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.gui.geometry import Geometry
from napari_virtual_stain.gui.regions import polygons_on, rasterized
from napari_virtual_stain.gui.train.plan import PairPlan, stacked, training_pair
from napari_virtual_stain.image import Image

SOURCE = Image(np.zeros((20, 30)), "YX", channels=["phase"])
PLACE = Geometry("YX", (20, 30), np.eye(2), np.zeros(2), np.eye(3), (), ())


def labels(*painted):
    pixels = np.zeros((20, 30), int)
    for row, label in painted:
        pixels[row] = label
    return Image(pixels, "YX", channels=["cells"], name="strokes")


def plan(*targets, painted=None, **fields):
    return PairPlan((SOURCE,), targets, painted or {}, PLACE, **fields)


def test_unpainted_pixels_are_background():
    target = labels((3, 1), (7, 5))
    pair = training_pair(plan(target, painted={"cells": "background"}))
    assert pair.masks == ("cells",)
    assert pair.counts is None
    np.testing.assert_array_equal(np.flatnonzero(pair.target.data.any(1)), [3, 7])


def test_unpainted_pixels_are_not_annotated():
    target = labels((3, 1), (7, 5), (8, 2))
    pair = training_pair(plan(target, painted={"cells": "not annotated"}))
    np.testing.assert_array_equal(np.flatnonzero(pair.target.data.any(1)), [7, 8])
    np.testing.assert_array_equal(np.flatnonzero(pair.counts.data.any(1)), [3, 7, 8])


def test_painting_goes_on_without_changing_what_is_learned():
    target = labels((3, 1))
    pair = training_pair(plan(target, painted={"cells": "background"}))
    target.data[:] = 4
    assert pair.target.data.sum() == 30


def test_an_image_beside_a_mask_counts_everywhere():
    stain = Image(np.ones((20, 30), np.float32), "YX", channels=["DAPI"])
    target = labels((3, 1), (7, 5))
    pair = training_pair(plan(stain, target, painted={"cells": "not annotated"}))
    assert pair.target.channels == ("DAPI", "cells")
    assert pair.masks == ("cells",)
    assert pair.counts.axes == "CYX"
    assert pair.counts.data[0].all()
    assert pair.counts.data[1].sum() == 60


@pytest.mark.parametrize(
    ("painted", "unpainted", "sentence"),
    [
        ((), "background", "strokes has no painted object; paint some"),
        (((3, 1),), "not annotated", "strokes has no painted object with a label above 1"),
        (((3, 2),), "not annotated", "strokes has no pixel of label 1, which is the background"),
        ([(row, 2) for row in range(20)], "background", "every pixel of strokes is painted"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(painted, unpainted, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        training_pair(plan(labels(*painted), painted={"cells": unpainted}))


def box(top, left, bottom, right):
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]], float)


def test_what_is_not_scored_is_learned_and_the_other_way_round():
    stain = Image(np.ones((20, 30)), "YX", channels=["DAPI"])
    pair = training_pair(plan(stain, score=(box(0, 0, 19, 9),)))
    assert pair.score.sum() == 200
    np.testing.assert_array_equal(pair.learn, ~pair.score)
    pair = training_pair(plan(stain, learn=(box(0, 0, 19, 9),)))
    np.testing.assert_array_equal(pair.score, ~pair.learn)
    both = plan(stain, learn=(box(0, 0, 19, 9),), score=(box(0, 15, 19, 40),))
    pair = training_pair(both)
    assert (pair.learn.sum(), pair.score.sum()) == (200, 300)


def test_regions_that_overlap_are_refused():
    stain = Image(np.ones((20, 30)), "YX", channels=["DAPI"])
    with pytest.raises(VirtualStainError, match="overlap"):
        training_pair(plan(stain, learn=(box(0, 0, 9, 9),), score=(box(5, 5, 12, 12),)))


def test_channels_are_stacked_behind_time():
    one = Image(np.zeros((2, 3, 4, 5), np.uint8), "TZYX", channels=["a"], name="well 3: a")
    other = one.replace(data=np.ones((2, 3, 4, 5), np.uint8), channels=["b"], name="well 3: b")
    both = stacked([one, other])
    assert (both.axes, both.shape, both.channels) == ("TCZYX", (2, 2, 3, 4, 5), ("a", "b"))
    assert both.channel("b").numpy().all()
    assert both.name == "well 3"
    assert stacked([one, other.replace(name="x")]).name == "well 3: a, x"
    assert stacked([one]) is one


def test_lazy_channels_stay_lazy():
    one = Image(da.zeros((4, 5)), "YX", channels=["a"])
    other = Image(np.ones((4, 5)), "YX", channels=["b"])
    both = stacked([one, other])
    assert hasattr(both.data, "dask")
    assert both.channel("b").numpy().all()


def test_shapes_hold_where_they_lie_in_the_viewer(viewer):
    layer = viewer.add_image(np.zeros((2, 40, 60)), scale=(1, 0.5, 0.5), translate=(0, 5, 0))
    shapes = viewer.add_shapes([box(5, 0, 10, 5)], shape_type="rectangle")
    (polygon,) = polygons_on(shapes, layer)
    np.testing.assert_allclose(polygon.min(axis=0), [0, 0])
    np.testing.assert_allclose(polygon.max(axis=0), [10, 10])


def test_an_ellipse_is_round_and_lines_enclose_nothing(viewer):
    layer = viewer.add_image(np.zeros((101, 101)))
    shapes = viewer.add_shapes([box(0, 0, 100, 100)], shape_type="ellipse", name="drawn")
    inside = rasterized(polygons_on(shapes, layer), (101, 101))
    assert abs(inside.mean() - np.pi / 4) < 0.02
    assert not inside[0, 0]
    lines = viewer.add_shapes([np.array([[0, 0], [9, 9]])], shape_type="line", name="lines")
    with pytest.raises(VirtualStainError, match="lines has no rectangle"):
        polygons_on(lines, layer)


def test_shapes_are_moved_at_once_however_they_are_drawn(viewer, monkeypatch):
    layer = viewer.add_image(
        np.zeros((40, 60)), scale=(0.5, 0.7), translate=(3, 5), rotate=20, shear=[0.1]
    )
    around = np.linspace(0, 6, 400)
    ring = np.stack([30 + 9 * np.sin(around), 20 + 8 * np.cos(around)], 1)
    shapes = viewer.add_shapes([ring], shape_type="polygon", scale=(2, 1), translate=(1, 1))
    expected = [layer.world_to_data(shapes.data_to_world(vertex)) for vertex in shapes.data[0]]
    calls = []
    to_world = type(shapes).data_to_world

    def counted(self, vertex):
        calls.append(vertex)
        return to_world(self, vertex)

    monkeypatch.setattr(type(shapes), "data_to_world", counted)
    (polygon,) = polygons_on(shapes, layer)
    np.testing.assert_allclose(polygon, expected, atol=1e-9)
    assert len(calls) <= 3


@pytest.mark.parametrize("whole", [False, True])
def test_pixels_in_a_polygon_are_those_of_scikit_image(whole):
    rng = np.random.default_rng(0)
    for vertices in (3, 4, 7, 40):
        for _ in range(25):
            drawn = rng.uniform(-15, 45, (vertices, 2))
            drawn = np.rint(drawn) if whole and vertices < 5 else drawn
            expected = np.zeros((20, 30), bool)
            expected[skimage.draw.polygon(*drawn.T, (20, 30))] = True
            np.testing.assert_array_equal(rasterized([drawn], (20, 30)), expected)


def test_a_region_may_leave_the_image():
    assert rasterized([box(-50, -50, 500, 9.4)], (20, 30)).sum() == 200
