"""What can be compared, what is suggested, and what is refused with which reason."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain import VirtualStainWarning
from napari_virtual_stain.events import run
from napari_virtual_stain.gui.compare.form import Form, PairPick, Readiness, judge
from napari_virtual_stain.gui.compare.grids import Relation
from napari_virtual_stain.gui.compare.suggestions import suggest_pairs
from napari_virtual_stain.gui.layers import read_layer
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.predict.offers import look_at
from napari_virtual_stain.gui.results import add_prediction
from napari_virtual_stain.inference import predict

from .compare_helpers import add_pair, stains, subjects_of, verdict_of
from .conftest import small_model

UM = {"scale": (1.0, 0.5, 0.5), "units": ("um", "um", "um")}


def names(pairs):
    return [(pair.observed.layer.name, pair.predicted.layer.name) for pair in pairs]


def suggested(viewer):
    return names(suggest_pairs(look_at(list(viewer.layers), {})))


def judged(viewer, observed, predicted, **form):
    pair = PairPick(Pick(observed), Pick(predicted))
    return judge(Form([pair], **form))


def test_nothing_to_compare(viewer):
    verdict = verdict_of(viewer)
    assert verdict.readiness is Readiness.EMPTY
    assert verdict.text.startswith("Open an observed image and its prediction")
    layer = viewer.add_image(np.zeros((9, 9)))
    assert judged(viewer, layer, None).text == "Choose the predicted layer."
    assert judged(viewer, None, layer).text == "Choose the observed layer."


def test_pairs_are_found_by_name(viewer):
    for name in ("DAPI", "MAP2"):
        add_pair(viewer, name=name)
    viewer.add_image(np.zeros((4, 48, 64)), name="phase")
    assert set(suggested(viewer)) == {("DAPI", "DAPI predicted"), ("MAP2", "MAP2 predicted")}
    assert verdict_of(viewer).text in (
        "Compares MAP2 and DAPI (Z 4 × Y 48 × X 64).",
        "Compares DAPI and MAP2 (Z 4 × Y 48 × X 64).",
    )


@pytest.mark.parametrize(
    ("observed", "predicted"),
    [
        ("well 3 target", "well 3 prediction"),
        ("nuclei (truth)", "virtual nuclei"),
        ("img_GT", "img_pred"),
        ("one", "two"),
    ],
)
def test_names_of_other_programs(viewer, observed, predicted):
    first, second = stains((20, 30))
    viewer.add_image(first, name=observed)
    viewer.add_image(second, name=predicted)
    assert suggested(viewer) == [(observed, predicted)]


def test_a_prediction_of_ours_belongs_to_the_layer_of_its_output(viewer):
    light, stain = stains((32, 40))
    source = viewer.add_image(light, name="brightfield", axis_labels="yx")
    viewer.add_image(stain, name="nuclei", axis_labels="yx")
    model = small_model()
    with pytest.warns(VirtualStainWarning, match="voxel size"):
        predicted = predict(model, read_layer(source).image)
    add_prediction(viewer, predicted, [source], model.spec)
    assert suggested(viewer) == [("nuclei", "nuclei predicted")]


def test_several_layers_without_telling_names_are_left_to_the_person(viewer):
    for name in "abc":
        viewer.add_image(stains((20, 30))[0], name=name)
    assert suggested(viewer) == []


def test_one_layer_is_not_compared_with_itself(viewer):
    layer = viewer.add_image(np.eye(20), name="DAPI")
    verdict = judged(viewer, layer, layer)
    assert verdict.readiness is Readiness.REFUSED
    assert verdict.text == "DAPI is chosen as observed and as predicted; choose two layers."


def test_other_numbers_of_planes_are_refused(viewer):
    observed, _ = add_pair(viewer, (4, 48, 64))
    flat = viewer.add_image(stains((48, 64))[1], name="flat", axis_labels="yx")
    verdict = judged(viewer, observed, flat)
    assert verdict.readiness is Readiness.REFUSED
    assert "DAPI has 4 planes and flat 1" in verdict.text


def test_layers_apart_from_each_other_are_refused(viewer):
    observed = viewer.add_image(stains((20, 30))[0], name="a", axis_labels="yx")
    elsewhere = viewer.add_image(
        stains((24, 30))[1], name="b", axis_labels="yx", translate=(500, 0)
    )
    verdict = judged(viewer, observed, elsewhere)
    assert verdict.readiness is Readiness.REFUSED
    assert "do not lie over each other" in verdict.text


def test_the_same_size_elsewhere_is_compared_pixel_by_pixel_and_said(viewer):
    observed, predicted = stains((20, 30))
    first = viewer.add_image(observed, name="a", axis_labels="yx", scale=(0.5, 0.5))
    second = viewer.add_image(predicted, name="b", axis_labels="yx")
    verdict = judged(viewer, first, second)
    assert verdict.readiness is Readiness.READY
    assert any("they have one size and lie apart" in text for text in verdict.notices)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (5, 12), (8, 0)])
def test_a_crop_is_offered_and_compares_what_both_show(viewer, top, left):
    observed, predicted = stains((4, 48, 64))
    first = viewer.add_image(observed, name="a", axis_labels="zyx", **UM)
    part = predicted[:, top : top + 30, left : left + 40]
    place = {**UM, "translate": (0, 0.5 * top, 0.5 * left)}
    second = viewer.add_image(part, name="a predicted", axis_labels="zyx", **place)
    verdict = judged(viewer, first, second)
    assert verdict.readiness is Readiness.OFFERED
    assert "the part that both show can be compared" in verdict.text
    agreed = judged(viewer, first, second, agreed=True)
    assert agreed.readiness is Readiness.READY
    assert "in the part that both show (Z 4 × Y 30 × X 40)" in agreed.text
    (one,) = subjects_of(viewer, agreed=True)
    np.testing.assert_array_equal(
        one.observed.numpy(), observed[:, top : top + 30, left : left + 40]
    )
    np.testing.assert_array_equal(one.predicted.numpy(), part)
    np.testing.assert_allclose(one.place.translate, (0, 0.5 * top, 0.5 * left))


def test_a_prediction_that_reaches_beyond_is_cropped(viewer):
    observed, predicted = stains((40, 50))
    place = {"scale": (0.5, 0.5), "units": ("um", "um"), "axis_labels": "yx"}
    viewer.add_image(observed[10:30, 5:45], name="a", translate=(5, 2.5), **place)
    viewer.add_image(predicted, name="a predicted", **place)
    (one,) = subjects_of(viewer, agreed=True)
    np.testing.assert_array_equal(one.predicted.numpy(), predicted[10:30, 5:45])


def test_another_pixel_size_is_resampled_to_the_grid_of_the_observed(viewer):
    y, x = np.mgrid[:60, :80].astype(np.float32)
    fine = 100 + 3 * y + 2 * x
    coarse = fine.reshape(30, 2, 40, 2).mean((1, 3))
    place = {"units": ("um", "um"), "axis_labels": "yx"}
    viewer.add_image(fine, name="a", scale=(0.5, 0.5), **place)
    viewer.add_image(coarse, name="a predicted", scale=(1, 1), translate=(0.25, 0.25), **place)
    verdict = verdict_of(viewer)
    assert verdict.readiness is Readiness.OFFERED
    assert "a predicted can be resampled to the grid of a" in verdict.text
    assert verdict.request.pairs[0].common.relation is Relation.RESAMPLE
    (one,) = subjects_of(viewer, agreed=True)
    assert one.predicted.shape == one.observed.shape
    # A ramp is a ramp again, but at the rim, where there is nothing beyond.
    np.testing.assert_allclose(
        one.predicted.numpy()[2:-2, 2:-2], one.observed.numpy()[2:-2, 2:-2], rtol=1e-5
    )


def test_other_sizes_without_a_known_pixel_size_are_refused(viewer):
    place = {"axis_labels": "yx"}
    first = viewer.add_image(
        stains((40, 50))[0], name="a", scale=(0.5, 0.5), units=("um", "um"), **place
    )
    second = viewer.add_image(stains((20, 25))[1], name="b", **place)
    verdict = judged(viewer, first, second)
    assert verdict.readiness is Readiness.REFUSED
    assert "that of the pixels of b is not known" in verdict.text


def test_channels_of_one_layer(viewer):
    both = np.stack(stains((20, 30))).astype(np.float32)
    layer = viewer.add_image(both, name="both", axis_labels="cyx", channel_axis=None)
    verdict = judge(Form([PairPick(Pick(layer, 0), Pick(layer, 1))]))
    assert verdict.readiness is Readiness.READY, verdict.text
    from napari_virtual_stain.gui.compare.subject import subject

    pair = verdict.request.pairs[0]
    one = run(subject(pair.name, pair.observed, pair.predicted, pair.common))
    np.testing.assert_array_equal(one.predicted.numpy(), both[1])
    assert one.place.axes == "YX"


def test_axes_in_another_order(viewer):
    observed, predicted = stains((4, 48, 64))
    viewer.add_image(observed, name="a", axis_labels="zyx")
    viewer.add_image(predicted.transpose(1, 0, 2), name="a predicted", axis_labels="yzx")
    (one,) = subjects_of(viewer)
    np.testing.assert_array_equal(one.pixels[0], observed)
    np.testing.assert_array_equal(one.pixels[1], predicted)


def test_rgb_is_refused(viewer):
    viewer.add_image(np.zeros((20, 30, 3), np.uint8), name="a", rgb=True)
    viewer.add_image(np.zeros((20, 30)), name="a predicted")
    rgb, grey = viewer.layers
    assert "RGB" in judged(viewer, rgb, grey).text
