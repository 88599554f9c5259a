"""Tiles that fail for want of memory are halved, and turned images are averaged exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import predict
from napari_virtual_stain.inference.devices import choose_device
from napari_virtual_stain.inference.engine import Engine
from napari_virtual_stain.inference.frames import RawReader
from napari_virtual_stain.inference.plan import TooLittleMemory
from napari_virtual_stain.inference.plan import plan as make_plan
from napari_virtual_stain.inference.sinks import ArraySink
from napari_virtual_stain.inference.tiles import FrameSource, TileRun
from napari_virtual_stain.inference.transfer import Transfers, normalized, reading_ahead

CPU = torch.device("cpu")
TOLERANCE = 1e-4
MOST_TILES = 120
NETWORKS = {
    "fnet": {},
    "gvtnet": {},
    "gvtnet, softmax": {"attention": "softmax"},
    "gvtnet, attention at all levels": {
        "down": "gvto-v2",
        "up": "gvto-v2",
        "large_weights": False,
    },
    "gvtnet-denoise": {"large_weights": False},
    "subpixel-unet": {},
    "unet": {},
}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).normal(size=shape).astype(np.float32)


def run(engine: Engine, values: np.ndarray, plan) -> np.ndarray:
    out = np.full((1, *values.shape[1:]), np.nan, np.float32)
    for _ in engine.run(lambda r: values[(slice(None), *r)], values.shape[1:], plan, out):
        pass
    return out


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(sorted(NETWORKS)),
    ndim=st.sampled_from([2, 2, 3]),
    sizes=st.tuples(st.integers(1, 18), st.integers(1, 120), st.integers(1, 120)),
    share=st.floats(0.0, 1.0),
    tta=st.booleans(),
)
@example(name="gvtnet, attention at all levels", ndim=3, sizes=(5, 17, 22), share=0.0, tta=False)
@example(name="fnet", ndim=3, sizes=(3, 18, 30), share=0.0, tta=False)
@example(name="gvtnet", ndim=2, sizes=(1, 30, 41), share=0.0, tta=True)
def test_any_budget_gives_the_whole_image_result(make_model, name, ndim, sizes, share, tta):
    """The law, over networks, sizes and what memory allows."""
    depth = 2 + (ndim == 2)
    levels = {"widths": (4,) * depth} if name == "subpixel-unet" else {"depth": depth}
    model = make_model(name.partition(",")[0], axes="ZYX"[3 - ndim :], **levels, **NETWORKS[name])
    values = noise(1, *sizes[3 - ndim :])
    engine = Engine(model.network, 1, CPU, memory=8.0, tta=tta and ndim == 2)
    whole_plan = engine.plan(values.shape[1:], 10_000)
    assert whole_plan.is_whole
    whole = run(engine, values, whole_plan)
    with pytest.raises(TooLittleMemory) as refused:
        make_plan(whole_plan.size, whole_plan.stride, whole_plan.halo, max_voxels=0)
    smallest = refused.value.needed
    voxels = int(smallest + share**3 * (whole_plan.voxels - smallest))
    # One part in eight is for what is beside the forwards.
    budget = engine.budget
    budget.memory = math.ceil(budget.need(values.shape[1:], 1).bytes(voxels) * 8 / 7) + 64
    budget._measured = lambda sizes, estimated: None  # it is in terms of the estimate
    plan = engine.plan(values.shape[1:])
    # The smallest tiles of a large volume are thousands, which tell no more than a hundred do.
    assume(plan.count <= MOST_TILES)
    assert plan.voxels <= voxels + 1
    tiled = run(engine, values, plan)
    scale = max(float(whole.std()), float(np.abs(whole).max()) * 1e-3, 1e-6)
    assert np.abs(tiled - whole).max() <= TOLERANCE * scale


@pytest.mark.parametrize("name", ["fnet", "gvtnet", "gvtnet-denoise"])
def test_a_tile_that_does_not_fit_is_halved_and_the_others_stay(make_model, monkeypatch, name):
    model = make_model(name, depth=2, large_weights=name != "gvtnet-denoise")
    values = noise(1, 96, 128)
    engine = Engine(model.network, 1, CPU)
    expected = run(engine, values, engine.plan((96, 128), 10_000))
    computed, on_device = [], Engine.on_device

    def scarce(self, staged, raw=None):
        if computed[3:] and staged.numel() >= plan.voxels:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        computed.append(staged.shape[2:])
        return on_device(self, staged, raw)

    monkeypatch.setattr(Engine, "on_device", scarce)
    plan = engine.plan((96, 128), 32)
    out = np.full((1, 96, 128), np.nan, np.float32)
    steps = engine.run(lambda r: values[(slice(None), *r)], (96, 128), plan, out)
    said = [one for one in steps if one is not None]
    assert np.abs(out - expected).max() <= TOLERANCE * expected.std()
    assert said
    assert all("smaller parts" in one.text and one.warning for one in said)
    # The first tiles were computed once, at their full size; none is read whole again.
    assert [tuple(shape) for shape in computed[:4]] == [plan.read] * 4
    assert all(np.prod(shape) < plan.voxels for shape in computed[4:])


def test_memory_for_less_than_one_stride_is_said(make_model, monkeypatch):
    model = make_model("fnet", depth=2)

    def scarce(self, staged, raw=None):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    picture = Image(noise(64, 64), "YX", {"Y": 1.0, "X": 1.0})
    predict(model, picture)
    monkeypatch.setattr(Engine, "on_device", scarce)
    with pytest.raises(VirtualStainError, match="memory did not suffice, not even"):
        predict(model, picture)


@pytest.mark.parametrize("name", ["fnet", "gvtnet"])
def test_augmentation_is_the_mean_over_the_turned_images(make_model, name):
    """Written with NumPy, one whole image after the other."""
    model = make_model(name, depth=3, likelihood="gaussian")
    values = noise(1, 40, 64)  # multiples of the stride: a turned image is padded elsewhere
    predictions, sigmas = [], []
    for quarter in range(4):
        for flipped in (False, True):
            turned = values[..., ::-1] if flipped else values
            turned = np.rot90(turned, quarter, (1, 2)).copy()
            with torch.inference_mode():
                raw = model.network(torch.from_numpy(turned[None]))
                maps = model.network.head.read(raw)[0].numpy()
            maps = np.rot90(maps, -quarter, (1, 2))
            maps = maps[..., ::-1] if flipped else maps
            predictions.append(maps[0])
            sigmas.append(maps[1])
    mean = np.mean(predictions, 0)
    sigma = np.sqrt(np.var(predictions, 0) + np.mean(np.square(sigmas), 0))
    for tile in (10_000, 16):
        engine = Engine(model.network, 1, CPU, tta=True)
        out = np.empty((2, 40, 64), np.float32)
        plan = engine.plan((40, 64), tile)
        for _ in engine.run(lambda r: values[(slice(None), *r)], (40, 64), plan, out):
            pass
        assert np.abs(out[0] - mean).max() <= TOLERANCE * mean.std()
        assert np.abs(out[1] - sigma).max() <= TOLERANCE * sigma.std()


def test_a_model_without_uncertainty_has_one_when_augmented(make_model):
    model = make_model("fnet", statistics=(100.0, 20.0))
    picture = Image(noise(40, 40), "YX", {"Y": 1.0, "X": 1.0})
    predicted, uncertainty = predict(model, picture, tta=True, return_uncertainty=True)
    assert uncertainty.channels == ("DNA σ",)
    assert uncertainty.provenance["units"] == "intensity"
    assert 0 < uncertainty.numpy().mean() < predicted.numpy().std() * 10
    assert predicted.provenance["tta"] is True
    with pytest.raises(VirtualStainError, match="ask for test-time augmentation"):
        predict(model, picture, return_uncertainty=True)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_a_device_normalizes_as_numpy_does(dtype):
    info = np.iinfo(dtype) if dtype != "float32" else None
    low, high = (info.min, info.max) if info else (-1e3, 1e3)
    grey = np.random.default_rng(0).uniform(low, high, (1, 2, 30, 40)).astype(dtype)
    grey.flat[0], grey.flat[1] = low, high
    offsets, units = np.array([100.5, 3], np.float32), np.array([7.3, 0.1], np.float32)
    there = Transfers(CPU).up(Transfers(CPU).stage(grey))
    found = normalized(there, np.dtype(dtype), offsets, units).numpy()
    shape = (1, 2, 1, 1)
    expected = (grey.astype(np.float32) - offsets.reshape(shape)) / units.reshape(shape)
    np.testing.assert_array_equal(found, expected)
    assert grey.flat[1] == high  # the source is not written to


def test_grey_values_sent_to_a_device_give_the_same(make_model):
    model = make_model("gvtnet")
    grey = np.random.default_rng(0).integers(0, 65535, (1, 60, 70)).astype(np.uint16)
    offset, unit = np.array([30000], np.float32), np.array([20000], np.float32)
    raw = RawReader(lambda r: grey[(slice(None), *r)], offset, unit, grey.dtype)
    values = (grey.astype(np.float32) - offset) / unit
    engine = Engine(model.network, 1, CPU)
    plan = engine.plan((60, 70), 24)
    out = np.empty((1, 60, 70), np.float32)
    source = FrameSource(lambda r: values[(slice(None), *r)], raw, 2)
    for _ in TileRun(engine, source, (60, 70), plan, ArraySink(out)).run():
        pass
    np.testing.assert_array_equal(out, run(engine, values, plan))


def test_what_is_read_ahead_comes_in_order_and_errors_come_where_they_belong():
    seen = []

    def read(item):
        seen.append(item)
        if item == 3:
            raise VirtualStainError("tile 3 cannot be read.")
        return item * 10

    with reading_ahead(read, [0, 1, 2, 3, 4], 2) as ahead:
        assert ahead.take(0) == 0
        assert ahead.take(99) == 990  # not announced: read at once
        assert [ahead.take(1), ahead.take(2)] == [10, 20]
        with pytest.raises(VirtualStainError, match="tile 3"):
            ahead.take(3)
        assert ahead.take(4) == 40
    assert sorted(seen) == [0, 1, 2, 3, 4, 99]


def test_lazy_pixels_are_read_ahead_and_give_the_same(make_model):
    da = pytest.importorskip("dask.array")
    model = make_model("gvtnet")
    values = np.random.default_rng(0).integers(0, 4000, (200, 180)).astype(np.uint16)
    scale = {"Y": 1.0, "X": 1.0}
    options = {"tile": 64, "memory": 0.02, "device": "cpu"}
    lazy = predict(model, Image(da.from_array(values, chunks=50), "YX", scale), **options)
    plain = predict(model, Image(values, "YX", scale), **options)
    np.testing.assert_array_equal(lazy.numpy(), plain.numpy())


def test_a_result_that_memory_does_not_hold_is_refused_at_once(make_model):
    image = Image(np.broadcast_to(np.uint16(3), (9000, 9000)), "YX", {"Y": 1.0, "X": 1.0})
    with pytest.raises(VirtualStainError, match=r"the result alone takes 0\.3 GiB.*ome-zarr"):
        predict(make_model("fnet"), image, memory=0.2, device=choose_device("cpu").type)


def test_a_warning_is_raised_where_memory_ran_out(make_model, monkeypatch):
    model = make_model("fnet", depth=2)
    on_device = Engine.on_device

    def scarce(self, staged, raw=None):
        if staged.numel() > 4000:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return on_device(self, staged, raw)

    monkeypatch.setattr(Engine, "on_device", scarce)
    picture = Image(noise(80, 80), "YX", {"Y": 1.0, "X": 1.0})
    with pytest.warns(VirtualStainWarning, match="smaller parts are computed at a time"):
        predict(model, picture)
