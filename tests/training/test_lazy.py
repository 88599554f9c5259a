"""Pairs that do not fit into memory are read patch by patch."""

from __future__ import annotations

import dask.array as da
import numpy as np
from small import QUICK, UM, blobs

from napari_virtual_stain.events import Notice, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.training import TrainOptions, held_out, preparation, train
from napari_virtual_stain.training.loop import chosen_recipe
from napari_virtual_stain.training.patches import patches_of
from napari_virtual_stain.training.preparation import prepare_events


def lazily(image: Image) -> Image:
    chunks = (1,) * (len(image.axes) - 2) + (16, 16)
    return image.replace(data=da.from_array(image.numpy(), chunks=chunks))


def test_the_same_patches_whether_held_or_read(monkeypatch):
    source, target = blobs(0, (64, 128))
    options = TrainOptions(**QUICK)
    recipe = chosen_recipe(options)

    def drawn(pair):
        ready = run(prepare_events([pair], recipe, options))
        geometry = ready.spec.build_network().geometry
        return ready, patches_of(ready.training, recipe, geometry, 0).draw(3, range(4))

    held, expected = drawn((source, target))
    monkeypatch.setattr(preparation, "HELD", 0)
    ready, found = drawn((lazily(source), lazily(target)))
    assert isinstance(held.training[0].values, np.ndarray)
    assert not isinstance(ready.training[0].values, np.ndarray)
    assert np.array_equal(found.values, expected.values)
    assert np.array_equal(found.targets, expected.targets)


def test_a_training_that_reads_as_it_goes_gives_the_same_model(monkeypatch):
    source, target = blobs(0)
    one = train([(source, target)], **QUICK)
    monkeypatch.setattr(preparation, "HELD", 0)
    other = train([(lazily(source), lazily(target))], **QUICK)
    for name, values in one.network.state_dict().items():
        assert np.array_equal(values, other.network.state_dict()[name]), name


def test_of_much_that_is_held_out_a_part_is_scored(monkeypatch):
    monkeypatch.setattr(held_out, "MOST_NUMBERS", 3 * 2000)
    rng = np.random.default_rng(0)
    source, target = (
        Image(rng.integers(0, 999, (40, 64, 400)), "TYX", UM, name=name) for name in ("in", "out")
    )
    monkeypatch.setattr(held_out, "MOST_EXAMPLES", 8)
    notices = []
    options = TrainOptions(**QUICK)
    ready = run(
        prepare_events([(source, target)], chosen_recipe(options), options),
        lambda event: notices.append(event.text) if isinstance(event, Notice) else None,
    )
    assert len(ready.validation) == 8
    assert [example.place.origin["T"] for example in ready.validation] == list(range(0, 40, 5))
    for example in ready.validation:
        assert example.values.size + example.target.size <= 750
        y, x = example.place.origin["Y"], example.place.origin["X"]
        rows, columns = example.target.shape[1:]
        image = target.numpy()[example.place.origin["T"]].astype(float)
        expected = ((image - image.mean()) / image.std())[y : y + rows, x : x + columns]
        assert np.allclose(example.target[0], expected, atol=1e-4)
        assert x >= 320
    assert any("the middle of 8 of 40 planes or stacks of it is scored" in text for text in notices)
