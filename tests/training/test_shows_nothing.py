"""Parts of the pairs in which there is nothing to see end no training in which there is."""

from __future__ import annotations

import numpy as np
import pytest
from small import QUICK, UM, blobs

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.training import TrainingPair, TrainOptions, train
from napari_virtual_stain.training.fitting import _mean
from napari_virtual_stain.training.loop import chosen_recipe
from napari_virtual_stain.training.preparation import prepare_events


def prepared(pairs, **options):
    chosen = TrainOptions(**{**QUICK, **options})
    events = []
    return run(prepare_events(pairs, chosen_recipe(chosen), chosen), events.append), [
        event.text for event in events if isinstance(event, Notice)
    ]


def painted(seed, objects_in_the_last_fifth=True):
    source, target = blobs(seed, targets=("cells",))
    mask = target.numpy() > 1000
    if not objects_in_the_last_fifth:
        mask[..., 70:] = False
    return TrainingPair(source, target.replace(data=mask), masks=("cells",))


def movie(frames=3, dark=(), dark_input=()):
    """Return a movie of which the target, or the input, is dark at some time points."""
    pairs = [blobs(seed, targets=("DNA",)) for seed in range(frames)]
    light = np.stack([source.numpy() for source, _ in pairs])
    stain = np.stack([target.numpy()[0] for _, target in pairs])
    light[list(dark_input)] = 7
    stain[list(dark)] = 7
    return (
        Image(light, "TYX", UM, channels=("phase",), name="film"),
        Image(stain, "TYX", UM, channels=("DNA",), name="film stained"),
    )


def test_a_field_without_objects_where_it_is_scored_is_left_out_of_the_score():
    ready, said = prepared([painted(0), painted(1, False), painted(2)])
    assert len(ready.training) == 3
    assert len(ready.validation) == 2
    assert (
        "1 of 3 images or planes that are held out show nothing of cells, and do not count in its "
        "score." in said
    )


def test_where_no_field_can_be_scored_it_is_refused():
    with pytest.raises(VirtualStainError, match="is constant in the validation part"):
        prepared([painted(0, False), painted(1, False)])


def test_a_dark_frame_of_a_movie_is_left_out():
    ready, said = prepared([movie(4, dark_input=[1])])
    assert [example.place.origin["T"] for example in ready.training] == [0, 2, 3]
    assert "1 of 4 time points of film show nothing, and are left out." in said
    # At either end, too, and of a part.
    part = {"train_crop": {"T": slice(1, 4)}, "validation": [movie(2)]}
    ready, said = prepared([movie(4, dark_input=[0, 3])], **part)
    assert [example.place.origin["T"] for example in ready.training] == [1, 2]
    assert "1 of 3 time points of film show nothing, and are left out." in said
    with pytest.raises(VirtualStainError, match=r"film \(phase\), time point 1 is constant"):
        prepared([movie(2, dark_input=[0, 1])])


def test_a_frame_without_stain_counts_nowhere():
    ready, _ = prepared([movie(3, dark=[1])])
    assert [example.weight is None for example in ready.training] == [True, False, True]
    assert not ready.training[1].weight.any()
    assert ready.training[1].statistics == (None,)
    assert len(ready.validation) == 2


def test_a_target_of_which_no_pixel_counts_is_as_one_that_is_missing():
    source, target = blobs(0)
    nowhere = TrainingPair(source, target, counts=Image(np.zeros((48, 96)), "YX", UM))
    ready, _ = prepared([blobs(1), nowhere])
    assert ready.training[1].statistics == (None, None)
    with pytest.raises(VirtualStainError, match="there is nothing to learn of DNA"):
        prepared([nowhere], validation=[blobs(1)])


def test_a_target_that_is_only_scored_is_refused():
    source, target = blobs(0, targets=("DNA",))
    scored = TrainingPair(*blobs(1), learn=np.zeros((48, 96), bool), score=np.ones((48, 96), bool))
    with pytest.raises(VirtualStainError, match="there is nothing to learn of actin"):
        prepared([TrainingPair(source, target), scored])


def test_a_target_that_only_validation_pairs_have_is_not_learned():
    ready, said = prepared([blobs(0, targets=("DNA",))], validation=[blobs(1)])
    assert [output.name for output in ready.spec.outputs] == ["DNA"]
    assert "actin is only among the pairs to score on, and is not learned." in said


def test_patches_are_measured_together():
    contrast = np.array([1.0, 0.01, 5.0])[:, None, None]
    light, stain = movie(3)
    patches = TrainingPair(
        light.replace(data=np.float32(light.numpy() * contrast)),
        stain.replace(data=np.float32(stain.numpy() * contrast)),
        pooled=True,
    )
    ready, _ = prepared([patches])
    values = np.stack([example.values for example in ready.training])
    spread = values.std(axis=(1, 2, 3))
    assert spread[2] / spread[0] == pytest.approx(5, rel=0.3)
    assert spread[1] < 0.02 * spread[2]
    targets = np.stack([example.target for example in ready.training]).std(axis=(1, 2, 3))
    assert targets[1] < 0.02 * targets[2]


@pytest.mark.parametrize("values", [255, 7])
def test_a_mask_of_integers_is_what_is_not_zero(values):
    pair = painted(0)
    other = TrainingPair(
        pair.source, pair.target.replace(data=np.uint8(pair.target.numpy()) * values), ("cells",)
    )
    one, _ = prepared([pair])
    two, _ = prepared([other])
    assert np.array_equal(one.training[0].target, two.training[0].target)
    assert set(np.unique(two.training[0].target)) == {0, 1}


def test_a_mask_of_grey_values_is_refused():
    source, target = blobs(0, targets=("cells",))
    wrong = TrainingPair(source, target.replace(data=np.float32(target.numpy())), ("cells",))
    with pytest.raises(VirtualStainError, match=r"the mask cells of field stained has values from"):
        prepared([wrong])


def test_names_that_differ_in_case_are_one_output():
    source, target = blobs(1, targets=("DNA",))
    other = source, target.replace(channels=("dna",))
    ready, _ = prepared([blobs(0, targets=("DNA",)), other])
    assert [output.name for output in ready.spec.outputs] == ["DNA"]
    ready, _ = prepared([blobs(0, targets=("DNA",)), other], targets=["Dna"])
    assert [output.name for output in ready.spec.outputs] == ["Dna"]
    assert ready.training[1].statistics[0] is not None


def test_two_channels_of_one_name_are_refused():
    source, target = blobs(0)
    with pytest.raises(VirtualStainError, match="field stained has two channels named 'dna'"):
        prepared([(source, target.replace(channels=("DNA", "dna")))])


def test_what_is_not_learned_is_scored_where_nothing_else_is_said():
    learn = np.zeros((48, 96), bool)
    learn[:, 60:] = True
    ready, said = prepared([TrainingPair(*blobs(0), learn=learn)])
    assert not any("held out" in text for text in said)
    (scored,) = ready.validation
    assert scored.weight.any(0).sum() == 48 * 60


def test_a_flat_prediction_of_one_output_counts_as_nothing():
    assert _mean([0.5, np.nan]) == 0.25
    assert np.isnan(_mean([np.nan, np.nan]))


def test_loss_and_discriminator_are_not_chosen_together():
    from napari_virtual_stain.training.losses import LossOptions

    with pytest.raises(VirtualStainError, match="against a discriminator, the loss is that of"):
        train([blobs()], **QUICK, adversarial=True, loss=LossOptions(value="mae"))
