"""Files of ``torch.save``, loaded without running anything of theirs.

Whatever a file claims is held against its size first: the directory of the ZIP archive that
PyTorch writes since version 1.6, the sizes of tensors in its pickle, and the same in the format
before it. Only then is it loaded, with ``weights_only=True``.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.pickle_survey import Forbidden, survey
from napari_virtual_stain.io.importing.protobuf import Malformed
from napari_virtual_stain.io.importing.sentences import damaged, unknown, unreadable

ZIP_START = b"PK\x03\x04"
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""A pickle of the number 0x1950a86a20f9469cfc6c, with which the older format begins."""

MAX_FILE_BYTES = 16 * 2**30
MAX_PICKLE_BYTES = 16 * 2**20
MAX_MEMBERS = 100_000
CHUNK_BYTES = 2**20
LOCAL_HEADER_BYTES = 30


def load_torch(path: Path) -> Any:
    """Return what a file of ``torch.save`` holds, its tensors on the CPU.

    Tensors of the newer format are mapped: what is not used is not read.

    Raises
    ------
    VirtualStainError
        If it is no such file, is truncated or damaged, holds other objects than tensors,
        numbers, texts, lists and dictionaries, or claims more than it has.
    """
    import torch

    try:
        zipped = _check(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Forbidden as error:
        raise VirtualStainError(
            f"{path.name} holds Python objects beside weights ({error}), and opening them could "
            "run code; nothing of it was opened. Save the weights alone, with "
            "torch.save(network.state_dict(), …), and import that."
        ) from None
    except Malformed as error:
        raise damaged(path, str(error)) from None
    except OSError as error:
        raise unreadable(path, error) from None
    except (
        ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, RuntimeError,
        TypeError, pickle.UnpicklingError, struct.error,
    ) as error:  # fmt: skip
        raise damaged(path, f"PyTorch cannot load it ({type(error).__name__})") from None


def is_torch_file(start: bytes) -> bool:
    """Whether a file that starts with these bytes (16 or more) may be one of ``torch.save``."""
    return start.startswith((ZIP_START, LEGACY_START))


def _check(path: Path) -> bool:
    """Raise unless all that the file claims fits into it; return whether it is an archive."""
    with path.open("rb") as file:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise VirtualStainError(
                f"{path.name} has {size / 2**30:.0f} GiB, more than any network known here."
            )
        zipped = file.read(4) == ZIP_START
        file.seek(0)
        if zipped:
            _check_archive(path, file, size)
        else:
            _check_legacy(file, size)
    return zipped


def _check_archive(path: Path, file: IO[bytes], size: int) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            members = {member.filename: member for member in archive.infolist()}
            count = len(archive.infolist())
    except (
        zipfile.BadZipFile, EOFError, NotImplementedError, OverflowError, ValueError, struct.error,
    ):  # fmt: skip
        raise Malformed("its directory is missing or broken, as in a truncated file") from None
    pickles = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise unknown(path, "a ZIP archive, but not one of torch.save")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in members:
        raise unknown(path, "a program of TorchScript")
    if count > MAX_MEMBERS or count != len(members):
        raise Malformed("its directory has too many entries")
    if any(m.compress_type != zipfile.ZIP_STORED or m.flag_bits & 1 for m in members.values()):
        raise Malformed("its content is compressed, as torch.save never does")
    if sum(member.file_size for member in members.values()) > size:
        raise Malformed("its directory claims more than the file holds")
    for member in members.values():
        _check_sum(file, member)
    main = members[pickles[0]]
    if main.file_size > MAX_PICKLE_BYTES:
        raise Malformed("its description is larger than any network's")
    _find(file, main)
    for key, claimed in survey(io.BytesIO(file.read(main.file_size))).items():
        stored = members.get(f"{folder}data/{key}")
        if stored is None or stored.file_size != claimed:
            raise Malformed(f"the tensor data {key} has another size than it says")


def _find(file: IO[bytes], member: zipfile.ZipInfo) -> None:
    """Go to the content of a member that is stored as it is."""
    file.seek(max(0, member.header_offset))
    header = file.read(LOCAL_HEADER_BYTES)
    if len(header) < LOCAL_HEADER_BYTES or not header.startswith(ZIP_START):
        raise Malformed("its directory points to nothing")
    name, extra = struct.unpack("<HH", header[26:30])
    file.seek(name + extra, io.SEEK_CUR)


def _check_sum(file: IO[bytes], member: zipfile.ZipInfo) -> None:
    """Raise unless the checksum of a member is right; PyTorch itself does not look at it."""
    if member.CRC == 0:  # left out where torch.serialization.set_crc32_options(False) was chosen
        return
    _find(file, member)
    crc, left = 0, member.file_size
    while left:
        chunk = file.read(min(left, CHUNK_BYTES))
        if not chunk:
            raise Malformed("it ends too early")
        crc = zlib.crc32(chunk, crc)
        left -= len(chunk)
    if crc != member.CRC:
        raise Malformed(f"the checksum of its part {member.filename!r} is wrong")


def _check_legacy(file: IO[bytes], size: int) -> None:
    """Check the older format: five pickles, then the length and the bytes of each storage."""
    pickles = io.BytesIO(file.read(min(size, MAX_PICKLE_BYTES)))
    claimed: dict[str, int] = {}
    for _ in ("magic number", "version", "system", "object", "keys"):
        claimed |= survey(pickles)
    if pickles.tell() + sum(8 + length for length in claimed.values()) > size:
        raise Malformed("it is shorter than its tensors, as a truncated file")
