"""Masks, pixels that do not count, regions, and images that lack some targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import QUICK, UM, blobs

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Losses, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import predict
from napari_virtual_stain.inference.devices import choose_device
from napari_virtual_stain.training import TrainingPair, TrainOptions, train, train_events
from napari_virtual_stain.training.feeding import Feed
from napari_virtual_stain.training.loop import chosen_recipe
from napari_virtual_stain.training.patches import patches_of
from napari_virtual_stain.training.preparation import prepare_events

CPU = choose_device("cpu")


def prepared(pairs, **options):
    chosen = TrainOptions(**{**QUICK, **options})
    return run(prepare_events(pairs, chosen_recipe(chosen), chosen))


def only(pair, *names):
    """Return a pair with some of its targets."""
    source, target = pair
    values = np.stack([target.channel(name).numpy() for name in names])
    return source, target.replace(data=values, channels=names)


def test_outputs_are_the_targets_of_all_pairs_and_a_missing_one_counts_nowhere():
    ready = prepared([only(blobs(0), "actin"), blobs(1), only(blobs(2), "DNA")])
    assert [output.name for output in ready.spec.outputs] == ["actin", "DNA"]
    counts = [e.weight if e.weight is None else e.weight.all((1, 2)) for e in ready.training]
    assert counts[0].tolist() == [True, False]
    assert counts[1] is None
    assert counts[2].tolist() == [False, True]
    assert ready.training[2].statistics[0] is None
    # What is kept of a target is the mean of the pairs that have it.
    alone = prepared([only(blobs(0), "actin"), only(blobs(1), "actin")])
    assert ready.spec.outputs[0].mean == pytest.approx(alone.spec.outputs[0].mean)


def test_gradients_of_absent_targets_are_exactly_zero():
    """Whatever stands where a target is missing, NaN too, the update is the same to the bit."""
    ready = prepared([only(blobs(0), "actin"), only(blobs(1), "DNA")], batch=4)
    recipe = chosen_recipe(TrainOptions(**{**QUICK, "batch": 4}))
    torch.manual_seed(0)
    network = ready.spec.build_network()
    patches = patches_of(ready.training, recipe, network.geometry, 0)
    with Feed(patches, recipe.augmentation, 4, [1], CPU) as feed:
        fed = feed(1)
    assert 0 < fed.weights.mean() < 1
    from napari_virtual_stain.training.losses import LossOptions, loss_sums

    def gradients(targets):
        network.zero_grad()
        raw = network(fed.inputs)
        loss_sums(
            network.head, raw, targets, options=LossOptions(), weight=fed.weights
        ).mean().backward()
        return [parameter.grad.clone() for parameter in network.parameters()]

    zeros = gradients(fed.targets)
    nan = gradients(fed.targets.where(fed.weights > 0, torch.nan))
    huge = gradients(fed.targets.where(fed.weights > 0, 1e30))
    assert any(gradient.abs().max() > 0 for gradient in zeros)
    for one, other, third in zip(zeros, nan, huge, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one, third)


def test_an_output_learns_nothing_from_images_that_lack_it():
    """A last layer's weights of an output stay as they are while no image has it."""
    ready = prepared([blobs(0), only(blobs(1), "DNA")])
    dna_only = [ready.training[1]]
    recipe = chosen_recipe(TrainOptions(**QUICK))
    torch.manual_seed(0)
    network = ready.spec.build_network()
    patches = patches_of(dna_only, recipe, network.geometry, 0)
    from napari_virtual_stain.training.losses import LossOptions, loss_sums

    with Feed(patches, recipe.augmentation, 2, [1], CPU) as feed:
        fed = feed(1)
    raw = network(fed.inputs)
    options = LossOptions()
    loss_sums(network.head, raw, fed.targets, options=options, weight=fed.weights).mean().backward()
    of_dna, of_actin = network.output.weight.grad
    assert of_dna.abs().max() > 0
    assert torch.equal(of_actin, torch.zeros_like(of_actin))


def test_a_model_of_images_with_different_targets_learns_them_all():
    pairs = [only(blobs(0, (64, 96)), "actin"), only(blobs(1, (64, 96)), "DNA")]
    model = train(
        pairs, **{**QUICK, "steps": 150, "validate_every": 75, "batch": 4, "learning_rate": 5e-3}
    )
    scores = model.spec.provenance.scores
    assert set(scores) == {"actin", "DNA"}
    assert min(score["validation_pearson_r"] for score in scores.values()) > 0.5


