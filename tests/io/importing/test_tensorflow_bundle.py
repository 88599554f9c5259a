"""The reader of TensorFlow's format: what is written is read, and what lies is refused."""

from __future__ import annotations

import contextlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.errors import Malformed
from napari_virtual_stain.io.importing.protobuf import fields, read_varint
from napari_virtual_stain.io.importing.sstable import read_table
from napari_virtual_stain.io.importing.tensorflow_bundle import open_checkpoint

from .bundle_writer import (
    FLOAT,
    block,
    entry,
    header,
    masked_crc,
    message,
    number,
    table,
    varint,
    write_bundle,
)

VALUES = np.arange(6, dtype=np.float32)
DATA = ".data-00000-of-00001"


@given(
    st.dictionaries(st.binary(max_size=20), st.binary(max_size=30), max_size=40),
    st.integers(1, 7),
    st.integers(1, 5),
)
@settings(max_examples=50, deadline=None)
def test_tables_come_back(content, per_block, restart_interval):
    pairs = sorted(content.items())
    data = table(pairs, per_block=per_block, restart_interval=restart_interval)
    assert list(read_table(data)) == pairs


def test_variables_come_back(tmp_path):
    rng = np.random.default_rng(0)
    tensors = {f"layer_{i}/kernel": rng.normal(size=(3, 2, i)).astype(np.float32) for i in range(9)}
    write_bundle(tmp_path / "é µ.ckpt", tensors, per_block=2)
    with open_checkpoint(tmp_path) as checkpoint:
        assert set(tensors) < set(checkpoint.variables)
        assert checkpoint.variables["global_step"].shape == ()
        assert all(np.array_equal(checkpoint.read(name), tensors[name]) for name in tensors)


def read(path, name="kernel"):
    with open_checkpoint(path) as checkpoint:
        checkpoint.check_kinds([name])
        return checkpoint.read(name)


def written(folder, *pairs, head=None, **layout):
    """A checkpoint whose index says what the test wants it to say."""
    first = header() if head is None else head
    (folder / "m.index").write_bytes(table([(b"", first), *pairs], **layout))
    (folder / f"m{DATA}").write_bytes(VALUES.tobytes())
    return folder / "m"


def kernel(shape=(2, 3), offset=0, size=24, dtype=FLOAT, crc=None, **more):
    crc = masked_crc(VALUES.tobytes()) if crc is None else crc
    return b"kernel", entry(dtype, shape, offset, size, crc, **more)


def test_the_smallest_checkpoint(tmp_path):
    assert np.array_equal(read(written(tmp_path, kernel())), VALUES.reshape(2, 3))


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (kernel(shape=(2, 4)), r"'kernel' of shape \(2, 4\) cannot have 24 bytes"),
        (kernel(shape=(2**62, 2**62)), "cannot have 24 bytes"),
        (kernel(shape=(2**40,), size=2**42), "truncated: it ends before the variable 'kernel'"),
        (kernel(offset=2**63), "truncated: it ends before the variable 'kernel' does"),
        (kernel(offset=1), "truncated"),
        (kernel(shape=(1,) * 9 + (6,)), "more than 8 axes"),
        (kernel(shard=1), "lies in a part that there is not"),
        (kernel(crc=7), "checksum of the variable 'kernel' is wrong"),
        (kernel(dtype=3), "not of the type float32"),
        ((b"kernel", b"\x08"), "a number in it does not end"),
        ((b"kernel", b"\x0b"), "unknown type 3"),
        ((b"kernel", message(2, b"\x12\xff")), "a number in it does not end"),
        ((b"kernel", number(2, 5)), "not what it says"),
        ((b"kernel", message(5, b"x")), "not what it says"),
        ((b"kernel", kernel()[1] + message(7, b"")), "stored in slices"),
        ((b"\xff\xfe", kernel()[1]), "name of a variable is no text"),
        ((b"k" * 5000, kernel()[1]), "more than 1024 bytes"),
    ],
)
def test_an_index_that_lies_is_refused_and_allocates_nothing(tmp_path, pair, sentence):
    prefix = written(tmp_path, pair)
    tracemalloc.start()
    with pytest.raises(VirtualStainError, match=rf"^m\..*{sentence}"):
        read(prefix)
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        (header(shards=3), "a checkpoint in 3 parts"),
        (header(endianness=1), "big-endian"),
    ],
)
def test_other_layouts_are_refused(tmp_path, head, sentence):
    with pytest.raises(VirtualStainError, match=sentence):
        read(written(tmp_path, kernel(), head=head))


