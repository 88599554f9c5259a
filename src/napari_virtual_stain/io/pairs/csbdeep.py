"""Patches in an ``.npz`` file, as CSBDeep writes them: arrays ``X``, ``Y`` and their ``axes``.

Sizes stand in the header of each array and are checked against the file before anything is
allocated. An array that is stored as it is, as ``numpy.savez`` does, is mapped and not read; one
that is compressed has to be held.

Source: CSBDeep, ``csbdeep.data.save_training_data``; NumPy's NEP 1 for the arrays, PKWARE's
APPNOTE.TXT, section 4.3.7, for the file around them.
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import AXES, Image
from napari_virtual_stain.io._channels import pick_channels
from napari_virtual_stain.io.pairs import sides
from napari_virtual_stain.io.pairs.sides import Pairs, Side

LOCAL_HEADER = struct.Struct("<4s22x2H")
MAX_AXES = 16
"""Letters that are looked at in the array that names the axes."""


@dataclass(frozen=True)
class Stored:
    """One array of the file: its type and shape, and where its values begin in what is stored."""

    member: zipfile.ZipInfo
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    offset: int


def from_patches(path: Path, inputs: list[str], targets: list[str]) -> Pairs:
    """Return one pair, with the patches along T; a channel axis becomes C, names pick of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            stored = {name: _stored(path, archive, name) for name in ("X", "Y", "axes")}
            letters = _letters(path, archive, stored["axes"])
            _check_held(path, [stored["X"], stored["Y"]])
            one, other = (_array(path, archive, stored[name]) for name in ("X", "Y"))
    except FileNotFoundError:
        raise VirtualStainError(f"there is no file {path}; check its name and folder.") from None
    except OSError as error:
        raise VirtualStainError(f"{path} could not be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise VirtualStainError(
            f"{path.name} is damaged, or no .npz file: {error}. Copy it again."
        ) from None
    source, target = _arranged(path, one, "X", letters), _arranged(path, other, "Y", letters)
    if len(source[0]) != len(target[0]):
        raise VirtualStainError(
            f"{path.name} holds {len(source[0])} patches in X and {len(target[0])} in Y; each "
            "needs its partner."
        )
    image = Image(source[0], f"T{source[1]}", name=path.stem)
    stained = Image(target[0], f"T{target[1]}", name=path.stem)
    return [
        (
            Side(pick_channels(image, inputs) if inputs else image, f"X of {path.name}"),
            Side(pick_channels(stained, targets) if targets else stained, f"Y of {path.name}"),
        )
    ]


def _stored(path: Path, archive: zipfile.ZipFile, name: str) -> Stored:
    """Return what the file says of an array, if that is possible."""
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise VirtualStainError(
            f"{path.name} has no array {name!r}; patches as CSBDeep writes them are the arrays X, "
            "Y and axes."
        ) from None
    with archive.open(member) as file:
        try:
            version = np.lib.format.read_magic(file)
            readers = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }
            shape, fortran, dtype = readers[version](file)
        except (ValueError, KeyError):
            raise VirtualStainError(
                f"{path.name}: the array {name!r} is damaged. Copy the file again."
            ) from None
        offset = file.tell()
    kinds = "US" if name == "axes" else "biuf"
    if dtype.kind not in kinds:
        raise VirtualStainError(
            f"{path.name}: the array {name!r} is of the type {dtype}, which is "
            f"{'no text' if name == 'axes' else 'not a grey value'}."
        )
    if math.prod(shape) * dtype.itemsize != member.file_size - offset or 0 in shape:
        raise VirtualStainError(
            f"{path.name}: the array {name!r} is not as large as it says, so the file is damaged. "
            "Copy it again."
        )
    return Stored(member, dtype, tuple(shape), fortran, offset)


def _letters(path: Path, archive: zipfile.ZipFile, stored: Stored) -> str:
    """Return the axes of X, such as ``SCZYX``."""
    letters = ""
    if stored.dtype.itemsize * math.prod(stored.shape) <= 4 * MAX_AXES:
        letters = "".join(str(part) for part in np.ravel(_held(archive, stored))).upper()
    if letters.count("S") != 1 or len({*letters}) < len(letters) or not {*letters} <= {*"SCZYX"}:
        raise VirtualStainError(
            f"{path.name}: the axes of the patches are {letters!r}, and should be S (the patches), "
            "Y and X, and may be C and Z, each once."
        )
    return letters


def _check_held(path: Path, arrays: list[Stored]) -> None:
    held = sum(
        one.member.file_size for one in arrays if one.member.compress_type != zipfile.ZIP_STORED
    )
    if held > sides.HELD:
        raise VirtualStainError(
            f"{path.name} is compressed, and its patches take {held / 2**30:.1f} GiB, more than "
            "are held in memory; write it with numpy.savez, which does not compress, and they are "
            "read when they are needed."
        )


def _array(path: Path, archive: zipfile.ZipFile, stored: Stored) -> np.ndarray:
    if stored.member.compress_type != zipfile.ZIP_STORED or stored.dtype.byteorder == ">":
        return _held(archive, stored)
    with path.open("rb") as file:
        file.seek(stored.member.header_offset)
        signature, *lengths = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    begin = stored.member.header_offset + LOCAL_HEADER.size + sum(lengths)
    if signature != b"PK\x03\x04" or begin + stored.member.file_size > path.stat().st_size:
        raise zipfile.BadZipFile("a part does not begin where the directory says")
    return np.memmap(
        path,
        stored.dtype,
        mode="r",
        offset=begin + stored.offset,
        shape=stored.shape,
        order="F" if stored.fortran else "C",
    )


def _held(archive: zipfile.ZipFile, stored: Stored) -> np.ndarray:
    with archive.open(stored.member) as file:
        values: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _arranged(path: Path, array: np.ndarray, name: str, letters: str) -> tuple[np.ndarray, str]:
    """Return patches with the axes of an image behind the first; those of length 1 fall away.

    Of targets that are projections, Z is absent or of length 1.
    """
    if name == "Y" and array.ndim == len(letters) - 1:
        letters = letters.replace("Z", "")
    if array.ndim != len(letters) or not {"Y", "X"} <= {*letters}:
        raise VirtualStainError(
            f"{path.name}: {name} has {array.ndim} dimensions, but the axes are {letters!r}."
        )
    order = [letters.index("S"), *(letters.index(axis) for axis in AXES if axis in letters)]
    axes = "".join(axis for axis in AXES if axis in letters)
    array = array.transpose(order)
    short = tuple(i for i, axis in enumerate(axes, start=1) if axis in "CZ" and array.shape[i] == 1)
    kept = "".join(axis for i, axis in enumerate(axes, start=1) if i not in short)
    return array.squeeze(short) if short else array, kept
