"""Sorted string tables: the file of keys and values that a TensorFlow checkpoint's index is.

A table is a sequence of blocks, each followed by its compression and checksum, and a footer that
points to the block of blocks. Within a block a key is stored as what it shares with the key
before it and the rest.

Source: https://github.com/google/leveldb, ``doc/table_format.md``.
"""

from __future__ import annotations

from collections.abc import Iterator

from napari_virtual_stain.io.importing.crc32c import crc32c, unmask
from napari_virtual_stain.io.importing.errors import Malformed
from napari_virtual_stain.io.importing.protobuf import read_varint

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER_BYTES = 48
TRAILER_BYTES = 5
MAX_KEY_BYTES = 1024
MAX_ENTRIES = 20_000

Entry = tuple[bytes, bytes]


def is_table(ending: bytes) -> bool:
    """Whether a file that ends with these bytes (8 or more) says that it is a table."""
    return ending.endswith(MAGIC)


def read_table(data: bytes) -> Iterator[Entry]:
    """Yield keys and values of a table in the order of their keys.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    Malformed
        If a part lies outside the file, has a wrong checksum, is compressed, or contradicts
        the format; the message says which.
    """
    if len(data) < FOOTER_BYTES or not is_table(data):
        raise Malformed("it does not end with the footer of a table")
    body = data[:-FOOTER_BYTES]
    footer = data[-FOOTER_BYTES:]
    _, position = _handle(footer, 0)  # of the meta block, which such files leave empty
    index, _ = _handle(footer, position)
    before, count, end = b"", 0, 0
    for _, handle in _entries(_block(body, index)):
        (offset, size), _ = _handle(handle, 0)
        if offset < end:
            raise Malformed("its blocks overlap")
        end = offset + size
        for key, value in _entries(_block(body, (offset, size))):
            count += 1
            if count > MAX_ENTRIES:
                raise Malformed(f"it has more than {MAX_ENTRIES} entries")
            if count > 1 and key <= before:
                raise Malformed("its keys are not in order")
            before = key
            yield key, value


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Return offset and size of a block, and where they end."""
    offset, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return (offset, size), position


def _block(body: bytes, handle: tuple[int, int]) -> bytes:
    """Return the content of a block whose checksum is right."""
    offset, size = handle
    end = offset + size
    if end + TRAILER_BYTES > len(body):
        raise Malformed("a block of it lies outside the file")
    stored = int.from_bytes(body[end + 1 : end + TRAILER_BYTES], "little")
    if unmask(stored) != crc32c(body[offset : end + 1]):
        raise Malformed("the checksum of a block of it is wrong")
    if body[end] != 0:
        raise Malformed(f"its blocks are compressed (type {body[end]}), which is not supported")
    return body[offset:end]


def _entries(block: bytes) -> Iterator[Entry]:
    """Yield keys and values of a block."""
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    if len(block) < 4 or end < 0:
        raise Malformed("a block of it is shorter than it says")
    key, position = b"", 0
    content = block[:end]
    while position < end:
        shared, position = read_varint(content, position)
        unshared, position = read_varint(content, position)
        length, position = read_varint(content, position)
        if shared > len(key) or position + unshared + length > end:
            raise Malformed("an entry of it is longer than its block")
        if shared + unshared > MAX_KEY_BYTES:
            raise Malformed(f"a key of it has more than {MAX_KEY_BYTES} bytes")
        key = key[:shared] + content[position : position + unshared]
        position += unshared
        yield key, content[position : position + length]
        position += length