def test_a_mask_is_learned_and_predicted_as_a_probability():
    source, target = blobs(0, (64, 128), ("DNA", "cells"))
    mask = (target.channel("cells").numpy() > 1000).astype(np.uint8)
    both = Image(np.stack([target.channel("DNA").numpy(), mask]), "CYX", UM, ("DNA", "cells"))
    pair = TrainingPair(source, both, masks=("cells",))
    model = train(
        [pair], **{**QUICK, "steps": 100, "validate_every": 50, "batch": 4, "learning_rate": 5e-3}
    )
    output = model.spec.outputs[1]
    assert (output.name, output.kind, output.scaling) == ("cells", "mask", "none")
    predicted = predict(model, source).numpy()[1]
    found, true = predicted > 0.5, mask > 0
    assert (found & true).sum() / (found | true).sum() > 0.7
    assert predicted.min() >= 0
    assert predicted.max() <= 1


def test_what_is_not_annotated_does_not_count_even_if_it_is_not_a_number():
    source, target = blobs(0, (64, 128), ("DNA",))
    values = target.numpy().astype(np.float32)
    counts = np.zeros(values.shape, np.uint8)
    counts[:, :, 16:40] = 1
    counts[:, :, 110:] = 1
    values[counts == 0] = np.nan
    pair = TrainingPair(source, target.replace(data=values), counts=target.replace(data=counts))
    ready = prepared([pair])
    (example,) = ready.training
    kept = target.numpy()[counts > 0]
    assert ready.spec.outputs[0].mean == pytest.approx(kept.mean())
    assert ready.spec.outputs[0].std == pytest.approx(kept.std())
    assert example.weight.sum() == 64 * 24
    losses = []
    run(
        train_events([pair], TrainOptions(**QUICK)),
        lambda event: losses.append(event) if isinstance(event, Losses) else None,
    )
    assert np.isfinite([event.training for event in losses]).all()
    assert np.isfinite(losses[-1].validation).all()


def test_counts_of_one_plane_hold_for_all_channels():
    source, target = blobs(0)
    counts = Image((np.arange(96) < 90)[None].repeat(48, 0), "YX", UM)
    (example,) = prepared([TrainingPair(source, target, counts=counts)]).training
    assert example.weight.shape[0] == 2
    (scored,) = prepared([TrainingPair(source, target, counts=counts)]).validation
    assert not scored.weight[:, :, -6:].any()
    assert scored.weight[:, :, :-6].all()


def test_regions_say_what_is_learned_and_what_is_scored():
    source, target = blobs(0)
    learn, score = np.zeros((2, 48, 96), bool)
    learn[:, 10:40], score[5:30, 60:80] = True, True
    ready = prepared([TrainingPair(source, target, learn=learn, score=score)])
    (example,), (scored,) = ready.training, ready.validation
    assert np.array_equal(example.weight[0], learn)
    assert scored.target.shape == (2, 25, 20)
    assert (scored.place.origin["Y"], scored.place.origin["X"]) == (5, 60)
    # Without a training region, everything but what is scored is learned.
    (example,) = prepared([TrainingPair(source, target, score=score)]).training
    assert np.array_equal(example.weight[1], ~score)


def test_a_pair_that_is_scored_alone_is_not_learned():
    source, target = blobs(0)
    nothing, everything = np.zeros((48, 96), bool), np.ones((48, 96), bool)
    ready = prepared([blobs(1), TrainingPair(source, target, learn=nothing, score=everything)])
    assert [example.place.pair for example in ready.training] == [0]
    assert [example.place.pair for example in ready.validation] == [1]


REFUSED = {
    "regions that overlap": (
        lambda s, t: TrainingPair(s, t, learn=np.ones((48, 96), bool), score=np.eye(48, 96) > 0),
        "the training and the validation region of field stained overlap",
    ),
    "a region of another size": (
        lambda s, t: TrainingPair(s, t, learn=np.ones((4, 96), bool)),
        r"the training region of field stained must .* 48 × 96 pixels, and is bool of 4 × 96",
    ),
    "a mask that is not there": (
        lambda s, t: TrainingPair(s, t, masks=("nuclei",)),
        "field stained has no channel 'nuclei' that could be a mask",
    ),
    "counts of another size": (
        lambda s, t: TrainingPair(s, t, counts=Image(np.ones((3, 96)), "YX")),
        r"where field stained counts is given for Y 3 × X 96, but",
    ),
    "nothing counts": (
        lambda s, t: TrainingPair(s, t, learn=np.zeros((48, 96), bool), score=np.eye(48, 96) > 0),
        "nothing to learn",
    ),
    "nothing is scored": (
        lambda s, t: TrainingPair(s, t, score=np.zeros((48, 96), bool)),
        "so nothing can be scored",
    ),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_in_a_sentence(make, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        train([make(*blobs(0))], **QUICK)


def test_a_target_is_a_mask_everywhere_or_nowhere():
    source, target = blobs(0, targets=("DNA",))
    mask = TrainingPair(source, target.replace(data=target.numpy() > 1100), masks=("DNA",))
    with pytest.raises(VirtualStainError, match="'DNA' is a mask in one pair and an image in"):
        train([mask, blobs(1, targets=("DNA",))], **QUICK)
