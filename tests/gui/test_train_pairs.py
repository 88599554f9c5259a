"""Which layers make pairs, what their channels are called, and what is suggested."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from napari.layers import Layer

from napari_virtual_stain.events import Preview
from napari_virtual_stain.gui.layer_data import METADATA
from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.train.matching import further_pairs
from napari_virtual_stain.gui.train.naming import channel_names, file_stem, model_name
from napari_virtual_stain.gui.train.offers import input_offers, shapes_layers, target_offers
from napari_virtual_stain.gui.train.own_layers import HELD_OUT_TITLE, HeldOut, Previews
from napari_virtual_stain.gui.train.picks import PairPicks
from napari_virtual_stain.gui.train.suggestions import suggest_input, suggest_target
from napari_virtual_stain.gui.train.words import natural, without, words


def add(viewer, *names, shape=(32, 40), labels=False):
    make = viewer.add_labels if labels else viewer.add_image
    return [
        make(np.zeros(shape, np.uint8), name=name, axis_labels="tzyx"[-len(shape) :])
        for name in names
    ]


def offers(viewer):
    return target_offers(viewer.layers, {})


def pair(source, *targets):
    return PairPicks((Pick(source),), tuple(Pick(target) for target in targets))


def named(pairs):
    return [
        tuple(pick.layer.name if pick.layer else None for pick in (*one.inputs, *one.targets))
        for one in pairs
    ]


def test_words_of_a_name():
    assert words("A01_phase-2 (µm)") == ["A", "01", "phase", "2", "µm"]


def test_names_are_sorted_as_people_count():
    names = ["field 10", "field 2", "Field 1"]
    assert sorted(names, key=natural) == ["Field 1", "field 2", "field 10"]


def test_a_name_without_some_of_its_words():
    assert without("A01 phase", channel_field("A01 dapi", "A01 phase")) == "phase"
    assert without("well 3: DAPI stain", channel_field("well 3: DAPI stain", "well 3")) == (
        "DAPI stain"
    )
    assert without("01", channel_field("01", "01")) == "01"


def channel_field(*names):
    from napari_virtual_stain.gui.train.words import shared

    return shared(names)


@pytest.mark.parametrize(
    ("first", "others", "expected"),
    [
        (
            ("phase 01", "DAPI 01"),
            ("phase 10", "DAPI 10", "phase 2", "DAPI 2", "phase 3"),
            [("phase 2", "DAPI 2"), ("phase 10", "DAPI 10")],
        ),
        (("phase", "DAPI"), ("phase [1]", "DAPI [1]"), [("phase [1]", "DAPI [1]")]),
        (
            ("A01_phase", "A01_dapi"),
            ("A02_phase", "A02_dapi", "B01_phase", "A03_dapi"),
            [("A02_phase", "A02_dapi")],
        ),
        (("phase", "DAPI"), ("notes", "something else"), []),
    ],
)
def test_layers_named_alike_make_further_pairs(viewer, first, others, expected):
    source, target = add(viewer, *first)
    add(viewer, *others)
    found = further_pairs(pair(source, target), [source, target], offers(viewer))
    assert named(found) == expected


def test_a_field_may_lack_a_target_but_no_input(viewer):
    one, dapi, map2 = add(viewer, "phase 1", "DAPI 1", "MAP2 1")
    add(viewer, "phase 2", "MAP2 2", "DAPI 3", "MAP2 3")
    found = further_pairs(pair(one, dapi, map2), [one, dapi, map2], offers(viewer))
    assert named(found) == [("phase 2", None, "MAP2 2")]


def test_pairs_are_of_one_kind_and_size(viewer):
    source, target = add(viewer, "phase 1", "cells 1")
    add(viewer, "phase 2", "phase 3")
    add(viewer, "cells 2", shape=(16, 40))
    add(viewer, "cells 3", labels=True)
    assert further_pairs(pair(source, target), [source, target], offers(viewer)) == []


def test_layers_with_the_same_channels_make_further_pairs(viewer):
    def well(name, channels):
        return viewer.add_image(
            np.zeros((len(channels), 8, 8)),
            name=name,
            axis_labels="cyx",
            metadata={METADATA: {"channels": channels}},
        )

    first = well("one", ["bf", "DAPI"])
    well("two", ["bf", "DAPI"])
    well("three", ["bf", "MAP2"])
    picks = PairPicks((Pick(first, 0),), (Pick(first, 1),))
    (found,) = further_pairs(picks, [first], offers(viewer))
    assert named([found]) == [("two", "two")]
    assert found.targets[0].channel == 1


def test_taken_layers_are_not_taken_again(viewer):
    layers = add(viewer, "phase 1", "DAPI 1", "phase 2", "DAPI 2")
    assert further_pairs(pair(*layers[:2]), layers, offers(viewer)) == []


def test_transmitted_light_is_learned_from_and_stains_are_learned(viewer):
    dapi, phase = add(viewer, "DAPI", "phase contrast")
    add(viewer, "other", shape=(16, 16))
    image_offers = input_offers(viewer.layers, {})
    source = suggest_input(image_offers, [])
    assert source == Pick(phase)
    assert suggest_target(offers(viewer), [source], []) == Pick(dapi)


def test_labels_are_suggested_where_there_is_no_stain(viewer):
    (phase,) = add(viewer, "phase")
    (cells,) = add(viewer, "cells", labels=True)
    assert suggest_target(offers(viewer), [Pick(phase)], []) == Pick(cells)
    (dapi,) = add(viewer, "DAPI")
    assert suggest_target(offers(viewer), [Pick(phase)], []) == Pick(dapi)
    assert suggest_target(offers(viewer), [Pick(phase)], [Pick(dapi)]) == Pick(cells)


def test_the_same_field_goes_first(viewer):
    _, second, phase = add(viewer, "DAPI 1", "DAPI 2", "phase 2")
    assert suggest_target(offers(viewer), [Pick(phase)], []) == Pick(second)


def test_channels_of_one_layer_are_told_apart(viewer):
    well = viewer.add_image(
        np.zeros((3, 8, 8)),
        axis_labels="cyx",
        metadata={METADATA: {"channels": ["DAPI", "brightfield", "MAP2"]}},
    )
    source = suggest_input(input_offers(viewer.layers, {}), [])
    assert source == Pick(well, 1)
    first = suggest_target(offers(viewer), [source], [])
    assert first == Pick(well, 0)
    assert suggest_target(offers(viewer), [source], [first]) == Pick(well, 2)


def test_layers_of_the_dock_are_not_offered(viewer, plan):
    add(viewer, "phase", "DAPI")
    shapes = viewer.add_shapes([np.array([[0, 0], [4, 4]])], shape_type="rectangle")
    HeldOut(viewer).show([plan])
    assert len(viewer.layers) == 4
    assert [offer.layer.name for offer in offers(viewer)] == ["DAPI", "phase"]
    assert shapes_layers(viewer.layers) == [shapes]


def test_a_copy_of_a_layer_of_the_dock_is_the_persons(viewer, plan):
    add(viewer, "phase", "DAPI")
    HeldOut(viewer).show([plan])
    previews = Previews(viewer, [plan], {})
    previews.show(Preview(10, 0, np.eye(40, dtype=np.float32)[None], ("DAPI",), {}))
    kept = {}
    for name in (HELD_OUT_TITLE, "DAPI preview"):
        data, attributes, kind = viewer.layers[name].as_layer_data_tuple()
        kept[name] = Layer.create(deepcopy(data), {**attributes, "name": "mine"}, kind)
        viewer.add_layer(kept[name])
    assert shapes_layers(viewer.layers) == [kept[HELD_OUT_TITLE]]
    assert [offer.layer for offer in input_offers(viewer.layers, {})] == [
        kept["DAPI preview"],
        viewer.layers["DAPI"],
        viewer.layers["phase"],
    ]
    assert suggest_input(input_offers(viewer.layers, {}), []).layer == viewer.layers["phase"]


@pytest.mark.parametrize("chosen", [(), ("phase",), ("phase", "DAPI")])
def test_layers_that_come_and_go_leave_the_selection_alone(viewer, plan, chosen):
    add(viewer, "phase", "DAPI")
    selection = viewer.layers.selection
    for layer in viewer.layers:
        (selection.add if layer.name in chosen else selection.discard)(layer)
    held_out = HeldOut(viewer)
    for change in (lambda: held_out.show([plan]), held_out.close):
        change()
        assert sorted(layer.name for layer in selection) == sorted(chosen)
        assert selection.active == (viewer.layers["phase"] if len(chosen) == 1 else None)


@pytest.fixture
def plan(viewer):
    from napari_virtual_stain.gui.geometry import Geometry
    from napari_virtual_stain.gui.train.plan import PairPlan
    from napari_virtual_stain.image import Image

    layer = viewer.add_image(np.zeros((40, 100)), axis_labels="yx")
    viewer.layers.remove(layer)
    image = Image(np.zeros((40, 100)), "YX", channels=["a"])
    return PairPlan((image,), (image,), {}, Geometry.of(layer, "YX"))


@pytest.mark.parametrize(
    ("typed", "layers", "expected"),
    [
        (["", ""], [["phase 01"], ["DAPI 01"]], ["phase", "DAPI"]),
        (["", ""], [["phase 01", "phase 02"], ["DAPI 01", "DAPI 02"]], ["phase", "DAPI"]),
        (["", ""], [["phase", "phase [1]"], ["nuclei", "nuclei [1]"]], ["phase", "nuclei"]),
        (["", " Nuclei "], [["bf"], ["DAPI"]], ["bf", "Nuclei"]),
        (["", ""], [["bf"], []], ["bf", ""]),
        (["", ""], [["image"], ["image"]], ["image", "image 2"]),
    ],
)
def test_channels_are_called_what_their_layers_show(typed, layers, expected):
    assert channel_names(typed, layers) == expected


def test_a_model_is_called_what_it_does():
    assert model_name(["phase"], ["DAPI", "MAP2"]) == "phase to DAPI, MAP2"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("phase to DAPI, MAP2", "phase to DAPI MAP2"),
        ("../../etc/passwd", "etc passwd"),
        ("Zellkerne (µm) : neu*", "Zellkerne µm neu"),
        ("...", "model"),
        ("x" * 200, "x" * 80),
    ],
)
def test_a_name_becomes_that_of_a_file(name, stem):
    assert file_stem(name) == stem
