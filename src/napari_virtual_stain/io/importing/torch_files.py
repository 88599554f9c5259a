"""Files of ``torch.save``, read without PyTorch's reader.

Such a file, in the ZIP archive that PyTorch writes since version 1.6 or in the format before it,
is a pickle that describes tensors, and their values. PyTorch itself is not asked to load it:
it finds parts of an archive by other rules than Python does, so that a file could show one
pickle to whoever checks it and another one to whoever loads it. Here what is checked is
what is read, and only the tensors that are wanted are: the states of an optimizer, two thirds
of a usual checkpoint, stay where they are.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.errors import Forbidden, Malformed
from napari_virtual_stain.io.importing.pickled_calls import DTYPES, Claim, Storage
from napari_virtual_stain.io.importing.plain_pickle import read_pickle
from napari_virtual_stain.io.importing.sentences import file_name, not_imported, unknown
from napari_virtual_stain.io.importing.sources import Source
from napari_virtual_stain.io.importing.tensors import Stored
from napari_virtual_stain.io.importing.zip_directory import ZIP_START, checked, members

if TYPE_CHECKING:
    import torch

MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""A pickle of MAGIC, with which the older format begins."""

LEGACY_VERSION = 1001
MAX_PICKLE_BYTES = 4 * 2**20
LENGTH_BYTES = 8

Place = Callable[[Storage], int]
"""Where the values of a storage begin in the file; raises Malformed if they are damaged."""


def read_torch(source: Source) -> Any:
    """Return what a file of ``torch.save`` holds.

    Returns
    -------
    str, int, float, bool, None, list, dict, tuple or Stored
        Tensors can be read as long as `source` is open.

    Raises
    ------
    VirtualStainError
        If it holds other objects than tensors, numbers, texts, lists and dictionaries.
    Malformed
        If it is truncated or damaged, or claims more than it has.
    """
    try:
        if source.read(0, min(4, source.size)) == ZIP_START:
            return _archive(source)
        return _legacy(source)
    except Forbidden as error:
        raise VirtualStainError(
            f"{file_name(source.path)} holds Python objects beside weights ({error}), and opening "
            "them could run code; nothing of it was opened. Save the weights alone, with "
            "torch.save(network.state_dict(), …), and import that."
        ) from None


def is_torch_file(start: bytes) -> bool:
    """Whether a file that starts with these bytes (16 or more) may be one of ``torch.save``."""
    return start.startswith((ZIP_START, LEGACY_START))


def _archive(source: Source) -> Any:
    found = members(source)
    pickles = [name for name in found if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise unknown(source.path, "a ZIP archive, but not one of torch.save")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in found:
        raise unknown(source.path, "a program of TorchScript")
    order = found.get(f"{folder}byteorder")
    if order is not None and source.read(checked(source, order), min(order.file_size, 9)) == b"big":
        raise _big_endian(source)
    main = found[pickles[0]]
    if main.file_size > MAX_PICKLE_BYTES:
        raise Malformed("its description is larger than any network's")
    starts: dict[str, int] = {}

    def place(storage: Storage) -> int:
        if storage.key not in starts:
            starts[storage.key] = checked(source, found[f"{folder}data/{storage.key}"])
        return starts[storage.key]

    described = io.BytesIO(source.read(checked(source, main), main.file_size))
    content, storages = read_pickle(described, lambda claim: _stored(source, claim, place))
    for key, storage in storages.items():
        stored = found.get(f"{folder}data/{key}")
        if stored is None or stored.file_size != storage.nbytes:
            raise Malformed("tensor data of it has another size than it says")
    return content


def _legacy(source: Source) -> Any:
    """Read the older format: five pickles, then the length and the values of each storage."""
    stream = io.BytesIO(source.read(0, min(source.size, MAX_PICKLE_BYTES)))
    starts: dict[str, int] = {}

    def place(storage: Storage) -> int:
        start = starts[storage.key]
        length = source.read(start - LENGTH_BYTES, LENGTH_BYTES)
        if int.from_bytes(length, "little") != storage.items:
            raise Malformed("tensor data of it has another size than it says")
        return start

    (magic, _), (version, _), (system, _) = (read_pickle(stream) for _ in range(3))
    content, storages = read_pickle(stream, lambda claim: _stored(source, claim, place))
    keys, _ = read_pickle(stream)
    if (type(magic), type(version)) != (int, int) or (magic, version) != (MAGIC, LEGACY_VERSION):
        raise Malformed("it does not begin as such a file")
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise _big_endian(source)
    listed = keys if isinstance(keys, list) else []
    if not all(type(key) is str for key in listed) or sorted(listed) != sorted(storages):
        raise Malformed("its list of tensors is not that of its description")
    end = stream.tell()
    for key in listed:
        starts[key] = end + LENGTH_BYTES
        end = starts[key] + storages[key].nbytes
    if end > source.size:
        raise Malformed("it is shorter than its tensors, as a truncated file")
    return content


def _stored(source: Source, claim: Claim, place: Place) -> Stored:
    dtype, size = DTYPES[claim.storage.kind]

    def read() -> torch.Tensor:
        import torch

        kind: torch.dtype = getattr(torch, dtype)
        if not claim.count:
            return torch.empty(claim.shape, dtype=kind)
        start = place(claim.storage) + claim.start * size
        content = bytearray(source.read(start, claim.count * size))
        flat = torch.frombuffer(content, dtype=kind)
        return flat.as_strided(claim.shape, claim.strides)

    return Stored(claim.shape, math.prod(claim.shape) * size, read)


def _big_endian(source: Source) -> VirtualStainError:
    return not_imported(source.path, "it was saved by a big-endian computer.")
