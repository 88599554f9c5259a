"""The checksum against the published values, and against one byte after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_virtual_stain.io.importing import crc32c as module
from napari_virtual_stain.io.importing.crc32c import crc32c, unmask

from .bundle_writer import masked_crc


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
    ],
)
def test_published_values(data, expected):
    """RFC 3720, appendix B.4."""
    assert crc32c(data) == expected


@pytest.mark.parametrize("size", [1, 3, 4, 4095, 4096, 4097, 8191, 8192, 8193, 70_001])
def test_side_by_side_equals_one_after_the_other(size):
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    assert crc32c(data) == unmask(masked_crc(data))


def test_chunks_are_joined(monkeypatch):
    data = np.random.default_rng(0).integers(0, 256, 50_000, dtype=np.uint8).tobytes()
    whole = crc32c(data)
    for size in (4096, 5000, 20_000):
        monkeypatch.setattr(module, "CHUNK_BYTES", size)
        assert crc32c(memoryview(data)) == whole


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_masking_is_undone(data, crc):
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert unmask(masked) == crc
    assert unmask(masked_crc(data)) == crc32c(data)
