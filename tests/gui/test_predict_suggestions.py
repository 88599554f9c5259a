"""Which layer and channel are chosen before anybody has."""

from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.predict.offers import look_at
from napari_virtual_stain.gui.predict.suggestions import (
    suggest_channel,
    suggest_input,
    suggest_observed,
)
from napari_virtual_stain.gui.results import add_prediction
from napari_virtual_stain.image import Image
from napari_virtual_stain.model import InputSpec

from .conftest import small_spec

SPEC = small_spec(
    inputs=[InputSpec(name="phase", modality="phase contrast")], outputs=("DAPI", "MAP2")
)


@pytest.fixture
def add(viewer):
    def add_plane(name, *channels, **attributes):
        shape = (len(channels), 20, 30) if channels else (20, 30)
        if channels:
            attributes |= {
                "axis_labels": "cyx",
                "metadata": {METADATA: {"channels": list(channels)}},
            }
        return viewer.add_image(np.zeros(shape), name=name, **attributes)

    return add_plane


def pick(viewer, position=0, spec=SPEC, **options):
    return suggest_input(spec, position, look_at(viewer.layers, {}), **options)


def test_without_layers_nothing(viewer):
    assert pick(viewer).layer is None


@pytest.mark.parametrize("name", ["phase", "Phase contrast", "well 3: phase", "PHASE_stack"])
def test_a_layer_of_the_name_goes_first(viewer, add, name):
    add("something"), add("DAPI")
    wanted = add(name)
    add("another")
    assert pick(viewer).layer == wanted


def test_the_exact_name_goes_before_a_similar_one(viewer, add):
    add("phase of the moon")
    wanted = add("phase")
    assert pick(viewer).layer == wanted


def test_what_is_named_like_an_output_comes_last(viewer, add):
    add("well 3: DAPI")
    wanted = add("transmitted")
    assert pick(viewer).layer == wanted


def test_what_is_preferred_goes_before_the_bottom(viewer, add):
    bottom, other = add("one"), add("two")
    assert pick(viewer).layer == bottom
    assert pick(viewer, preferred=[other]).layer == other
    assert pick(viewer, preferred=[None, other]).layer == other
    assert pick(viewer, preferred=[bottom, other]).layer == bottom


def test_what_cannot_be_read_comes_last(viewer, add):
    viewer.add_image(np.zeros((20, 30, 3), np.uint8), rgb=True, name="phase")
    unclear = viewer.add_image(np.zeros((2, 3, 20, 30)), name="movie")
    assert pick(viewer).layer == unclear
    clear = add("plain")
    assert pick(viewer).layer == clear


def test_predictions_are_not_suggested(viewer, add):
    layer = add("cells")
    predicted = Image(np.zeros((2, 20, 30), np.float32), "CYX", channels=["DAPI", "MAP2"])
    results = add_prediction(viewer, predicted, [layer], SPEC)
    results[0].name = "phase"
    assert pick(viewer).layer == layer
    viewer.layers.remove(layer)
    assert pick(viewer).layer is None


def test_a_channel_of_the_name_is_found(viewer, add):
    layer = add("well", "DAPI", "Phase", "MAP2")
    found = pick(viewer)
    assert (found.layer, found.channel) == (layer, 1)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(("a", "b"), (0, 1)), (("b", "a"), (1, 0)), (("x", "y"), (0, 1)), (("x", "y", "z"), (0, 0))],
)
def test_channels_go_by_name_then_by_order(channels, expected):
    spec = small_spec(inputs=[InputSpec(name="a"), InputSpec(name="b")])
    assert tuple(suggest_channel(spec, i, channels) for i in range(2)) == expected


def observed(viewer, output, *inputs):
    return suggest_observed(output, inputs, look_at(viewer.layers, {}))


def test_an_observed_layer_has_the_very_name(viewer, add):
    phase = add("phase")
    dapi = add("dapi")
    add("MAP2 and more")
    assert observed(viewer, "DAPI", phase).layer == dapi
    assert observed(viewer, "MAP2", phase).layer is None


def test_an_observed_channel_has_the_very_name(viewer, add):
    phase = add("phase")
    stains = add("stains", "NFH", "MAP2", "DAPI")
    found = observed(viewer, "MAP2", phase)
    assert (found.layer, found.channel) == (stains, 1)


def test_an_observed_layer_has_the_size_of_the_input(viewer, add):
    phase = add("phase")
    viewer.add_image(np.zeros((21, 30)), name="DAPI")
    assert observed(viewer, "DAPI", phase).layer is None


def test_planes_may_be_missing_in_the_observed_layer(viewer):
    phase = viewer.add_image(np.zeros((13, 20, 30)), axis_labels="zyx", name="phase")
    dapi = viewer.add_image(np.zeros((20, 30)), name="DAPI")
    assert observed(viewer, "DAPI", phase).layer == dapi
