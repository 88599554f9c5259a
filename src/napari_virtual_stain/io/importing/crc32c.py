"""CRC-32C (Castagnoli), the checksum of TensorFlow's files, in NumPy.

A checksum without start and end values is linear: that of two pieces joined is that of the
first, advanced by the length of the second, XOR that of the second. Many pieces are therefore
taken side by side, one vector operation for a word of each, and joined in pairs.

Source: RFC 3720, section 12.1 and appendix B.4 (polynomial and test values); the masking is
that of the table format, https://github.com/google/leveldb, ``doc/table_format.md``.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78
"""x^32 + x^28 + … + 1, bits reversed."""

MASK_DELTA = 0xA282EAD8
ALL_ONES = 0xFFFFFFFF
CHUNK_BYTES = 2**22
LANE_BYTES = 256
SHORT_BYTES = 4096
"""Below this, one byte after the other is as fast."""

Words = NDArray[np.uint32]


def crc32c(data: bytes | memoryview) -> int:
    """Return the CRC-32C of `data`, from 0 to 2³² − 1."""
    content = np.frombuffer(data, np.uint8)
    crc = ALL_ONES
    for start in range(0, len(content), CHUNK_BYTES):
        piece = content[start : start + CHUNK_BYTES]
        crc = _short(piece, crc) if len(piece) < SHORT_BYTES else _long(piece, crc)
    return crc ^ ALL_ONES


def unmask(masked: int) -> int:
    """Return the checksum that a file holds rotated and shifted, so that it can be summed itself.

    The inverse is ``((crc >> 15 | crc << 17) + 0xA282EAD8) mod 2³²``.
    """
    rotated = (masked - MASK_DELTA) & ALL_ONES
    return (rotated >> 17 | rotated << 15) & ALL_ONES


def _short(piece: NDArray[np.uint8], crc: int) -> int:
    table = _byte_table()
    for byte in piece.tobytes():
        crc = int(table[(crc ^ byte) & 0xFF]) ^ (crc >> 8)
    return crc


def _long(piece: NDArray[np.uint8], crc: int) -> int:
    # Zeros before the content do not change a checksum that starts at zero, so it is filled up
    # to a power of two at its start; a checksum so far is XORed into the first four bytes.
    size = 1 << (len(piece) - 1).bit_length()
    padded = np.zeros(size, np.uint8)
    padded[size - len(piece) :] = piece
    start = padded[size - len(piece) :][:4]
    start ^= np.frombuffer(crc.to_bytes(4, "little"), np.uint8)
    lanes = np.ascontiguousarray(padded.view("<u4").reshape(-1, LANE_BYTES // 4).T)
    low, high = _half_tables()
    crcs = np.zeros(lanes.shape[1], np.uint32)
    for words in lanes:
        crcs ^= words
        crcs = low[crcs & 0xFFFF] ^ high[crcs >> 16]
    doublings = LANE_BYTES.bit_length() - 1
    while len(crcs) > 1:
        crcs = _apply(_advance(doublings), crcs[::2]) ^ crcs[1::2]
        doublings += 1
    return int(crcs[0])


def _apply(columns: Words, values: Words) -> Words:
    """Multiply a 32 × 32 matrix over GF(2), given by its columns, with each of `values`."""
    result = np.zeros(len(values), np.uint32)
    for bit, column in enumerate(columns):
        result ^= (values >> np.uint32(bit) & np.uint32(1)) * column
    return result


@cache
def _advance(doublings: int) -> Words:
    """Return the columns of the matrix that advances a checksum by 2**doublings zero bytes."""
    if doublings == 0:
        bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
        advanced: Words = _byte_table()[bits & 0xFF] ^ bits >> 8
        return advanced
    half = _advance(doublings - 1)
    return _apply(half, half)


@cache
def _byte_table() -> Words:
    """Return the checksums of the single bytes, for one byte of progress."""
    table: Words = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = table >> np.uint32(1) ^ (table & np.uint32(1)) * np.uint32(POLYNOMIAL)
    return table


@cache
def _half_tables() -> tuple[Words, Words]:
    """Return what the lower and the upper half of a word become after its four bytes."""
    halves = np.arange(2**16, dtype=np.uint32)
    word = _advance(2)
    return _apply(word, halves), _apply(word, halves << np.uint32(16))
