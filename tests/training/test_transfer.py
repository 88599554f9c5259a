"""Training from another model's weights, and with parts that stay as they are."""

from __future__ import annotations

import json

import pytest
import torch
from small import QUICK, blobs

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Notice, run
from napari_virtual_stain.training import TrainOptions, train, train_events


@pytest.fixture(scope="module")
def earlier():
    return train([blobs()], **QUICK)


def trained(**options):
    notices = []
    model = run(
        train_events([blobs(1)], TrainOptions(**{**QUICK, "network_options": {}, **options})),
        lambda event: notices.append(event.text) if isinstance(event, Notice) else None,
    )
    return model, notices


def test_it_begins_with_the_weights_and_the_network_of_the_model(earlier):
    # At a rate of next to nothing, what comes out is what it began with.
    model, notices = trained(start=earlier, learning_rate=1e-12, steps=1)
    assert model.spec.network == earlier.spec.network
    named = dict(earlier.network.named_parameters())
    for name, parameter in model.network.named_parameters():
        assert torch.allclose(parameter, named[name], atol=1e-6), name
    assert any("Started from the model 'field gvtnet-2d-small'." in text for text in notices)


def test_channels_are_taken_by_their_names(earlier):
    source, target = blobs(1)
    swapped = target.replace(data=target.numpy()[::-1].copy(), channels=target.channels[::-1])
    chosen = TrainOptions(**{**QUICK, "network_options": {}, "start": earlier, "steps": 1})
    model = run(train_events([(source, swapped)], chosen))
    assert [output.name for output in model.spec.outputs] == ["DNA", "actin"]
    said = []
    other = target.replace(channels=("nuclei", "fibres"))
    model = run(train_events([(source, other)], chosen), said.append)
    assert [output.name for output in model.spec.outputs] == ["nuclei", "fibres"]
    text = "were taken in this order: DNA, actin for nuclei, fibres."
    assert any(isinstance(event, Notice) and text in event.text for event in said)


def test_its_voxel_size_is_that_of_the_model(earlier):
    um = {"Y": 1.0, "X": 1.0}
    source, target = (image.replace(voxel_size=um) for image in blobs(1, (96, 192)))
    chosen = {**QUICK, "network_options": {}, "start": earlier, "steps": 1}
    assert train([(source, target)], **chosen).spec.voxel_size == {"Y": 0.5, "X": 0.5}
    given = train([(source, target)], **chosen, voxel_size={"Y": 2, "X": 2})
    assert given.spec.voxel_size == {"Y": 2, "X": 2}


def test_where_it_comes_from_is_known(earlier):
    origin = trained(start=earlier, learning_rate=1e-3, steps=1)[0].spec.provenance
    assert origin.started_from.startswith("field gvtnet-2d-small (")
    changed = json.loads(origin.options)
    assert changed["steps"] == 1
    assert changed["batch"] == 2
    assert "loss" not in changed


def test_layers_for_other_channels_begin_anew(earlier):
    model, notices = trained(start=earlier, learning_rate=1e-12, steps=1, targets=["DNA"])
    assert [output.name for output in model.spec.outputs] == ["DNA"]
    assert any("begin anew (output.weight, output.bias)" in text for text in notices)


def test_what_is_frozen_stays_as_it_is_running_statistics_too(earlier):
    parts = sorted({name.split(".")[0] for name, _ in earlier.network.named_parameters()})
    first = parts[0]
    model, _ = trained(start=earlier, freeze=[first])
    before, after = earlier.network.state_dict(), model.network.state_dict()
    frozen = {name for name in before if name.split(".")[0] == first}
    assert frozen
    for name in before:
        changed = not torch.equal(before[name], after[name])
        if name in frozen:
            assert not changed, name
    assert any(not torch.equal(before[name], after[name]) for name in set(before) - frozen)


def test_what_cannot_be_frozen_is_refused(earlier):
    with pytest.raises(VirtualStainError, match="no part 'encodr' that could be frozen; it has "):
        trained(start=earlier, freeze=["encodr"])
    everything = {name.split(".")[0] for name, _ in earlier.network.named_parameters()}
    with pytest.raises(VirtualStainError, match="every part of the network is frozen"):
        trained(start=earlier, freeze=sorted(everything))


def test_a_model_of_other_dimensions_is_no_start(earlier):
    with pytest.raises(
        VirtualStainError, match="to start from is 2D, which the preset 'gvtnet' is"
    ):
        trained(start=earlier, preset="gvtnet")
