"""How long a training takes, its scores included."""

from __future__ import annotations

import dask.array as da
import pytest

from napari_virtual_stain.gui.predict.form import Pick
from napari_virtual_stain.gui.train.form import Form
from napari_virtual_stain.gui.train.picks import Channel, PairPicks
from napari_virtual_stain.gui.train.timing import FORWARD, score_seconds, seconds_in_all
from napari_virtual_stain.gui.train.verdict import judge
from napari_virtual_stain.training.fitting import SETTLING_STEPS

STEP = 3.0


@pytest.fixture
def request_of(viewer):
    def make(*shape, validates=False, preset="gvtnet-2d-small", targets=None, **fields):
        pairs = []
        for number in range(1 + validates):
            layers = [
                viewer.add_image(da.zeros(size), name=name, axis_labels="tzyx"[-len(size) :])
                for name, size in ((f"a {number}", shape), (f"b {number}", targets or shape))
            ]
            pairs.append(PairPicks((Pick(layers[0]),), (Pick(layers[1]),), number == 1))
        found = judge(Form([Channel()], [Channel()], pairs, preset=preset, batch=2, **fields))
        assert found.request is not None, found.text
        return found.request

    return make


def patches(request):
    """Return how many patches a score predicts."""
    recipe = request.recipe
    of_batch = score_seconds(request, STEP) / STEP / FORWARD - SETTLING_STEPS
    return of_batch * recipe.batch


def test_what_is_held_out_is_predicted(request_of):
    # A patch is 256 px along both sides.
    assert patches(request_of(1024, 1280)) == pytest.approx(4)
    assert patches(request_of(1024, 1280, validates=True)) == pytest.approx(20)
    assert patches(request_of(3, 1024, 1280)) == pytest.approx(12)
    assert patches(request_of(3, 1024, 1280, targets=(1024, 1280))) == pytest.approx(4)


def test_a_region_counts_as_far_as_it_lies_on_the_image(viewer, request_of):
    shapes = viewer.add_shapes([[(-90, 0), (-90, 511), (255, 511), (255, 0)]])
    assert patches(request_of(1024, 1024, score_in=shapes)) == pytest.approx(2)


def test_of_much_a_part_is_scored(request_of):
    # Of 2**24 numbers, half are of the input.
    assert patches(request_of(2**14, 2**14)) == pytest.approx(2**23 / 2**16)


def test_a_training_takes_its_steps_and_its_scores(request_of):
    request = request_of(1024, 1280, steps=1010)
    assert request.options.validate_every == 25
    expected = 1010 * STEP + 41 * score_seconds(request, STEP)
    assert seconds_in_all(request, STEP) == pytest.approx(expected)
