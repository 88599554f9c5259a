"""Writing in parts: chunks, threads, resolutions."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.events import Stopped, stop_when
from napari_virtual_stain.image import Image
from napari_virtual_stain.io.ome_zarr import ZarrWriter, levels, read_ome_zarr
from napari_virtual_stain.io.ome_zarr.chunks import CHUNK_BYTES, PLANES, SIDES, chunk_shape
from napari_virtual_stain.target import placeholder


def like(axes, shape, dtype=np.float32, **fields):
    return Image(placeholder(shape, dtype), axes, **fields)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 200), st.integers(1, 5000), st.integers(1, 5000)),
    parts=st.tuples(st.integers(1, 12), st.integers(4, 150), st.integers(4, 150)),
    itemsize=st.sampled_from([1, 2, 4, 8]),
    ndim=st.sampled_from([2, 3]),
)
def test_no_two_parts_share_a_chunk(size, parts, itemsize, ndim):
    core = tuple(min(16 * n, size[i]) for i, n in enumerate(parts))[-ndim:]
    chunk = chunk_shape("CZYX", (3, *size), itemsize, core)
    assert chunk[0] == 1
    assert all(1 <= c <= n for c, n in zip(chunk, (3, *size), strict=True))
    assert np.prod(chunk) * itemsize <= 2 * CHUNK_BYTES
    assert max(chunk[2:]) <= SIDES[1]
    assert chunk[1] <= PLANES
    if ndim == 2:
        assert chunk[1] == 1
    for c, part, n in zip(chunk[-ndim:], core, size[-ndim:], strict=True):
        assert part >= n or part % c == 0


@pytest.mark.parametrize(
    ("axes", "shape", "itemsize", "core", "chunk"),
    [
        ("YX", (2048, 2048), 4, (1120, 2048), (560, 512)),
        ("CZYX", (2, 64, 624, 924), 4, (64, 624, 924), (1, 3, 624, 512)),
        ("ZYX", (32, 256, 256), 4, (32, 256, 256), (16, 256, 256)),
        ("ZYX", (64, 512, 512), 2, (24, 128, 128), (12, 128, 128)),
        ("TYX", (9, 100, 90), 1, (100, 90), (1, 100, 90)),
        # A prime core has no divisor of use: parts share chunks, which are written in turn.
        ("YX", (4000, 4000), 4, (1511, 4000), (512, 512)),
    ],
)
def test_chunks_are_of_an_agreeable_size(axes, shape, itemsize, core, chunk):
    assert chunk_shape(axes, shape, itemsize, core) == chunk


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("core", [(96, 640), (37, 640)])
def test_parts_are_written_from_several_threads(tmp_path, version, core):
    """Cores of 37 rows share chunks: written without a lock, rows would be lost."""
    pixels = np.random.default_rng(0).random((2, 404, 640), dtype=np.float32)
    writer = ZarrWriter(tmp_path / "a", like("CYX", pixels.shape), core, version)
    keys = [
        (c, slice(y, min(y + core[0], 404)), slice(0, 640))
        for y in range(0, 404, core[0])
        for c in range(2)
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: writer.write(key, pixels[key]), keys))
    writer.finish()
    np.testing.assert_array_equal(read_ome_zarr(tmp_path / "a").numpy(), pixels)


def test_only_parts_of_chunks_wait_for_each_other(tmp_path):
    writer = ZarrWriter(tmp_path / "a", like("CYX", (2, 200, 100)), (64, 100))
    assert writer.chunks == (1, 64, 100)

    def waits(*key):
        return not writer._whole_chunks(key)

    everything = slice(0, 100)
    assert not waits(0, slice(64, 128), everything)
    assert not waits(slice(0, 2), slice(192, 200), everything)
    assert waits(0, slice(64, 127), everything)
    assert waits(0, slice(32, 64), everything)
    assert waits(0, slice(64, 128), slice(0, 99))
    assert waits(0, 64, everything)


def test_another_writer_goes_on(tmp_path):
    image = like("YX", (128, 100))
    half, other = np.full((64, 100), 3, np.float32), np.full((64, 100), 4, np.float32)
    ZarrWriter(tmp_path / "a", image, (64, 100)).write((slice(0, 64), slice(0, 100)), half)
    writer = ZarrWriter(tmp_path / "a", image, (64, 100))
    writer.write((slice(64, 128), slice(0, 100)), other)
    writer.finish()
    np.testing.assert_array_equal(
        read_ome_zarr(tmp_path / "a").numpy(), np.concatenate([half, other])
    )
    for changed in (like("YX", (128, 101)), like("YX", (128, 100), np.uint16)):
        with pytest.raises(VirtualStainError, match="holds pixels of another image"):
            ZarrWriter(tmp_path / "a", changed, (64, 100))
    with pytest.raises(VirtualStainError, match="holds pixels of another image"):
        ZarrWriter(tmp_path / "a", image, (64, 100), "0.4")


def test_it_is_no_ome_zarr_before_the_end_and_zeros_are_written(tmp_path):
    writer = ZarrWriter(tmp_path / "a", like("YX", (100, 100)), (100, 100))
    writer.write((slice(0, 100), slice(0, 100)), np.zeros((100, 100), np.float32))
    assert (tmp_path / "a" / "0" / "c" / "0" / "0").exists()
    with pytest.raises(VirtualStainError, match="is a folder, but no OME-Zarr"):
        read_ome_zarr(tmp_path / "a")
    writer.finish()
    writer.finish()
    assert read_ome_zarr(tmp_path / "a").shape == (100, 100)


def test_what_was_not_written_is_zero(tmp_path):
    writer = ZarrWriter(tmp_path / "a", like("YX", (130, 100)), (64, 100))
    writer.write((slice(64, 128), slice(0, 100)), np.ones((64, 100), np.float32))
    writer.finish()
    assert read_ome_zarr(tmp_path / "a").numpy().sum() == 6400


def pyramid(tmp_path, pixels, axes, **fields):
    image = Image(pixels, axes, **fields)
    core = tuple(min(96, n) for n in pixels.shape[-2:])
    writer = ZarrWriter(tmp_path / "a", image, core)
    writer.data[...] = pixels
    writer.finish()
    return [np.asarray(level) for level in levels(tmp_path / "a")]


@settings(max_examples=12, deadline=None)
@given(height=st.integers(250, 530), width=st.integers(1, 530), seed=st.integers(0, 9))
def test_every_resolution_is_the_mean_of_the_one_before(tmp_path_factory, height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 1000, (height, width)).astype(np.uint16)
    made = pyramid(tmp_path_factory.mktemp("p"), pixels, "YX")
    assert max(made[-1].shape) <= 256
    assert len(made) == 1 or max(made[-2].shape) > 256
    for before, now in itertools.pairwise(made):
        even = np.pad(before.astype(float), [(0, n % 2) for n in before.shape], mode="edge")
        rows, columns = (n // 2 for n in even.shape)
        mean = even.reshape(rows, 2, columns, 2).mean((1, 3))
        np.testing.assert_array_equal(now, np.rint(mean))


def test_z_is_halved_once_its_planes_are_as_near_as_pixels(tmp_path):
    pixels = np.arange(4 * 600 * 8, dtype=np.float32).reshape(4, 600, 8)
    sizes = {"Z": 0.5, "Y": 0.25, "X": 0.25}
    made = pyramid(tmp_path, pixels, "ZYX", voxel_size=sizes)
    assert [level.shape for level in made] == [(4, 600, 8), (4, 300, 4), (2, 150, 2)]
    document = json.loads((tmp_path / "a" / "zarr.json").read_text())
    datasets = document["attributes"]["ome"]["multiscales"][0]["datasets"]
    last = datasets[2]["coordinateTransformations"]
    assert last[0]["scale"] == [1.0, 1.0, 1.0]
    assert last[1]["translation"] == [0.25, 0.375, 0.375]


def test_labels_are_not_averaged(tmp_path):
    labels = np.random.default_rng(0).integers(0, 2**62, (600, 10))
    made = pyramid(tmp_path, labels, "YX", provenance={"labels": True})
    np.testing.assert_array_equal(made[1], labels[::2, ::2])
    np.testing.assert_array_equal(made[2], labels[::4, ::4])


def test_finishing_can_be_stopped_and_begun_again(tmp_path):
    pixels = np.ones((700, 700), np.float32)
    writer = ZarrWriter(tmp_path / "a", Image(pixels, "YX"), (64, 64))
    writer.write((slice(0, 700), slice(0, 700)), pixels)
    asked = iter([False] * 5)
    with stop_when(lambda: next(asked, True)), pytest.raises(Stopped):
        writer.finish()
    assert not (tmp_path / "a" / "zarr.json").exists()
    writer.finish()
    assert [level.shape for level in levels(tmp_path / "a")] == [(700, 700), (350, 350), (175, 175)]
    assert all((level == 1).all() for level in levels(tmp_path / "a"))


def test_pixels_are_compressed(tmp_path):
    for version in ("0.4", "0.5"):
        ZarrWriter(tmp_path / version, like("YX", (9, 9)), (9, 9), version)
        array = zarr.open_array(tmp_path / version / "0", mode="r")
        (compressor,) = array.compressors
        assert "blosc" in type(compressor).__name__.lower()
