"""Headers of ``.safetensors`` files, checked before anything in them is used.

A file is the length of its header in 8 bytes, the header as JSON, and the tensors, of which the
header says where each begins and ends.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

MAX_HEADER_BYTES = 16 * 2**20
METADATA = "__metadata__"


class BadHeader(Exception):
    """The file is not what its header says, or has none.

    Attributes
    ----------
    why : {"foreign", "short header", "truncated", "damaged"}
    """

    def __init__(self, why: Literal["foreign", "short header", "truncated", "damaged"]) -> None:
        super().__init__(why)
        self.why = why


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a file that is as long as its header says.

    Raises
    ------
    BadHeader
        If it is not such a file.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        prefix = file.read(8)
        length = int.from_bytes(prefix, "little")
        plausible = len(prefix) == 8 and 2 <= length <= MAX_HEADER_BYTES
        if not plausible:
            raise BadHeader("foreign")
        text = file.read(length)
    if len(text) < length:
        raise BadHeader("short header")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise BadHeader("foreign") from None
    if not isinstance(header, dict):
        raise BadHeader("foreign")
    entries = tensor_entries(header).values()
    if not all(_is_tensor_entry(entry) for entry in entries):
        raise BadHeader("foreign")
    expected = 8 + length + max((entry["data_offsets"][1] for entry in entries), default=0)
    if size != expected:
        raise BadHeader("truncated" if size < expected else "damaged")
    return header


def tensor_entries(header: dict[str, Any]) -> dict[str, Any]:
    """Return what a header says of each tensor: its type, shape and place."""
    return {name: entry for name, entry in header.items() if name != METADATA}


def metadata_text(header: dict[str, Any], key: str) -> str | None:
    """Return a text of a header's metadata; None where there is none of that key."""
    metadata = header.get(METADATA)
    text = metadata.get(key) if isinstance(metadata, dict) else None
    return text if isinstance(text, str) else None


def _is_tensor_entry(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    offsets, shape = entry.get("data_offsets"), entry.get("shape")
    return (
        isinstance(entry.get("dtype"), str)
        and isinstance(offsets, list)
        and len(offsets) == 2
        and isinstance(shape, list)
        and all(type(number) is int and number >= 0 for number in offsets + shape)
    )
