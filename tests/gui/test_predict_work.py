"""The work behind the button, driven without a window, and its layers."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, Progress, run
from napari_virtual_stain.gui.predict.form import Form, Pick, judge
from napari_virtual_stain.gui.predict.models import open_entry
from napari_virtual_stain.gui.predict.show import show_outcome
from napari_virtual_stain.gui.predict.work import predict_request
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import predict_events
from napari_virtual_stain.io import load_model
from napari_virtual_stain.model import InputSpec


def request(viewer, path, *picks, observed=(), **fields):
    entry = open_entry(path)
    observed = [*observed, *[Pick()] * (len(entry.spec.outputs) - len(observed))]
    form = Form(model=entry, inputs=picks, observed=observed, **fields)
    verdict = judge(form, viewer.layers)
    assert verdict.request, verdict.text
    return verdict.request


def work(viewer, *args, **fields):
    events = []
    outcome = run(predict_request(request(viewer, *args, **fields)), events.append)
    return outcome, events


def show(viewer, outcome):
    for _ in show_outcome(viewer, outcome):
        pass


def test_it_predicts_what_the_library_predicts(viewer, save, pixels):
    path, layer = save(), viewer.add_image(pixels(32, 40))
    outcome, events = work(viewer, path, Pick(layer))
    expected = run(predict_events(load_model(path), outcome.request.images[0]), events.append)
    np.testing.assert_allclose(outcome.predicted.numpy(), expected.predicted.numpy(), rtol=1e-5)
    assert events[0] == Progress("Loading the model", 0, 0)
    assert outcome.seconds > 0
    assert (outcome.comparisons, outcome.masks) == ({}, {})
    low, high = np.percentile(expected.predicted.numpy(), (0.02, 99.8))
    assert outcome.limits["nuclei"] == pytest.approx((low, high), rel=1e-4)


@pytest.mark.parametrize(
    ("make", "labels", "shape"),
    [
        (lambda pixels: pixels(3, 32, 40), "tyx", (3, 32, 40)),
        (lambda pixels: pixels(2, 3, 32, 40), "tzyx", (2, 3, 32, 40)),
        (lambda pixels: da.from_array(pixels(3, 32, 40), chunks=16), "zyx", (3, 32, 40)),
        (lambda pixels: [pixels(32, 40), pixels(16, 20)], "yx", (32, 40)),
    ],
    ids=["2D+t", "3D+t", "dask", "multiscale"],
)
def test_layers_of_every_kind_are_predicted(viewer, save, pixels, make, labels, shape):
    layer = viewer.add_image(make(pixels), axis_labels=labels)
    outcome, _ = work(viewer, save(), Pick(layer), masks=True)
    show(viewer, outcome)
    for name in ("nuclei predicted", "nuclei predicted mask"):
        assert viewer.layers[name].data.shape == shape
        assert viewer.layers[name].axis_labels == tuple(labels)


@pytest.mark.parametrize("labels", ["zyx", "tzyx"])
def test_a_3d_model_predicts_stacks(viewer, save, pixels, labels):
    layer = viewer.add_image(pixels(*(2,) * (len(labels) - 3), 8, 32, 40), axis_labels=labels)
    outcome, _ = work(viewer, save(spatial_axes="ZYX"), Pick(layer))
    show(viewer, outcome)
    assert viewer.layers["nuclei predicted"].data.shape == layer.data.shape


def test_masks_are_found_for_each_time_point(viewer, save, pixels):
    layer = viewer.add_image(pixels(3, 32, 40), axis_labels="tyx")
    outcome, _ = work(viewer, save(), Pick(layer), masks=True)
    mask = outcome.masks["nuclei"]
    assert mask.shape == (3, 32, 40)
    assert set(np.unique(mask.data)) == {0, 1}
    assert len(mask.provenance["otsu_thresholds"]["nuclei"]) == 3


def test_two_inputs_of_one_layer(viewer, save, pixels):
    layer = viewer.add_image(pixels(2, 32, 40), axis_labels="cyx")
    path = save(inputs=[InputSpec(name="a"), InputSpec(name="b")])
    outcome, _ = work(viewer, path, Pick(layer, 1), Pick(layer, 0))
    images = [Image(layer.data[channel], "YX") for channel in (1, 0)]
    expected = run(predict_events(load_model(path), images), lambda event: None)
    np.testing.assert_allclose(outcome.predicted.numpy(), expected.predicted.numpy(), rtol=1e-5)


def test_outputs_are_compared_where_something_was_observed(viewer, save, pixels):
    layer, stain = viewer.add_image(pixels(32, 40)), viewer.add_image(pixels(32, 40) // 2)
    path = save(outputs=("DAPI", "MAP2"))
    outcome, _ = work(
        viewer, path, Pick(layer), observed=[Pick(), Pick(stain)], errors=True, masks=True
    )
    assert list(outcome.comparisons) == ["MAP2"]
    assert list(outcome.masks) == ["DAPI"]
    low, high = np.percentile(stain.data, (0.02, 99.8))
    assert outcome.limits["MAP2"] == pytest.approx((low, high))
    show(viewer, outcome)
    names = {layer.name for layer in viewer.layers}
    assert {"DAPI predicted mask", "MAP2 observed mask", "MAP2 absolute error"} < names
    assert not {"DAPI observed mask", "DAPI absolute error"} & names
    assert viewer.layers.selection.active.name == "DAPI predicted"


@pytest.mark.parametrize("match", ["z-score", "least-squares"])
def test_the_contrast_shows_the_prediction_as_its_match(viewer, save, pixels, match):
    layer, stain = viewer.add_image(pixels(32, 40)), viewer.add_image(pixels(32, 40))
    outcome, _ = work(viewer, save(), Pick(layer), observed=[Pick(stain)], match=match)
    comparison = outcome.comparisons["nuclei"]
    gain, offset = comparison.coefficients["nuclei"][0]
    assert gain > 0
    low, high = outcome.limits["nuclei"]
    shown = (gain * low + offset, gain * high + offset)
    assert shown == pytest.approx(comparison.display_limits["nuclei"], rel=1e-6)


def test_a_match_that_turns_the_prediction_over_does_not_turn_its_contrast(viewer, save, pixels):
    layer = viewer.add_image(pixels(32, 40))
    negative = viewer.add_image(3000 - pixels(32, 40))
    chosen = {"observed": [Pick(negative)], "match": "least-squares"}
    outcome, events = work(viewer, save(), Pick(layer), **chosen)
    assert outcome.comparisons["nuclei"].coefficients["nuclei"][0].gain < 0
    assert any("turned it over" in e.text for e in events if isinstance(e, Notice))
    low, high = np.percentile(outcome.predicted.numpy(), (0.02, 99.8))
    assert outcome.limits["nuclei"] == pytest.approx((low, high), rel=1e-4)


def test_z_scores_get_a_contrast_of_their_own(viewer, save, pixels):
    layer = viewer.add_image(pixels(32, 40))
    outcome, _ = work(viewer, save(), Pick(layer), observed=[Pick(layer)], units="z-score")
    low, high = np.percentile(outcome.predicted.numpy(), (0.02, 99.8))
    assert outcome.limits["nuclei"] == pytest.approx((low, high), rel=1e-4)


def test_a_comparison_that_fails_leaves_the_prediction(viewer, save, pixels):
    layer = viewer.add_image(pixels(32, 40))
    broken = viewer.add_image(np.full((32, 40), np.nan, np.float32), name="stain")
    outcome, events = work(
        viewer, save(), Pick(layer), observed=[Pick(broken)], errors=True, masks=True
    )
    (problem,) = outcome.problems
    assert "pixels are NaN or infinite" in problem
    assert Notice(problem, warning=True) in events
    show(viewer, outcome)
    names = [one.name for one in viewer.layers]
    assert "nuclei predicted" in names
    assert "nuclei predicted mask" in names


def test_an_image_that_cannot_be_predicted_is_refused_with_nothing_added(viewer, save):
    layer = viewer.add_image(np.full((32, 40), 7, np.uint8), name="flat")
    with pytest.raises(VirtualStainError, match="flat"):
        work(viewer, save(), Pick(layer))
    assert len(viewer.layers) == 1


def test_layers_come_in_steps_so_that_the_window_can_be_drawn(viewer, save, pixels):
    layer, stain = viewer.add_image(pixels(32, 40)), viewer.add_image(pixels(32, 40))
    path = save(outputs=("DAPI", "MAP2"))
    outcome, _ = work(
        viewer, path, Pick(layer), observed=[Pick(stain)] * 2, errors=True, masks=True
    )
    counts = [len(viewer.layers) for _ in show_outcome(viewer, outcome)]
    assert counts == [4, 7, 10, 12, 14]
    assert [one.name for one in viewer.layers][::-1][:4] == [
        "DAPI observed mask",
        "DAPI predicted mask",
        "MAP2 observed mask",
        "MAP2 predicted mask",
    ]
