"""A training that goes on where it was interrupted ends with the same weights, bit for bit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from small import QUICK, InMemory, blobs

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Losses, Notice, Progress, run
from napari_virtual_stain.keeping import Snapshot
from napari_virtual_stain.training import (
    Augmentation,
    TrainingPair,
    TrainOptions,
    fitting,
    train_events,
)

VARIANTS = {
    "one cycle": {},
    "average of weights, augmented": {
        "averaging": 0.9,
        "augmentation": Augmentation(scale=0.1, rotation=10, noise=0.2, contrast=0.2),
        "foreground": 0.5,
    },
    "bf16": {"precision": "bf16"},
    "constant rate": {"preset": "gvtnet-2d"},
    "muon": {"preset": "best", "network_options": {"widths": (4, 8)}},
    "patience": {"patience": 5, "validate_every": 1},
    "adversarial": {"adversarial": True},
    "classes": {
        "preset": "gt-unet",
        "network_options": {"window": 16, "filters": 4, "growth": 2, "classes": 8, "dropout": 0.5},
    },
}


def trained(keeper, **options):
    events = []
    model = run(
        train_events([blobs()], TrainOptions(**{**QUICK, **options}), keeper=keeper),
        events.append,
    )
    return model, events


def through_json(snapshot: Snapshot) -> Snapshot:
    """Return it as a file would give it back."""
    return Snapshot(
        {name: np.array(values) for name, values in snapshot.arrays.items()},
        json.loads(json.dumps(dict(snapshot.values))),
    )


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_a_resumed_training_equals_an_unbroken_one(monkeypatch, options):
    monkeypatch.setattr(fitting, "KEEP_EVERY", 0.0)
    keeper = InMemory()
    unbroken, events = trained(keeper, **options)
    assert len(keeper.snapshots) == 6
    losses = [event for event in events if isinstance(event, Losses)]
    for taken in (2, 4):
        earlier = through_json(keeper.snapshots[taken - 1])
        resumed, later = trained(InMemory(earlier), **options)
        for name, values in unbroken.network.state_dict().items():
            assert torch.equal(values, resumed.network.state_dict()[name]), name
        assert resumed.spec == unbroken.spec
        again = [event for event in later if isinstance(event, Losses)]
        assert again == losses[taken:]
        assert Progress("Training", taken, 6) in later
        assert any(isinstance(e, Notice) and f"after step {taken} of 6" in e.text for e in later)


def test_the_best_so_far_is_kept_as_a_model(monkeypatch):
    monkeypatch.setattr(fitting, "KEEP_EVERY", 0.0)
    keeper = InMemory()
    model, _ = trained(keeper)
    assert not any(name.startswith("best/") for name in keeper.snapshots[1].arrays)
    assert "spec" not in keeper.snapshots[1].values
    last = keeper.snapshots[-1]
    assert last.values["spec"] == json.loads(model.spec.model_dump_json())
    for name, values in model.network.state_dict().items():
        assert np.array_equal(last.arrays[f"best/{name}"], values.numpy())


def test_the_key_tells_what_determines_the_training(monkeypatch):
    def key(pairs=None, **options):
        keeper = InMemory()
        work = train_events(
            pairs or [blobs()], TrainOptions(**{**QUICK, **options, "steps": 1}), keeper=keeper
        )
        run(work)
        return keeper.key

    assert json.loads(json.dumps(key())) == key()
    assert key(name="another", licence="CC0", device="auto") == key()
    for other in ({"seed": 1}, {"batch": 3}, {"half": True}, {"averaging": 0.5}):
        assert key(**other) != key()
    assert key([blobs(seed=1)]) != key()
    # Other parts of the same images, and images of the same statistics.
    crops = {"train_crop": {"X": slice(0, 32)}, "validation_crop": {"X": slice(64, 96)}}
    moved = {**crops, "train_crop": {"X": slice(32, 64)}}
    assert key(**crops) != key(**moved) != key()
    source, target = blobs()
    flipped = source.replace(data=source.numpy()[::-1])
    assert key([(flipped, target)]) != key()
    region = np.ones((48, 96), bool)
    region[:, 60:] = False
    halves = [TrainingPair(*blobs(), learn=region), TrainingPair(*blobs(), learn=region[::-1])]
    assert key([halves[0]]) == key([halves[1]])
    region = region.copy()
    region[:20, :30] = False
    assert key([TrainingPair(*blobs(), learn=region)]) != key([halves[0]])


def test_the_first_score_is_kept_and_nothing_more_often_than_needed():
    keeper = InMemory()
    trained(keeper)
    assert [snapshot.values["step"] for snapshot in keeper.snapshots] == [3]


def test_the_model_to_start_from_is_told_by_its_weights():
    def key(start):
        keeper = InMemory()
        trained(keeper, start=start, steps=1, network_options={})
        return keeper.key["model to start from"]

    one, other = (trained(InMemory(), seed=seed, steps=1)[0] for seed in (0, 1))
    assert one.spec.name == other.spec.name
    assert key(one) == key(one) != key(other)


def test_a_snapshot_that_cannot_be_kept_ends_no_training(monkeypatch):
    class Full(InMemory):
        def keep(self, snapshot):
            if len(self.snapshots) < 2:
                super().keep(snapshot)
            else:
                raise VirtualStainError("it could not be written: the disk is full.")

    monkeypatch.setattr(fitting, "KEEP_EVERY", 0.0)
    model, events = trained(Full())
    assert model.spec.provenance.steps
    warned = [event for event in events if isinstance(event, Notice) and event.warning]
    assert warned[0].text == (
        "The training cannot be kept while it runs, so a crash would lose it: it could not be "
        "written: the disk is full."
    )
