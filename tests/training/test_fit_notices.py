"""What is assumed of voxel sizes and planes is said, once for all images that it is true of."""

from __future__ import annotations

import numpy as np
from small import QUICK, blobs

from napari_virtual_stain.events import Notice, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.training import TrainOptions
from napari_virtual_stain.training.loop import chosen_recipe
from napari_virtual_stain.training.preparation import prepare_events


def said(pairs, **options):
    chosen = TrainOptions(**{**QUICK, **options})
    events = []
    run(prepare_events(pairs, chosen_recipe(chosen), chosen), events.append)
    return {event.text: event.warning for event in events if isinstance(event, Notice)}


def sized(pair, size, of_target=None, name=None):
    source, target = pair
    sizes = [{} if one is None else {"Y": one, "X": one} for one in (size, of_target or size)]
    return (
        source.replace(voxel_size=sizes[0], name=name or source.name),
        target.replace(voxel_size=sizes[1]),
    )


def test_an_unknown_voxel_size_is_a_warning_where_that_of_others_is_known():
    found = said([blobs(0), *(sized(blobs(n), None, name=f"well {n}") for n in range(1, 6))])
    text = (
        "the voxel size of well 1, well 2, well 3 and 2 more along Y, X is unknown; it is taken "
        "for 0.5 × 0.5 µm, at which is trained."
    )
    assert found[text] is True


def test_where_none_is_known_that_is_said():
    found = said([sized(blobs(0), None)])
    text = "the voxel size of field is unknown: the model will take images pixel by pixel."
    assert found[text] is False


def test_a_size_that_was_asked_for_means_nothing_without_one():
    found = said([sized(blobs(0), None)], voxel_size={"Y": 0.3, "X": 0.3})
    assert any(text.startswith("the voxel size of field along Y, X is unknown") for text in found)


def test_what_is_resampled_is_said():
    found = said([blobs(0), sized(blobs(1), 0.25)])
    text = "field: resampled along Y, X from 0.25 × 0.25 µm to 0.5 × 0.5 µm, at which is trained."
    assert found[text] is False


def test_a_target_of_another_voxel_size_is_a_warning():
    found = said([sized(blobs(0), 0.5, 1.0)])
    text = (
        "the voxel size along Y is 0.5 µm in the input and 1 µm in the target of field; that of "
        "the input is taken."
    )
    assert found[text] is True


def test_other_numbers_of_planes_are_a_warning():
    def stack(planes, seed):
        source, target = blobs(seed)
        pixels = np.stack([source.numpy()] * planes)
        return Image(pixels, "ZYX", channels=("phase",), name=f"of {planes}"), target

    found = said([stack(5, 0), stack(7, 1)])
    assert found[
        "of 7: 7 z planes, of which the nearest are taken for the 5 of the first pair, so the "
        "focus may not match."
    ]
