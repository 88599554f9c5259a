"""``context``: global operators look at blocks of the image, and at nothing else in it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from napari_virtual_stain.events import Notice, run
from napari_virtual_stain.image import Image
from napari_virtual_stain.inference import PredictOptions, predict, predict_events
from napari_virtual_stain.inference.plan import plan
from napari_virtual_stain.networks import GlobalOperator

UM = {"Y": 1.0, "X": 1.0}


def image(*size: int) -> Image:
    values = np.random.default_rng(0).normal(size=size)
    values = 500 + 100 * (values + np.cumsum(values, axis=-1))
    axes = "ZYX"[-len(size) :]
    return Image(np.float32(values), axes, {axis: 1.0 for axis in axes})


def block_by_block(model, source: Image, sizes: tuple[int, ...]) -> np.ndarray:
    """The definition, slowly: for each block the whole network, with what the block gathers."""
    values = source.numpy()
    x = torch.from_numpy((values - values.mean()) / values.std())[None, None]
    operators = [m for m in model.network.modules() if isinstance(m, GlobalOperator)]
    axes = [range(0, n, b) for n, b in zip(values.shape, sizes, strict=True)]
    result = np.empty((1, *values.shape), np.float32)
    for starts in itertools.product(*axes):
        block = [slice(s, s + b) for s, b in zip(starts, sizes, strict=True)]
        with torch.inference_mode():
            for operator in operators:
                operator.given = operator.gather(_input(operator, model.network, x, block))
            result[(..., *block)] = model.network(x)[0][(..., *block)].numpy()
            for operator in operators:
                operator.given = None
    return result


def _input(operator, network, x, block):
    """Return what enters an operator within a block."""
    seen = []
    handle = operator.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    network(x)
    handle.remove()
    shrunk = x.shape[2] // seen[0].shape[2]
    return seen[0][(..., *(slice(p.start // shrunk, p.stop // shrunk) for p in block))]


@pytest.mark.parametrize(
    ("options", "size", "context", "block"),
    [
        ({}, (40, 56), 16, (16, 16)),
        ({}, (40, 56), 13, (16, 16)),  # rounded up to the stride
        ({"attention": "softmax"}, (40, 56), 24, (24, 24)),
        ({"down": "gvto-v2", "up": "gvto-v2"}, (24, 40), 16, (16, 16)),
        ({"axes": "ZYX", "filters": 2}, (8, 16, 24), 8, (8, 8, 8)),
    ],
)
@pytest.mark.parametrize("tile", [None, 8])
def test_it_equals_the_network_evaluated_block_by_block(
    make_model, options, size, context, block, tile
):
    model = make_model("gvtnet", depth=3, large_weights=False, **options)
    source = image(*size)
    expected = block_by_block(model, source, block)
    limited = predict(model, source, context=context, tile=tile, units="z-score")
    assert np.abs(limited.numpy() - expected).max() < 1e-4 * expected.std()
    assert limited.provenance["context"] == context
    whole = predict(model, source, units="z-score").numpy()
    assert np.abs(whole - expected).max() > 1e-3 * expected.std()


@pytest.mark.parametrize("tile", [None, 8])
def test_a_block_that_holds_the_image_is_the_default(make_model, tile):
    model, source = make_model("gvtnet"), image(33, 47)
    expected = predict(model, source, tile=tile).numpy()
    for context in (48, 10**6):
        limited = predict(model, source, tile=tile, context=context).numpy()
        np.testing.assert_array_equal(limited, expected)


def test_a_projection_reads_z_whole_all_the_same(make_model):
    model = make_model("gvtnet-projection", axes="ZYX", large_weights=False)
    source = image(20, 16, 96)
    limited = predict(model, source, context=16).numpy()
    alone = predict(model, source, context=32).numpy()
    whole = predict(model, source).numpy()
    assert limited.shape == (1, 16, 96)
    assert np.abs(limited - alone).max() > 1e-4
    np.testing.assert_array_equal(predict(model, source, context=96).numpy(), whole)


def test_where_it_changes_nothing_is_said(make_model):
    said, model, source = [], make_model("fnet"), image(33, 47)
    work = predict_events(model, source, PredictOptions(context=8))
    limited = run(work, lambda e: said.append(e.text) if isinstance(e, Notice) else None)
    assert "the network 'fnet' has no global operators: the context changes nothing." in said
    expected = predict(model, source).numpy()
    np.testing.assert_array_equal(limited.predicted.numpy(), expected)


def test_no_tile_reaches_across_blocks():
    tiles = plan((96, 64), (8, 8), (16, 16), max_voxels=50 * 50, block=(40, 24))
    assert tiles.block == (40, 24)
    blocks = list(tiles.blocks())
    assert len(blocks) == 3 * 3
    assert tiles.count == sum(len(block) for block in blocks)
    covered = np.zeros((96, 64), int)
    for block in blocks:
        for tile in block:
            covered[tile.core] += 1
            for part, size in zip(tile.core, tiles.block, strict=True):
                assert part.start // size == (part.stop - 1) // size
            for core, read, total in zip(tile.core, tile.read, tiles.size, strict=True):
                assert read.start <= max(core.start - 16, 0)
                assert read.stop >= min(core.stop + 16, total)
    assert (covered == 1).all()
