"""Tiles that wait before global operators, or run again: the results are the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_virtual_stain import networks
from napari_virtual_stain.inference.global_passes import GlobalPasses
from napari_virtual_stain.inference.plan import plan
from napari_virtual_stain.networks import Gathered
from napari_virtual_stain.networks.attention import GlobalSums, GlobalTokens

ROOMY = 2**40

NETWORKS = {
    "gvtnet": ("gvtnet", {"ndim": 2, "filters": 4, "depth": 3}),
    "gvtnet 3D": ("gvtnet", {"ndim": 3, "filters": 2, "depth": 2}),
    "down and up": (
        "gvtnet",
        {"ndim": 2, "filters": 2, "depth": 3, "down": "gvto-v1", "up": "gvto-v2"},
    ),
    "down and up, softmax": (
        "gvtnet",
        {
            "ndim": 2,
            "filters": 2,
            "depth": 3,
            "down": "gvto-v2",
            "up": "gvto-v1",
            "attention": "softmax",
        },
    ),
    "denoise": ("gvtnet-denoise", {"ndim": 2, "filters": 2}),
    "denoise, softmax": ("gvtnet-denoise", {"ndim": 2, "filters": 2, "attention": "softmax"}),
    "projection": ("gvtnet-projection", {"filters": 2, "projection_filters": 2, "depth": 2}),
    "projection, softmax": (
        "gvtnet-projection",
        {"filters": 2, "projection_filters": 2, "depth": 2, "attention": "softmax"},
    ),
    "no operators": ("unet", {"ndim": 2, "filters": 2, "depth": 3}),
}
SIZES = {
    "gvtnet 3D": (6, 16, 56),
    "projection": (2, 16, 176),
    "projection, softmax": (2, 16, 176),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Several threads are slower on images this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Case:
    """A small network, an image, and tiles of it that are read with their halo."""

    def __init__(self, name: str = "denoise", dtype: torch.dtype = torch.float64) -> None:
        architecture, options = NETWORKS[name]
        torch.manual_seed(0)
        self.network = networks.build(architecture, **options).to(dtype).eval()
        geometry = self.network.geometry
        sizes = SIZES.get(name, (24, 96))
        self.image = torch.randn(1, 1, *sizes, dtype=dtype)
        core = 64 if "projection" in name else 24
        tiles = plan(
            sizes,
            geometry.stride,
            geometry.halo,
            max_voxels=10**9,
            core=core,
            whole_z=geometry.projects,
        )
        self.tiles = dict(enumerate(tiles.tiles()))
        assert len(self.tiles) > 2
        self.reads = 0

    def values(self, tile):
        def read():
            self.reads += 1
            return self.image[(..., *self.tiles[tile].read)]

        return read

    def gather(self, passes, index, tile):
        return passes.gather(index, tile, self.values(tile), self.tiles[tile].inner)

    def gather_all(self, passes, index):
        gathered = None
        for tile in self.tiles:
            part = self.gather(passes, index, tile)
            gathered = part if gathered is None else gathered + part
        passes.give(index, gathered)

    def run(self, passes):
        """Run all passes over all tiles."""
        with torch.inference_mode():
            for index in range(len(passes.operators)):
                self.gather_all(passes, index)
            return self.finish_all(passes)

    def finish_all(self, passes):
        whole = None
        for name, tile in self.tiles.items():
            raw = passes.finish(name, self.values(name))
            axes = raw.ndim - 2
            if whole is None:
                whole = raw.new_full((*raw.shape[:2], *self.image.shape[-axes:]), torch.nan)
            whole[(..., *tile.core[-axes:])] = raw[(..., *tile.inner[-axes:])]
        return whole

    def whole(self):
        with torch.inference_mode():
            return self.network(self.image)


def relative(result, expected):
    return float((result - expected).abs().max() / expected.std())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_tiles_equal_the_whole_image_with_and_without_a_cache(name, dtype, tolerance):
    case = Case(name, dtype)
    expected = case.whole()
    passes = GlobalPasses(case.network, 0)
    without = case.run(passes)
    assert relative(without, expected) <= tolerance
    assert case.reads == (1 + len(passes.operators)) * len(case.tiles)
    passes.drop()
    case.reads = 0
    passes.cache_bytes = ROOMY
    assert torch.equal(case.run(passes), without)
    assert case.reads == len(case.tiles)
    assert passes.cached_bytes == 0  # what is finished is forgotten
    passes.drop()
    assert torch.equal(case.whole(), expected)


@pytest.mark.parametrize("name", ["denoise", "projection"])
@pytest.mark.parametrize(("cache_bytes", "runs"), [(ROOMY, "once"), (0, "in each pass")])
def test_layers_before_an_operator_run_once_per_tile_where_tiles_wait(name, cache_bytes, runs):
    case = Case(name)
    order = [m for m in case.network.modules() if not list(m.children())]
    calls = dict.fromkeys(order, 0)

    def count(module, args):
        calls[module] += 1

    for layer in order:
        if isinstance(layer, torch.nn.modules.conv._ConvNd):
            layer.register_forward_pre_hook(count)
    passes = GlobalPasses(case.network, cache_bytes)
    case.run(passes)
    tiles, operators = len(case.tiles), len(passes.operators)
    inside = {layer for operator in passes.operators for layer in operator.modules()}
    called = {
        layer: calls[layer] // tiles
        for layer in order
        if layer not in inside and isinstance(layer, torch.nn.modules.conv._ConvNd)
    }
    if runs == "once":
        assert set(called.values()) == {1}
    else:
        first, *_, last = called.values()
        assert (first, last) == (1 + operators, 1)


def test_the_cache_stays_within_its_limit_and_tiles_wait_as_long_as_there_is_room():
    case = Case("down and up")
    all_bytes = GlobalPasses(case.network, ROOMY)
    expected = case.run(all_bytes)
    with torch.inference_mode():
        all_bytes.drop()
        case.gather_all(all_bytes, 0)
        one = all_bytes.cached_bytes // len(case.tiles)  # all tiles have one shape
    all_bytes.drop()
    passes, most = GlobalPasses(case.network, 2 * one + one // 2), 0
    with torch.inference_mode():
        case.reads = 0
        case.gather_all(passes, 0)
        assert passes.cached_bytes == 2 * one
        assert [tile for tile in case.tiles if passes.holds(tile)] == [0, 1]
        for index in range(1, len(passes.operators)):
            for tile in case.tiles:
                case.gather(passes, index, tile)
                assert passes.cached_bytes <= passes.cache_bytes
                most = max(most, passes.cached_bytes)
            case.gather_all(passes, index)
        assert most > 0
        assert len(case.tiles) < case.reads < (2 * len(passes.operators) + 1) * len(case.tiles)
        assert torch.equal(case.finish_all(passes), expected)
        assert passes.cached_bytes == 0


def test_tensors_that_share_memory_count_once():
    """The finest skip of a network whose first operator halves the size is its features too."""
    case = Case("down and up", torch.float32)
    passes = GlobalPasses(case.network, ROOMY)
    with torch.inference_mode():
        case.gather(passes, 0, 0)
    pixels = case.tiles[0].read[0].stop * (case.tiles[0].read[1].stop - 0)
    assert passes.cached_bytes == 4 * 2 * pixels


def test_drop_closes_what_waits_and_takes_what_was_given():
    case = Case()
    closed = []
    run = case.network.stages

    def stages(x):
        try:
            return (yield from run(x))
        except GeneratorExit:
            closed.append(x)
            raise

    case.network.stages = stages
    passes = GlobalPasses(case.network, ROOMY)
    with torch.inference_mode():
        case.gather_all(passes, 0)
        assert not closed
        passes.release()
        assert len(closed) == len(case.tiles)
        assert passes.operators[0].given is not None
        case.gather(passes, 1, 0)
        passes.drop()
    assert len(closed) == len(case.tiles) + 1
    assert passes.cached_bytes == 0
    assert [operator.given for operator in passes.operators] == [None] * 3


class Stop(Exception):
    pass


@pytest.mark.parametrize("where", ["the reader", "a layer", "the operator"])
def test_a_tile_that_failed_runs_again(where):
    case = Case()
    expected = case.run(GlobalPasses(case.network, 0))
    passes = GlobalPasses(case.network, ROOMY)
    passes.drop()

    def fail(*args):
        raise Stop

    with torch.inference_mode():
        case.gather_all(passes, 0)
        bytes_before = passes.cached_bytes
        if where == "the reader":
            passes.release()
            with pytest.raises(Stop):
                passes.gather(1, 0, fail, case.tiles[0].inner)
            assert passes.cached_bytes == 0
        else:
            operator = passes.operators[1]
            failing = operator.key if where == "the operator" else case.network.bottom
            if where == "a layer":
                failing = passes.operators[0]
            handle = failing.register_forward_pre_hook(fail)
            with pytest.raises(Stop):
                case.gather(passes, 1, 0)
            handle.remove()
            share = bytes_before // len(case.tiles)
            assert passes.cached_bytes == bytes_before - share  # the others still wait
        for index in (1, 2):
            case.gather_all(passes, index)
        handle = case.network.output.register_forward_pre_hook(fail)
        with pytest.raises(Stop):
            passes.finish(0, case.values(0))
        handle.remove()
        assert torch.equal(case.finish_all(passes), expected)


def test_a_tile_can_be_gathered_again_while_it_waits():
    case = Case()
    passes = GlobalPasses(case.network, ROOMY)
    with torch.inference_mode():
        first = case.gather(passes, 0, 1)
        again = case.gather(passes, 0, 1)
    assert torch.equal(first.key_value, again.key_value)
    assert case.reads == 1


def test_tiles_that_passed_an_operator_run_again_when_it_is_given_something_else():
    case = Case()
    expected = case.run(GlobalPasses(case.network, 0))
    right = [operator.given for operator in GlobalPasses(case.network, 0).operators]
    passes = GlobalPasses(case.network, ROOMY)
    passes.drop()
    with torch.inference_mode():
        passes.give(0, case.gather(passes, 0, 0))  # of one tile alone
        passes.give(1, case.gather(passes, 1, 0))
        case.gather(passes, 0, 1)
        case.gather(passes, 2, 0)
        for index, gathered in enumerate(right):
            passes.give(index, gathered)
        assert [passes.holds(tile) for tile in (0, 1)] == [False, True]
        assert torch.equal(case.finish_all(passes), expected)


def test_an_image_by_itself_is_a_forward():
    case = Case()
    passes = GlobalPasses(case.network, 0)
    with torch.inference_mode():
        assert torch.equal(passes.finish("all", lambda: case.image), case.whole())


def test_an_operator_is_not_passed_before_it_was_given():
    case = Case()
    passes = GlobalPasses(case.network, 0)
    with torch.inference_mode():
        with pytest.raises(RuntimeError, match="before it was given"):
            case.gather(passes, 1, 0)
        case.gather_all(passes, 0)
        with pytest.raises(RuntimeError, match="before it was given"):
            passes.finish(0, case.values(0))
    assert case.reads == len(case.tiles)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_what_was_gathered_survives_as_arrays_bit_by_bit(dtype):
    torch.manual_seed(0)
    key, value = torch.randn(2, 1, 2, 9, 4).to(dtype)
    for gathered in (GlobalSums.of(key, value, 36), GlobalTokens.of(key, value, 9)):
        arrays = gathered.to_arrays()
        assert all(isinstance(array, np.ndarray) for array in arrays.values())
        again = Gathered.from_arrays(arrays, torch.device("cpu"))
        assert type(again) is type(gathered)
        for one, other in zip(vars(gathered).values(), vars(again).values(), strict=True):
            assert type(one) is type(other)
            assert one == other if isinstance(one, int) else torch.equal(one, other)
            assert isinstance(one, int) or one.dtype == other.dtype
        joined = again + gathered
        assert type(joined) is type(gathered)
