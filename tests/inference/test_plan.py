"""The tile plan covers the image once, on the lattice, within memory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain.inference.padding import padded_size, read_padded, source_positions
from napari_virtual_stain.inference.plan import TooLittleMemory, plan

strides = st.sampled_from([4, 8, 16])


@st.composite
def problems(draw):
    ndim = draw(st.sampled_from([2, 3]))
    stride = draw(strides)
    halo = draw(st.integers(0, 4)) * stride
    size = tuple(draw(st.integers(1, 20)) * stride for _ in range(ndim))
    core = draw(st.one_of(st.none(), st.integers(1, 200)))
    return size, (stride,) * ndim, (halo,) * ndim, core


@settings(max_examples=150, deadline=None)
@given(problems(), st.integers(10, 10**7))
def test_cores_cover_every_voxel_once_with_their_halo(problem, max_voxels):
    size, stride, halo, core = problem
    try:
        tiles = plan(size, stride, halo, max_voxels=max_voxels, core=core)
    except TooLittleMemory as error:
        refused = error
    else:
        assert math.prod(tiles.read) <= max_voxels
        check(tiles, size, stride, halo)
        return
    assert refused.needed > max_voxels


def check(tiles, size, stride, halo):
    covered = np.zeros(size, int)
    for tile in tiles.tiles():
        covered[tile.core] += 1
        for n, s, h, one, read, inner in zip(
            size, stride, halo, tile.core, tile.read, tile.inner, strict=True
        ):
            assert one.start % s == read.start % s == read.stop % s == 0
            assert 0 <= read.start < read.stop <= n
            assert one.start - read.start >= h or read.start == 0
            assert read.stop - one.stop >= h or read.stop == n
            assert (inner.start + read.start, inner.stop + read.start) == (one.start, one.stop)
        assert tuple(part.stop - part.start for part in tile.read) == tiles.read
    assert (covered == 1).all()
    assert tiles.count == len(list(tiles.tiles()))


def test_what_fits_and_is_quick_is_computed_whole():
    tiles = plan((1024, 800), (8, 8), (48, 48), max_voxels=10**7, preferred_voxels=2 * 10**6)
    assert tiles.is_whole
    assert tiles.overhead == 1


def test_a_slow_image_is_tiled_without_becoming_much_dearer():
    tiles = plan((4096, 4096), (8, 8), (48, 48), max_voxels=10**9, preferred_voxels=2 * 10**6)
    assert tiles.count > 1
    assert math.prod(tiles.read) <= 2 * 10**6
    assert tiles.overhead < 1.25


def test_a_small_stack_is_never_tiled_in_z():
    tiles = plan((64, 640, 928), (8,) * 3, (48,) * 3, max_voxels=10**7)
    assert tiles.core[0] == tiles.read[0] == 64


def test_a_tile_that_the_user_names_is_rounded_to_the_lattice():
    tiles = plan((512, 512), (8, 8), (48, 48), max_voxels=10**9, core=100)
    assert tiles.core == (104, 104)


def test_the_smallest_tile_that_would_fit_is_named():
    with pytest.raises(TooLittleMemory, match="10816 voxels") as error:
        plan((512, 512), (8, 8), (48, 48), max_voxels=10_000)
    assert error.value.needed == 104**2


@given(st.integers(1, 40), st.integers(1, 16))
def test_padding_reflects_at_the_end_or_repeats_the_edge(size, stride):
    padded = padded_size(size, stride)
    assert padded % stride == 0
    assert 0 <= padded - size < stride
    positions = source_positions(0, padded, size, padded)
    values = np.arange(size)
    mode = "reflect" if padded - size <= size - 1 else "edge"
    assert np.array_equal(values[positions], np.pad(values, (0, padded - size), mode=mode))


@settings(deadline=None)
@given(st.data())
def test_any_region_of_the_padded_image_is_read_alike(data):
    sizes = (data.draw(st.integers(1, 13)), data.draw(st.integers(1, 13)))
    padded = tuple(padded_size(n, 8) for n in sizes)
    image = np.random.default_rng(0).random((2, *sizes))
    whole = image
    for axis, (n, p) in enumerate(zip(sizes, padded, strict=True), start=1):
        whole = np.take(whole, source_positions(0, p, n, p), axis=axis)
    region = []
    for total in padded:
        start = data.draw(st.integers(0, total - 1))
        region.append(slice(start, data.draw(st.integers(start + 1, total))))
    read = read_padded(lambda r: image[(slice(None), *r)], region, sizes, padded)
    assert np.array_equal(read, whole[(slice(None), *region)])
