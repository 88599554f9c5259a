"""The tile plan covers the image once, on the lattice, within memory."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from napari_virtual_stain.inference.padding import padded_size, read_padded, source_positions
from napari_virtual_stain.inference.plan import TooLittleMemory, plan, split

FNET_2D = (16, 16), (96, 96)
FNET_3D = (16,) * 3, (96,) * 3


@st.composite
def problems(draw):
    """Return sizes, stride and halo, other along each axis, and options of a plan."""
    ndim = draw(st.sampled_from([2, 3]))
    stride = tuple(draw(st.sampled_from([1, 4, 8, 16])) for _ in range(ndim))
    halo = tuple(draw(st.integers(0, 4)) * s for s in stride)
    size = tuple(draw(st.integers(1, 20)) * s for s in stride)
    block = draw(st.none() | st.tuples(*(st.integers(1, 2 * n) for n in size)))
    options = {
        "core": draw(st.none() | st.integers(1, 200)),
        "block": block,
        "preferred_voxels": draw(st.none() | st.integers(0, 10**6)),
        "whole_z": draw(st.booleans()) and ndim == 3 and block is None,
    }
    return (size, stride, halo), options


@settings(max_examples=150, deadline=None)
@given(problems(), st.integers(10, 10**6))
def test_cores_cover_every_voxel_once_with_their_halo(problem, max_voxels):
    (size, stride, _), _ = problem
    tiles = planned(problem, max_voxels)
    assert tiles.voxels <= max_voxels
    some = list(itertools.islice(tiles.tiles(), 500))
    covered = np.zeros(size, int)
    for tile in some:
        covered[tile.core] += 1
        check(tile, tiles)
        assert tuple(part.stop - part.start for part in tile.read) == tiles.read
        assert all(r.start % s == 0 for r, s in zip(tile.read, stride, strict=True))
    assert covered.max() == 1
    assert len(some) == 500 or (len(some) == tiles.count and (covered == 1).all())


def planned(problem, max_voxels):
    """Return the plan of a problem; where nothing fits, what is said to be needed suffices."""
    geometry, options = problem
    try:
        return plan(*geometry, max_voxels=max_voxels, **options)
    except TooLittleMemory as error:
        needed = error.needed
    assume(needed > max_voxels)  # else the next line is in vain, and this example too
    smallest = plan(*geometry, max_voxels=needed, **options)
    assert smallest.voxels == needed > max_voxels
    assume(False)
    return smallest


def check(tile, tiles):
    """A core lies in one block, on the lattice, and all that it depends on is read."""
    for n, s, h, b, core, read, inner in zip(
        tiles.size,
        tiles.stride,
        tiles.halo,
        tiles.block,
        tile.core,
        tile.read,
        tile.inner,
        strict=True,
    ):
        assert core.start % s == core.stop % s == 0
        assert core.start // b == (core.stop - 1) // b
        assert 0 <= read.start <= max(core.start - h, 0)
        assert min(core.stop + h, n) <= read.stop <= n
        assert (inner.start + read.start, inner.stop + read.start) == (core.start, core.stop)
    assert not tiles.whole_z or tile.core[0] == slice(0, tiles.size[0])


@settings(max_examples=100, deadline=None)
@given(problems(), st.data())
def test_splitting_yields_the_same_core_in_parts_as_small_as_they_can_be(problem, data):
    tiles = planned(problem, 10**6)
    tile = data.draw(st.sampled_from(list(itertools.islice(tiles.tiles(), 50))))
    smallest = needed_by_a_stride(tile, tiles)
    parts, done, covered = [tile], 0, np.zeros(tiles.size, int)
    while parts and done < 200:
        part = parts.pop()
        if part.voxels > smallest:
            smaller = split(part, tiles)
            assert max(one.voxels for one in smaller) <= part.voxels
            parts += smaller
            continue
        check(part, tiles)
        covered[part.core] += 1
        done += 1
    assert covered.max() == 1
    assert covered.sum() == covered[tile.core].sum()
    assert parts or (covered[tile.core] == 1).all()


@settings(max_examples=50, deadline=None)
@given(problems(), st.data())
def test_splitting_ends(problem, data):
    tiles = planned(problem, 10**6)
    tile = data.draw(st.sampled_from(list(itertools.islice(tiles.tiles(), 50))))
    needed = None
    for _ in range(100):
        try:
            tile = data.draw(st.sampled_from(split(tile, tiles)))
        except TooLittleMemory as error:
            needed = error.needed
            break
    assert needed == tile.voxels == needed_by_a_stride(tile, tiles)


def needed_by_a_stride(tile, tiles):
    """Return the voxels that the part of a core that needs most needs, one stride in size."""
    lengths = []
    for axis, core in enumerate(tile.core):
        n, s, h = tiles.size[axis], tiles.stride[axis], tiles.halo[axis]
        if axis == 0 and tiles.whole_z:
            lengths.append(n)
            continue
        starts = np.arange(core.start, core.stop, s)
        lengths.append(int((np.minimum(starts + s + h, n) - np.maximum(starts - h, 0)).max()))
    return math.prod(lengths)


def test_a_tile_is_split_along_its_longest_axis():
    tiles = plan((4096, 4096), *FNET_2D, max_voxels=3 * 10**6)
    tile = next(iter(tiles.tiles()))
    long = max(range(2), key=lambda axis: tiles.core[axis])
    first, second = split(tile, tiles)
    assert first.core[1 - long] == second.core[1 - long] == tile.core[1 - long]
    assert first.core[long].stop == second.core[long].start


def test_a_split_that_saves_nothing_is_none():
    """The halves of a stack below the halo would both read all of it."""
    tiles = plan((64, 624, 928), *FNET_3D, max_voxels=64 * 208 * 208)
    assert tiles.core == (64, 16, 16)
    with pytest.raises(TooLittleMemory, match="2768896 voxels, more than fit") as error:
        split(list(tiles.tiles())[500], tiles)
    assert error.value.needed == 64 * 208 * 208


def test_a_border_tile_that_cannot_be_halved_is_read_without_what_it_does_not_need():
    tiles = plan((160, 1600), (16, 16), (16, 16), max_voxels=10**6, core=48)
    last = list(tiles.tiles())[-1]
    assert last.core == (slice(144, 160), slice(1584, 1600))
    (alone,) = split(last, tiles)
    assert alone.core == last.core
    assert alone.read == (slice(128, 160), slice(1568, 1600))
    with pytest.raises(TooLittleMemory):
        split(alone, tiles)


@pytest.mark.parametrize("preferred", [1_600_000, 2_200_000, 2_300_000])
def test_two_strips_rather_than_four_squares(preferred):
    tiles = plan((2048, 2048), *FNET_2D, max_voxels=10**8, preferred_voxels=preferred)
    assert (tiles.core, tiles.read) == ((1024, 2048), (1120, 2048))
    assert tiles.overhead == pytest.approx(1.09375)


def test_no_tile_of_another_size_would_be_cheaper():
    """Against all sizes of cores, one by one."""
    size, (stride, halo) = (640, 912), ((16, 16), (96, 96))
    tiles = plan(size, stride, halo, max_voxels=200_000)
    cores = itertools.product(range(16, 641, 16), range(16, 913, 16))
    best = math.inf
    for core in cores:
        counts = [-(-n // c) for n, c in zip(size, core, strict=True)]
        sides = [{1: 0, 2: 1}.get(count, 2) for count in counts]
        reads = [min(n, c + k * 96) for n, c, k in zip(size, core, sides, strict=True)]
        if math.prod(reads) <= 200_000:
            best = min(best, math.prod(counts) * math.prod(reads))
    assert tiles.count * tiles.voxels == best


@pytest.mark.parametrize("max_voxels", [64 * 208 * 208, 10**7, 2 * 10**7])
def test_a_stack_is_tiled_in_y_and_x_first(max_voxels):
    tiles = plan((64, 624, 928), *FNET_3D, max_voxels=max_voxels)
    assert tiles.core[0] == tiles.read[0] == 64
    assert tiles.count > 1


def test_all_planes_are_kept_together_at_equal_cost():
    tiles = plan((512, 512, 512), *FNET_3D, max_voxels=512**3 - 1)
    assert tiles.core == (512, 256, 512)


def test_z_is_tiled_where_all_planes_do_not_fit():
    tiles = plan((512, 624, 928), *FNET_3D, max_voxels=208**3)
    assert tiles.read == (208, 208, 208)
    with pytest.raises(TooLittleMemory) as error:
        plan((512, 624, 928), *FNET_3D, max_voxels=208**3 - 1)
    assert error.value.needed == 208**3


def test_a_projecting_network_sees_all_planes_or_nothing():
    with pytest.raises(TooLittleMemory):
        plan((500, 64, 64), (1, 16, 16), (0, 16, 16), max_voxels=10**4, whole_z=True)


@pytest.mark.parametrize(
    ("size", "stride", "halo"),
    [
        ((100_000, 100_000), (16, 16), (96, 96)),
        ((100_000, 100_000), (4, 4), (12, 12)),
        ((512, 20_000, 20_000), *FNET_3D),
        ((500, 20_000, 20_000), (2, 2, 2), (16, 16, 16)),
    ],
)
@pytest.mark.parametrize("max_voxels", [10**7, 10**8])
def test_huge_images_are_planned_at_once(size, stride, halo, max_voxels):
    def seconds():
        start = time.process_time()
        plan(size, stride, halo, max_voxels=max_voxels, preferred_voxels=10**6)
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 0.2  # 17 ms on a fast machine


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_voxels": 10**8}, "the whole image fits into memory"),
        ({"max_voxels": 3 * 10**6}, "2 tiles: what the memory allows"),
        ({"max_voxels": 3 * 10**6, "memory": 1288490189}, "2 tiles: what 1.2 GiB allow"),
        (
            {"max_voxels": 10**8, "preferred_voxels": 2_300_000, "seconds": 2.0},
            "2 tiles of about 2 s, for prompt progress",
        ),
        ({"max_voxels": 10**8, "preferred_voxels": 2_300_000}, "2 tiles, for prompt progress"),
        (
            {"max_voxels": 10**8, "core": 1000},
            "9 tiles with cores of 1008 × 1008, as asked for",
        ),
        ({"max_voxels": 10**8, "block": (1024, 1024)}, "4 tiles: the blocks of the context"),
    ],
)
def test_a_plan_says_why(options, sentence):
    assert plan((2048, 2048), *FNET_2D, **options).why == sentence


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
