"""A second path to TensorFlow's checkpoint format: a writer, from the layout of the bytes alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MAGIC = 0xDB4775248B80FB57
FLOAT, INT64 = 1, 9
_TABLE = []
for _byte in range(256):
    for _ in range(8):
        _byte = _byte >> 1 ^ (0x82F63B78 if _byte & 1 else 0)
    _TABLE.append(_byte)


def masked_crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value) if value else b""


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def entry(dtype: int, shape, offset: int, size: int, crc: int, *, shard: int = 0) -> bytes:
    """BundleEntryProto."""
    dims = b"".join(message(2, number(1, n)) for n in shape)
    return (
        number(1, dtype)
        + message(2, dims)
        + number(3, shard)
        + number(4, offset)
        + number(5, size)
        + varint(6 << 3 | 5)
        + crc.to_bytes(4, "little")
    )


def header(shards: int = 1, endianness: int = 0) -> bytes:
    """BundleHeaderProto, with the version (producer 1) that TensorFlow writes."""
    return number(1, shards) + number(2, endianness) + message(3, number(1, 1))


def block(pairs, restart_interval: int) -> bytes:
    content, restarts, before = b"", [], b""
    for position, (key, value) in enumerate(pairs):
        shared = 0
        if position % restart_interval == 0:
            restarts.append(len(content))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        rest = key[shared:]
        content += varint(shared) + varint(len(rest)) + varint(len(value)) + rest + value
        before = key
    restarts = restarts or [0]
    return content + b"".join(n.to_bytes(4, "little") for n in [*restarts, len(restarts)])


def table(pairs, *, per_block: int = 5, restart_interval: int = 3, compression: int = 0) -> bytes:
    """A sorted string table of (key, value) pairs, which are sorted already."""
    out = b""

    def store(content: bytes) -> bytes:
        nonlocal out
        handle = varint(len(out)) + varint(len(content))
        trailer = bytes([compression])
        out += content + trailer + masked_crc(content + trailer).to_bytes(4, "little")
        return handle

    index = []
    for start in range(0, len(pairs), per_block):
        part = pairs[start : start + per_block]
        index.append((part[-1][0], store(block(part, restart_interval))))
    meta = store(block([], restart_interval))
    footer = meta + store(block(index, 1))
    return out + footer.ljust(40, b"\0") + MAGIC.to_bytes(8, "little")


def write_bundle(
    prefix: Path, tensors, *, crc=masked_crc, optimizer: bool = True, **layout
) -> None:
    """Write `tensors` as ``prefix.index`` and ``prefix.data-00000-of-00001``, as Saver does.

    With `optimizer`, the slots of Adam and its counters are written beside them; the slots have a
    wrong checksum, as nobody is to read them.
    """
    stored = dict(tensors)
    if optimizer:
        for name, values in tensors.items():
            if "moving_" not in name:
                stored[f"{name}/Adam"] = stored[f"{name}/Adam_1"] = np.full_like(values, np.nan)
        stored["beta1_power"] = stored["beta2_power"] = np.float32(0.5)
        stored["global_step"] = np.int64(75_000)
    data, pairs = [], [(b"", header())]
    offset = 0
    for name in sorted(stored):
        values = np.asarray(stored[name])
        content = values.tobytes()
        dtype = INT64 if values.dtype == np.int64 else FLOAT
        checksum = 1 if "/Adam" in name else crc(content)
        pairs.append((name.encode(), entry(dtype, values.shape, offset, len(content), checksum)))
        data.append(content)
        offset += len(content)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{prefix}.data-00000-of-00001").write_bytes(b"".join(data))
    Path(f"{prefix}.index").write_bytes(table(pairs, **layout))
    Path(f"{prefix}.meta").write_bytes(b"a graph that nobody reads")
