"""Networks with a window of their own: a fixed lattice, no seams, and no say for memory."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.events import Notice, Progress, Stopped, run, stop_when
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import PredictOptions, predict, predict_events
from napari_virtual_stain.inference import planner as planners
from napari_virtual_stain.inference.engine import Engine
from napari_virtual_stain.inference.padding import read_reflected
from napari_virtual_stain.inference.sinks import ArraySink
from napari_virtual_stain.inference.windows import WindowPlan, blending_weights, run_windows
from napari_virtual_stain.networks import Geometry, Head, Window

UM = {"Y": 1.0, "X": 1.0}
BLENDS = st.sampled_from(["smooth", "linear"])


@st.composite
def windows(draw) -> Window:
    output = tuple(draw(st.integers(1, 12)) for _ in range(2))
    step = tuple(draw(st.integers(1, size)) for size in output)
    margin = draw(st.integers(0, 5))
    read = tuple(size + 2 * margin for size in output)
    return Window(read, output, step, draw(BLENDS))


def centre(values: np.ndarray, window: Window) -> np.ndarray:
    """Return the part of read windows (B, C, *input) at which their output stands."""
    parts = []
    for read, yielded in zip(window.input, window.output, strict=True):
        margin = (read - yielded) // 2
        parts.append(slice(margin, margin + yielded))
    return values[(..., *parts)]


def joined(image: np.ndarray, window: Window, batch: int, yielded) -> np.ndarray:
    plan = WindowPlan(image.shape[1:], window, batch)
    out = np.empty(image.shape, np.float32)
    steps = list(run_windows(yielded, lambda r: image[(slice(None), *r)], plan, ArraySink(out)))
    assert len(steps) == plan.steps
    return out


@settings(deadline=None)
@given(windows(), st.tuples(st.integers(1, 30), st.integers(1, 30)))
def test_weights_add_up_to_one_and_every_pixel_has_as_many_windows(window, size):
    weights, total = blending_weights(window), np.zeros(size)
    assert (weights > 0).all()
    covered = np.zeros(size, int)
    plan = WindowPlan(size, window, 1)
    for ((y, x),) in (batch for _, batches in plan.rows() for batch in batches):
        for i, j in np.ndindex(window.output):
            if 0 <= y + i < size[0] and 0 <= x + j < size[1]:
                total[y + i, x + j] += weights[i, j]
                covered[y + i, x + j] += 1
    np.testing.assert_allclose(total, 1, atol=1e-6)
    for output, step in zip(window.output, window.step, strict=True):
        if output % step:
            return  # then the number alternates, in the middle as at the border
    expected = math.prod(o // s for o, s in zip(window.output, window.step, strict=True))
    assert (covered == expected).all()


@settings(deadline=None)
@given(windows(), st.tuples(st.integers(1, 30), st.integers(1, 30)), st.integers(1, 9))
def test_a_network_that_returns_its_input_gives_the_image_back(window, size, batch):
    """Seam-free, whatever the image: also where it is much smaller than a window."""
    image = np.random.default_rng(0).normal(size=(2, *size)).astype(np.float32)
    result = joined(image, window, batch, lambda values: centre(values, window))
    np.testing.assert_allclose(result, image, atol=1e-5)


def test_windows_that_disagree_are_blended_without_a_seam():
    """Each window is off by a constant of its own: the result passes from one to the next."""
    window = Window((64, 64), (64, 64), (32, 32), "smooth")
    offsets = iter(np.random.default_rng(1).normal(size=1000))

    def off(values):
        return np.float32([[np.full((64, 64), next(offsets))] for _ in values])

    result = joined(np.zeros((1, 200, 200), np.float32), window, 1, off)[0]
    steepest = np.pi / 2 / 32 * 6  # of a raised cosine over 32 px, between the extremes
    assert np.abs(np.diff(result)).max() < steepest
    assert result.std() > 0.1


@given(st.integers(1, 9), st.integers(-40, 40), st.integers(1, 50))
def test_the_image_is_reflected_without_end(size, start, length):
    image = np.arange(size, dtype=float)[None]
    found = read_reflected(lambda r: image[:, r[0]], [slice(start, start + length)], [size])
    before, after = max(-start, 0), max(start + length - size, 0)
    padded = np.pad(image[0], (before, after), mode="reflect" if size > 1 else "edge")
    first = start + before
    np.testing.assert_array_equal(found[0], padded[first : first + length])


class Windowed(torch.nn.Module):
    """A small network with a window whose output feels the window's borders."""

    def __init__(self, head: Head | None = None, outputs: int = 1, inputs: int = 1) -> None:
        super().__init__()
        self.head = head or Head()
        window = Window((32, 32), (16, 16), (8, 8), "smooth")
        self.geometry = Geometry((16, 16), (0, 0), window=window)
        self.conv = torch.nn.Conv2d(inputs, self.head.raw_channels(outputs), 5, padding=2)
        with torch.no_grad():
            self.conv.weight.normal_(generator=torch.Generator().manual_seed(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[2:] == (32, 32)
        x = x - x.mean((2, 3), keepdim=True)  # as attention would, it spans the window
        return self.conv(x)[:, :, 8:24, 8:24]


def windowed(make_model, network=None, **fields):
    like = make_model("fnet", **fields)
    return type(like)((network or Windowed(inputs=len(like.spec.inputs))).eval(), like.spec)


def picture(*size: int) -> Image:
    values = np.random.default_rng(0).integers(100, 4000, size).astype(np.uint16)
    return Image(values, "YX", UM)


def test_memory_batches_and_tiles_change_nothing(make_model, monkeypatch):
    model, image = windowed(make_model), picture(45, 67)
    expected = predict(model, image).numpy()
    alone = Engine(model.network, 1, torch.device("cpu"))
    one_window = alone.budget.need((32, 32), 32 * 32).bytes(32 * 32) / 2**30
    for options in ({"tile": 8}, {"memory": 1.5 * one_window}, {"memory": 1.0}):
        for at_once in (1, 3, 1000):
            monkeypatch.setitem(planners.WINDOWS_AT_ONCE, "cpu", at_once)
            other = predict(model, image, device="cpu", **options).numpy()
            assert np.abs(other - expected).max() <= 1e-5 * expected.std()


def test_the_result_is_what_the_windows_make_by_hand(make_model):
    model, image = windowed(make_model), picture(20, 31)
    values = image.numpy().astype(float)
    normalized = np.pad((values - values.mean()) / values.std(), 60, mode="reflect")
    ramp = np.sin(np.pi / 2 * np.minimum((np.arange(16) + 0.5) / 8, (15.5 - np.arange(16)) / 8))
    ramp = np.minimum(ramp**2, 1)
    result = np.zeros((100, 100))
    for y in range(-8, 20, 8):
        for x in range(-8, 31, 8):
            part = normalized[60 + y - 8 : 60 + y + 24, 60 + x - 8 : 60 + x + 24]
            with torch.inference_mode():
                yielded = model.network(torch.from_numpy(np.float32(part))[None, None])[0, 0]
            result[y + 20 : y + 36, x + 20 : x + 36] += np.outer(ramp, ramp) * yielded.numpy()
    predicted = predict(model, image, units="z-score").numpy()[0]
    np.testing.assert_allclose(predicted, result[20:40, 20:51], atol=1e-4 * predicted.std())


@pytest.mark.parametrize("size", [(1, 2), (2, 1), (1, 40), (3, 5), (100, 1)])
def test_images_much_smaller_than_a_window(make_model, size):
    predicted = predict(windowed(make_model), picture(*size)).numpy()
    assert predicted.shape == (1, *size)
    assert np.isfinite(predicted).all()


def test_classes_are_reduced_window_by_window(make_model, monkeypatch):
    """Never are they held for more than one batch of windows."""
    network = Windowed(Head("classes", 16), outputs=2)
    model, image = windowed(make_model, network, outputs=("DNA", "actin")), picture(40, 50)
    seen = []
    forward = Engine.forward

    def watched(self, values, channels):
        result = forward(self, values, channels)
        seen.append(result.shape)
        return result

    monkeypatch.setattr(Engine, "forward", watched)
    predicted, uncertainty = predict(model, image, return_uncertainty=True, device="cpu")
    assert {shape[1:] for shape in seen[1:]} == {(6, 16, 16)}
    assert predicted.channels == ("DNA", "actin")
    assert uncertainty.channels == ("DNA σ", "actin σ", "DNA entropy", "actin entropy")
    assert 0 <= predicted.numpy().min() <= predicted.numpy().max() <= 1
    assert 0 <= uncertainty.numpy().min() <= uncertainty.numpy().max() <= 1
    seen.clear()
    again = predict(model, image, device="cpu")
    assert {shape[1:] for shape in seen[1:]} == {(2, 16, 16)}
    np.testing.assert_array_equal(again.numpy(), predicted.numpy())
    assert again.provenance["statistic"] == "mean"
    median = predict(model, image, statistic="median")
    assert np.abs(median.numpy() - again.numpy()).max() > 0.01


def test_progress_counts_windows_and_cancel_stops_between_them(make_model):
    model, events = windowed(make_model), []
    run(predict_events(model, picture(40, 40), PredictOptions(device="cpu")), events.append)
    progress = [e for e in events if isinstance(e, Progress) and e.stage == "Predicting"]
    assert [e.done for e in progress] == list(range(1, 37))
    assert {e.total for e in progress} == {36}
    calls = []

    def requested() -> bool:
        calls.append(1)
        return len(calls) > 20

    with stop_when(requested), pytest.raises(Stopped):
        run(predict_events(model, picture(40, 40), PredictOptions(device="cpu")))
    assert len(calls) == 21


def test_memory_for_less_than_one_window_is_refused(make_model):
    with pytest.raises(VirtualStainError, match=r"too small: one window needs about .* GiB"):
        predict(windowed(make_model), picture(40, 40), memory=1e-5)


def test_memory_that_runs_out_leads_to_fewer_windows_at_a_time(make_model, monkeypatch):
    model, image = windowed(make_model), picture(40, 40)
    expected = predict(model, image, device="cpu").numpy()
    forward = Engine.forward

    def scarce(self, values, channels):
        if len(values) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(self, values, channels)

    monkeypatch.setattr(Engine, "forward", scarce)
    monkeypatch.setitem(planners.WINDOWS_AT_ONCE, "cpu", 8)
    with pytest.warns(VirtualStainWarning, match="smaller parts are computed at a time"):
        predicted = predict(model, image, device="cpu").numpy()
    np.testing.assert_allclose(predicted, expected, atol=1e-5 * expected.std())


def test_a_context_is_said_to_change_nothing(make_model):
    said, model = [], windowed(make_model)
    work = predict_events(model, picture(40, 40), PredictOptions(context=8))
    limited = run(work, lambda e: said.append(e.text) if isinstance(e, Notice) else None)
    assert any("looks at windows of 32 × 32 px" in text for text in said)
    expected = predict(model, picture(40, 40)).numpy()
    np.testing.assert_array_equal(limited.predicted.numpy(), expected)


@pytest.mark.parametrize("name", ["gt-unet", "virfluonet"])
def test_the_networks_that_have_a_window(make_model, name, monkeypatch):
    options = {"depth": 4} if name == "virfluonet" else {}
    model, image = make_model(name, large_weights=False, **options), picture(37, 50)
    expected = predict(model, image, device="cpu").numpy()
    assert expected.shape == (1, 37, 50)
    monkeypatch.setitem(planners.WINDOWS_AT_ONCE, "cpu", 4)
    other = predict(model, image, device="cpu").numpy()
    assert np.abs(other - expected).max() <= 1e-5 * max(expected.std(), np.abs(expected).max())
