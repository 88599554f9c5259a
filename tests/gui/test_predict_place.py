"""Whether a result fits into memory, and what is said where it does not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from napari_virtual_stain.errors import ResultTooLargeError, VirtualStainError
from napari_virtual_stain.events import run
from napari_virtual_stain.gui.predict.form import Form, Pick, Readiness, judge
from napari_virtual_stain.gui.predict.models import open_entry
from napari_virtual_stain.gui.predict.place import in_memory, result_bytes
from napari_virtual_stain.gui.predict.work import predict_request
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import PredictOptions
from napari_virtual_stain.inference import result_bytes as library_bytes
from napari_virtual_stain.io import load_model

from .conftest import small_spec

GIB = 2**30
REMEDY = "Choose “on disk” as Result under Advanced options."


@pytest.fixture(autouse=True)
def computer(monkeypatch):
    """Let 16 GiB be free: half is for predictions, and half of that for their results."""
    memory = SimpleNamespace(available=16 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


@pytest.mark.parametrize(
    ("size", "device", "memory"),
    [(4, "cpu", None), (4, "auto", None), (1, "cpu", 2), (8, "cuda", None), (7, "cuda", 0.5)],
)
def test_it_fits(size, device, memory):
    place = in_memory(size * GIB, device, memory)
    assert (place.files, place.notices, place.question) == (None, (), "")


@pytest.mark.parametrize(
    ("size", "device", "memory"),
    [(4.5, "cpu", None), (1.1, "cpu", 2), (9, "auto", None), (9, "cuda", None), (9, "auto", 40)],
)
def test_it_does_not_fit(size, device, memory):
    with pytest.raises(VirtualStainError) as error:
        in_memory(int(size * GIB), device, memory)
    assert str(error.value) == f"The result ({size:.2g} GiB) does not fit into memory. {REMEDY}"


def test_it_fits_if_there_is_a_gpu():
    (notice,) = in_memory(6 * GIB, "auto", None).notices
    assert notice.warning
    assert notice.text == f"The result (6 GiB) may not fit into memory. {REMEDY}"


@pytest.mark.parametrize(("uncertainty", "tta"), [(False, False), (True, True), (False, True)])
def test_the_size_is_what_the_library_says(viewer, save, pixels, uncertainty, tta, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "napari_virtual_stain.gui.predict.form.in_memory",
        lambda size, *rest: seen.append(size) or in_memory(size, *rest),
    )
    path = save(outputs=("DAPI", "MAP2"))
    layer = viewer.add_image(pixels(3, 32, 40), axis_labels="tyx")
    form = Form(open_entry(path), [Pick(layer)], [Pick(), Pick()], uncertainty=uncertainty, tta=tta)
    request = judge(form, viewer.layers).request
    assert seen == [library_bytes(load_model(path), request.images[0], request.options)]


def test_a_model_that_is_unsure_by_itself_counts_its_maps():
    spec = small_spec(uncertainties=("σ", "entropy"))
    channel = Image(np.zeros((4, 5), np.float32), "YX")
    assert result_bytes(channel, spec) == 80
    assert result_bytes(channel, spec, spec.uncertainties) == 240


def test_it_is_refused_before_it_runs(viewer, save, pixels):
    layer = viewer.add_image(np.broadcast_to(np.uint8(0), (200_000, 100_000)), name="slide")
    form = Form(open_entry(save()), [Pick(layer)], [Pick()], axes={layer: "YX"})
    verdict = judge(form, viewer.layers)
    assert verdict.readiness is Readiness.REFUSED
    assert verdict.text == f"The result (75 GiB) does not fit into memory. {REMEDY}"


def test_it_is_said_in_the_same_words_when_it_turns_out_later(viewer, save, pixels):
    layer = viewer.add_image(pixels(600, 600))
    # What the network itself takes is known only when it has been loaded.
    memory = 2.0001 * 4 * 600**2 / GIB
    form = Form(open_entry(save()), [Pick(layer)], [Pick()], device="cpu", memory=memory)
    request = judge(form, viewer.layers).request
    assert request.options == PredictOptions(channels=[0], device="cpu", memory=memory)
    with pytest.raises(VirtualStainError) as error:
        run(predict_request(request), lambda event: None)
    assert str(error.value) == f"The result does not fit into memory. {REMEDY}"
    assert not isinstance(error.value, ResultTooLargeError)