def test_compressed_blocks_are_refused(tmp_path):
    with pytest.raises(VirtualStainError, match=r"compressed \(type 1\), which is not supported"):
        read(written(tmp_path, kernel(), compression=1))


def test_missing_files_are_named(tmp_path):
    prefix = written(tmp_path, kernel())
    (tmp_path / f"m{DATA}").unlink()
    with pytest.raises(VirtualStainError, match=r"there is no file .*m\.data-00000-of-00001"):
        read(prefix)
    (tmp_path / "m.index").unlink()
    with pytest.raises(VirtualStainError, match=r"there is no file .*m\.index"):
        read(tmp_path / f"m{DATA}")


def test_every_truncation_of_the_index_is_refused(tmp_path):
    prefix = written(tmp_path, kernel(), (b"more", entry(FLOAT, (0,), 24, 0, 0)), per_block=1)
    whole = (tmp_path / "m.index").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "m.index").write_bytes(whole[:length])
        with pytest.raises(VirtualStainError, match=r"^m\.index is damaged"):
            read(prefix)


def test_every_truncation_of_the_data_is_refused(tmp_path):
    prefix = written(tmp_path, kernel())
    for length in range(24):
        (tmp_path / f"m{DATA}").write_bytes(VALUES.tobytes()[:length])
        with pytest.raises(VirtualStainError, match=r"^m\.data.* is truncated"):
            read(prefix)


def test_a_flipped_bit_of_the_index_is_noticed_or_harmless(tmp_path):
    prefix = written(tmp_path, kernel())
    whole = (tmp_path / "m.index").read_bytes()
    refused = 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        (tmp_path / "m.index").write_bytes(damaged)
        try:
            found = read(prefix)
        except VirtualStainError:
            refused += 1
        else:
            assert np.array_equal(found, VALUES.reshape(2, 3))
    # The rest is padding of the footer, and the block that nobody needs.
    assert refused > len(whole) - 48 - 13


def raw_table(content: bytes, *, handles=None) -> bytes:
    """A table whose index block points where the test wants."""
    stored = content + b"\0" + masked_crc(content + b"\0").to_bytes(4, "little")
    pairs = handles or [(b"z", varint(0) + varint(len(content)))]
    index = block(pairs, 1)
    at = len(stored)
    stored += index + b"\0" + masked_crc(index + b"\0").to_bytes(4, "little")
    footer = varint(0) + varint(0) + varint(at) + varint(len(index))
    return stored + footer.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


TAIL = (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (raw_table(b"\x05\x01\x00a" + TAIL), "longer than its block"),
        (raw_table(b"\x00\x7f\x00a" + TAIL), "longer than its block"),
        (raw_table(b"\x00\x01\xff\xff\xff\xff\x0fa" + TAIL), "longer than its block"),
        (raw_table(b"\x00\x01\x00b\x00\x01\x00a" + TAIL), "not in order"),
        (raw_table(b"\x00\x01\x00a\x00\x01\x00a" + TAIL), "not in order"),
        (raw_table(b"\xff\xff\xff\xff"), "shorter than it says"),
        (raw_table(b"ab"), "shorter than it says"),
        (
            raw_table(b"\x00\x01\x00a" + TAIL, handles=[(b"a", b"\0\x0c"), (b"b", b"\0\x0c")]),
            "overlap",
        ),
        (raw_table(b"\x00\x01\x00a" + TAIL, handles=[(b"a", b"\0" + varint(2**60))]), "outside"),
        (raw_table(b"\x00\x01\x00a" + TAIL, handles=[(b"a", b"\x80")]), "does not end"),
        (b"", "footer"),
        (bytes(48), "footer"),
    ],
)
def test_tables_that_lie_are_refused(data, sentence):
    with pytest.raises(Malformed, match=sentence):
        list(read_table(data))


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_malformed(data):
    with contextlib.suppress(Malformed):
        assert all(number >= 0 for number, _ in fields(data))


@given(st.integers(0, 2**64 - 1))
def test_varints_come_back(value):
    assert read_varint(b"\xff" + varint(value), 1) == (value, 1 + len(varint(value)))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80" * 20 + b"\0", b"\xff" * 9 + b"\x02"])
def test_varints_end_within_64_bits(data):
    with pytest.raises(Malformed, match="does not end"):
        read_varint(data, 0)
