"""Whether a model can be trained on what is chosen, and the sentences that say why not."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.train import planning
from napari_virtual_stain.gui.train.form import Form
from napari_virtual_stain.gui.train.picks import Channel, PairPicks
from napari_virtual_stain.gui.train.verdict import Readiness, suited

from .train_helpers import pair, pair_of_layers, verdict


@pytest.fixture
def layers(viewer, pixels):
    return pair_of_layers(viewer, pixels)


def test_nothing_is_open():
    found = verdict(PairPicks((Pick(),), (Pick(),)))
    assert found.readiness is Readiness.EMPTY
    assert found.text.startswith("Open images and what is to be predicted from them")


def test_layers_that_cannot_be_chosen_are_named(viewer, layers, pixels):
    colours = viewer.add_image(np.zeros((32, 100, 3), np.uint8), name="H&E", rgb=True)
    movie = viewer.add_image(pixels(2, 3, 32, 100), name="movie")
    nothing = PairPicks((Pick(),), (Pick(),))
    text = verdict(nothing, layers=[colours, movie]).text
    assert "labels. H&E is an RGB image, and its colours are no grey values; split it" in text
    assert "Which axes of movie are time, channels and z planes cannot be told apart" in text
    found = verdict(pair(layers[1], None), layers=[colours, layers[1]])
    assert found.text.startswith("Choose a target: what is to be predicted. H&E is an RGB image")
    others = [viewer.add_image(np.zeros((8, 8, 3), np.uint8), rgb=True) for _ in range(2)]
    assert verdict(nothing, layers=[colours, movie, *others]).text.endswith(
        "2 more of the open layers cannot be chosen either."
    )
    assert verdict(pair(*layers), layers=[colours, *layers]).readiness is Readiness.READY
    assert "movie" not in verdict(nothing, layers=[movie], axes={movie: "TZYX"}).text


def test_what_is_missing_is_said(layers):
    phase, dapi = layers
    assert verdict(pair(phase, None)).text == "Choose a target: what is to be predicted."
    found = verdict(pair(phase, dapi), PairPicks((Pick(),), (Pick(dapi),)))
    assert found.text == "Choose the input phase of pair 2."
    found = verdict(pair(phase, dapi, None), targets=2)
    assert found.text == "Choose a layer for the target 2, or remove it."


def test_a_pair_that_can_be_trained(layers):
    phase, dapi = layers
    found = verdict(pair(phase, dapi), notes=" Neurons. ", licence="CC0-1.0", seed=3)
    assert found.readiness is Readiness.READY
    assert found.text == "Learns phase → DAPI from one pair (Y 32 × X 100)."
    assert (found.inputs, found.targets) == (("phase",), ("DAPI",))
    options, request = found.request.options, found.request
    assert options.name == "phase to DAPI"
    assert (options.description, options.licence, options.seed) == ("Neurons.", "CC0-1.0", 3)
    assert options.data == "napari layers: phase → DAPI"
    assert request.splits
    assert request.scored == request.pairs
    (plan,) = request.pairs
    assert plan.sources[0].voxel_size == {"Y": 0.5, "X": 0.5}
    assert plan.place.axes == "YX"


def test_several_targets_of_which_a_pair_lacks_one(viewer, layers, pixels):
    phase, dapi = layers
    map2 = viewer.add_image(pixels(32, 100), name="MAP2", axis_labels="yx")
    found = verdict(pair(phase, dapi, map2), pair(map2, dapi, None), targets=2)
    assert found.readiness is Readiness.READY, found.text
    assert [len(plan.targets) for plan in found.request.pairs] == [2, 1]


def test_what_is_both_input_and_target_is_refused(layers):
    phase, _ = layers
    found = verdict(pair(phase, phase))
    assert found.readiness is Readiness.REFUSED
    assert found.text == (
        "phase is both an input and a target of a pair; choose another layer or channel."
    )


def test_a_target_named_as_an_input_gets_a_number(layers):
    found = verdict(pair(*layers), targets_=[Channel("phase")])
    assert found.targets == ("phase 2",)


def test_sizes_that_differ_are_refused(viewer, layers, pixels):
    small = viewer.add_image(pixels(32, 64), name="small", axis_labels="yx")
    found = verdict(pair(layers[0], small))
    assert found.readiness is Readiness.REFUSED
    assert "a pair must lie on one grid" in found.text
    two = PairPicks((Pick(layers[0]), Pick(small)), (Pick(layers[1]),))
    assert "channels of one pair and must be of one size" in verdict(two, inputs=2).text


def test_a_preset_of_other_dimensions_is_refused(layers):
    found = verdict(pair(*layers), preset="gvtnet")
    assert found.readiness is Readiness.REFUSED
    assert found.text.startswith("The preset 'gvtnet' is 3D")


def test_the_first_preset_that_suits_the_pairs_is_suggested(viewer, layers, pixels):
    form = Form([Channel()], [Channel()], [pair(*layers)])
    assert suited(form, ["gvtnet", "fnet", "gvtnet-2d-small"]) == "gvtnet-2d-small"
    stacks = [viewer.add_image(pixels(5, 32, 40), name=n, axis_labels="zyx") for n in ("a", "b")]
    form = Form([Channel()], [Channel()], [pair(*stacks)])
    assert suited(form, ["gvtnet", "fnet-2d"]) == "gvtnet"
    assert suited(Form(preset="fnet"), ["gvtnet"]) == "fnet"


def test_pairs_are_planned_once_for_all_presets(viewer, layers, monkeypatch):
    seen = []

    def counted(*args):
        seen.append(args)
        return planning.plan_of(*args)

    monkeypatch.setattr("napari_virtual_stain.gui.train.verdict.plan_of", counted)
    form = Form([Channel()], [Channel()], [pair(*layers)])
    assert suited(form, ["gvtnet", "fnet", "gvtnet-2d-small"]) == "gvtnet-2d-small"
    assert len(seen) == 1


def test_axes_that_cannot_be_told_apart_are_refused_until_they_are_chosen(viewer, pixels):
    movie = viewer.add_image(pixels(2, 3, 32, 40), name="movie")
    stain = viewer.add_image(pixels(2, 3, 32, 40), name="stain", axis_labels="tzyx")
    found = verdict(pair(movie, stain))
    assert found.text.startswith("Which axes of movie are time, channels and z planes")
    found = verdict(pair(movie, stain), axes={movie: "TZYX"})
    assert found.readiness is Readiness.READY, found.text


def test_pairs_for_scoring_take_the_place_of_the_split(layers):
    phase, dapi = layers
    found = verdict(pair(phase, dapi), pair(dapi, phase, validates=True))
    assert found.text.endswith("from one pair (Y 32 × X 100), scored on another.")
    assert not found.request.splits
    assert found.request.scored == found.request.validation
    assert "scored on: " in found.request.options.data
    only = verdict(pair(phase, dapi, validates=True))
    assert only.readiness is Readiness.REFUSED
    assert "nothing to learn from" in only.text


def test_a_target_that_is_only_scored_is_to_be_learned_too(viewer, layers, pixels):
    phase, dapi = layers
    others = [
        viewer.add_image(pixels(32, 100), name=name, axis_labels="yx", scale=(0.5, 0.5), units="um")
        for name in ("phase 2", "DAPI 2", "GFP 2")
    ]
    scored = pair(*others, validates=True)
    found = verdict(pair(phase, dapi, None), scored, targets=2)
    assert found.readiness is Readiness.EMPTY
    assert found.text.startswith("The target GFP 2 is only in pairs to score on; choose it in one")


def test_learning_the_same_twice_is_warned_of(layers):
    (notice,) = verdict(pair(*layers), pair(*layers)).notices
    assert notice.warning
    assert notice.text.startswith("phase is the input of two pairs")


def test_layers_that_lie_elsewhere_are_warned_of(viewer, layers, pixels):
    def lying(name="DAPI 2", **place):
        return viewer.add_image(
            pixels(32, 100), name=name, axis_labels="yx", **{"scale": (0.5, 0.5), **place}
        )

    phase, dapi = layers
    assert verdict(pair(phase, dapi)).notices == ()
    moved = lying(translate=(15, 0.1), units="um")
    (notice,) = verdict(pair(phase, moved)).notices
    assert notice.warning
    assert notice.text == (
        "DAPI 2 lies elsewhere in the viewer than phase (by 30 px along Y); pixels are paired by "
        "their number."
    )
    larger = lying("DAPI 3", scale=(1, 0.5))
    found = verdict(pair(phase, moved), pair(dapi, larger)).notices
    assert "phase (by 30 px along Y), and another layer too; pixels" in found[0].text
    (notice, _) = verdict(pair(phase, larger)).notices
    assert "(its pixels are 2 × as long along Y)" in notice.text
    (notice, _) = verdict(pair(phase, lying("DAPI 4", rotate=90))).notices
    assert "(it is turned, sheared or mirrored)" in notice.text


def test_layers_that_are_turned_alike_lie_on_each_other(viewer, pixels):
    turned = [viewer.add_image(pixels(32, 100), name=n, axis_labels="yx", rotate=30) for n in "ab"]
    assert all(not notice.warning for notice in verdict(pair(*turned)).notices)


def test_labels_are_a_mask_and_say_so(viewer, layers):
    labels = viewer.add_labels(np.zeros((32, 100), int), name="cells", axis_labels="yx")
    strokes = Channel(unpainted="not annotated")
    found = verdict(pair(layers[0], labels), targets_=[strokes])
    assert found.readiness is Readiness.READY, found.text
    assert found.request.pairs[0].painted == {"cells": "not annotated"}


def test_a_mask_in_one_pair_and_an_image_in_another_is_refused(viewer, layers):
    labels = viewer.add_labels(np.zeros((32, 100), int), name="DAPI [1]", axis_labels="yx")
    found = verdict(pair(*layers), pair(layers[0], labels))
    assert found.readiness is Readiness.REFUSED
    assert "is a mask in one pair and an image in another" in found.text


def test_verdicts_are_the_same_if_they_say_the_same(layers):
    assert verdict(pair(*layers)) == verdict(pair(*layers), seed=5)
    assert verdict(pair(*layers)) != verdict(pair(*layers), pair(*layers))


def test_judging_loads_no_torch():
    code = (
        "import sys\n"
        "import napari_virtual_stain.gui.train.verdict, napari_virtual_stain.gui.train.work\n"
        "import napari_virtual_stain.training\n"
        "print('torch' in sys.modules, 'pyqtgraph' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
