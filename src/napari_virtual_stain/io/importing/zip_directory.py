"""The directory of an archive of ``torch.save``: its parts, stored as they are.

PyTorch writes no comment, leaves no gap before the directory and compresses nothing; what deviates
was written by something else and is refused. The number of parts is taken from the end of the
file and limited before anything is made for them.

Source: PKWARE's APPNOTE.TXT, sections 4.3 (layout) and 4.5.3 (ZIP64).
"""

from __future__ import annotations

import struct
import zipfile
import zlib

from napari_virtual_stain.io.importing.errors import Malformed
from napari_virtual_stain.io.importing.sentences import quoted
from napari_virtual_stain.io.importing.sources import Source

ZIP_START = b"PK\x03\x04"
MAX_MEMBERS = 20_000
MAX_ENTRY_BYTES = 512
"""Of the directory, on average: names there are short."""

END, END64, LOCATOR64 = struct.Struct("<4s4H2IH"), struct.Struct("<4sQ2H2I4Q"), 20
LOCAL = struct.Struct("<4s22x2H")


def members(source: Source) -> dict[str, zipfile.ZipInfo]:
    """Return the parts of an archive by name.

    Raises
    ------
    Malformed
        If the directory is not where the end of the file says, is too large, names two parts
        alike, or claims more than the file holds; if a part is compressed.
    """
    _check_end(source)
    try:
        with zipfile.ZipFile(source.file) as archive:
            entries = archive.infolist()
    except (
        zipfile.BadZipFile, EOFError, NotImplementedError, OverflowError, ValueError, struct.error,
    ):  # fmt: skip
        raise _broken() from None
    if len({entry.filename.casefold() for entry in entries}) < len(entries):
        raise Malformed("its directory names two parts alike")
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise Malformed("its content is compressed, as torch.save never does")
    if any(entry.compress_size != entry.file_size for entry in entries):
        raise _broken()
    if sum(entry.file_size for entry in entries) > source.size:
        raise Malformed("its directory claims more than the file holds")
    return {entry.filename: entry for entry in entries}


def checked(source: Source, member: zipfile.ZipInfo) -> int:
    """Return where the content of a part begins, whose checksum is right.

    Raises
    ------
    Malformed
        If it is wrong, or there is no such part.
    """
    signature, name, extra = LOCAL.unpack(source.read(member.header_offset, LOCAL.size))
    if signature != ZIP_START:
        raise Malformed("its directory points to nothing")
    start: int = member.header_offset + LOCAL.size + name + extra
    crc = 0
    for chunk in source.chunks(start, member.file_size):
        crc = zlib.crc32(chunk, crc)
    # It is 0 where torch.serialization.set_crc32_options(False) was chosen.
    if member.CRC not in (0, crc):
        raise Malformed(f"the checksum of its part {quoted(member.filename)} is wrong")
    return start


def _check_end(source: Source) -> None:
    """Raise unless the last bytes describe a directory right before them, of a usual size."""
    at = source.size - END.size
    if at < 0:
        raise _broken()
    signature, disk, first, _, count, size, offset, comment = END.unpack(source.read(at, END.size))
    if signature != b"PK\x05\x06" or comment:
        raise _broken()
    at64 = at - LOCATOR64 - END64.size
    if at64 >= 0 and source.read(at - LOCATOR64, 4) == b"PK\x06\x07":
        signature, _, _, _, disk, first, _, count, size, offset = END64.unpack(
            source.read(at64, END64.size)
        )
        at = at64
        if signature != b"PK\x06\x06":
            raise _broken()
    if count > MAX_MEMBERS or size > MAX_MEMBERS * MAX_ENTRY_BYTES:
        raise Malformed("its directory has too many entries")
    if disk or first or offset + size != at:
        raise _broken()


def _broken() -> Malformed:
    return Malformed("its directory is missing or broken, as in a truncated file")
