"""The wire format of protocol buffers, as far as TensorFlow's checkpoints use it.

Source: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

from napari_virtual_stain.io.importing.errors import Malformed

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_VARINT_BYTES = 10
Value = int | bytes


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """Return an unsigned integer of 7 bits a byte, lowest first, and where it ends.

    Raises
    ------
    Malformed
        If it does not end within `data`, or has more than 64 bits.
    """
    value = 0
    for position in range(start, min(start + MAX_VARINT_BYTES, len(data))):
        value |= (data[position] & 0x7F) << 7 * (position - start)
        if data[position] < 0x80:
            if value >> 64:
                break
            return value, position + 1
    raise Malformed("a number in it does not end")


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Yield number and value of each field of a message: integers, or bytes.

    Raises
    ------
    Malformed
        If a field is cut off or has a type that these messages do not use.
    """
    position = 0
    while position < len(data):
        key, position = read_varint(data, position)
        kind = key & 7
        if kind == VARINT:
            value: Value
            value, position = read_varint(data, position)
        elif kind in (FIXED32, FIXED64, BYTES):
            size = {FIXED32: 4, FIXED64: 8}.get(kind)
            if size is None:
                size, position = read_varint(data, position)
            content = data[position : position + size]
            if len(content) < size:
                raise Malformed("a field in it is cut off")
            position += size
            value = content if kind == BYTES else int.from_bytes(content, "little")
        else:
            raise Malformed(f"a field in it has the unknown type {kind}")
        yield key >> 3, value
