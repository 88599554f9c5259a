"""TensorFlow checkpoints (version 2), read without TensorFlow.

A checkpoint is a table ``*.index``, which says for each variable its type, its shape and where it
lies, and the file ``*.data-00000-of-00001`` with the values. What the index claims is held
against the size of the data before anything of it is read.

Source: the messages BundleHeaderProto and BundleEntryProto of TensorFlow's
``core/protobuf/tensor_bundle.proto``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.crc32c import crc32c, unmask
from napari_virtual_stain.io.importing.protobuf import Malformed, Value, fields
from napari_virtual_stain.io.importing.sentences import damaged, listed, unreadable
from napari_virtual_stain.io.importing.sstable import read_table

FLOAT32 = 1
MAX_INDEX_BYTES = 64 * 2**20
MAX_AXES = 8
DATA_SUFFIX = ".data-00000-of-00001"
PART_OF_CHECKPOINT = re.compile(r"(.+)\.(index|meta|data-\d{5}-of-\d{5})")


@dataclass(frozen=True)
class Variable:
    """A variable of a checkpoint: its type, shape, place in the data (bytes) and checksum."""

    dtype: int
    shape: tuple[int, ...]
    offset: int
    size: int
    checksum: int


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint: the file of its values, and where they lie."""

    data: Path
    variables: dict[str, Variable]

    def read(self, names: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Return variables by name, and read nothing else.

        Raises
        ------
        VirtualStainError
            If one is not of float32, or its checksum is wrong.
        """
        try:
            with self.data.open("rb") as file:
                found = {}
                for name in names:
                    variable = self.variables[name]
                    file.seek(variable.offset)
                    found[name] = self._values(name, variable, file.read(variable.size))
        except OSError as error:
            raise unreadable(self.data, error) from None
        return found

    def _values(self, name: str, variable: Variable, content: bytes) -> NDArray[np.float32]:
        if variable.dtype != FLOAT32:
            raise VirtualStainError(
                f"{self.data.name}: the variable {name!r} is not of the type float32 (it is of "
                f"TensorFlow's type {variable.dtype}), which is not supported."
            )
        if len(content) < variable.size or crc32c(content) != variable.checksum:
            raise damaged(self.data, f"the checksum of the variable {name!r} is wrong")
        return np.frombuffer(content, "<f4").reshape(variable.shape)


def is_part_of_checkpoint(path: Path) -> bool:
    """Whether `path` is a checkpoint, a file of one or a folder, judged by names alone."""
    return (
        path.is_dir()
        or PART_OF_CHECKPOINT.fullmatch(path.name) is not None
        or _with_ending(path, ".index").is_file()
    )


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint and check its index; of the data, only the size is looked at.

    Parameters
    ----------
    path : Path
        Any of the files of the checkpoint, what their names share, or a folder that holds
        one checkpoint.

    Raises
    ------
    VirtualStainError
        If there is no checkpoint or more than one, a file is missing, truncated or damaged,
        or it is of a kind that is not supported.
    """
    prefix = _prefix(path)
    index, data = _with_ending(prefix, ".index"), _with_ending(prefix, DATA_SUFFIX)
    try:
        if index.stat().st_size > MAX_INDEX_BYTES:
            raise VirtualStainError(f"{index.name} is too large to be the index of a checkpoint.")
        content = index.read_bytes()
    except OSError as error:
        raise unreadable(index, error) from None
    try:
        entries = dict(read_table(content))
        _check_header(entries.pop(b"", b""), index)
        try:
            data_size = data.stat().st_size
        except OSError as error:
            raise unreadable(data, error) from None
        variables = {key.decode(): _variable(value) for key, value in entries.items()}
    except UnicodeDecodeError:
        raise damaged(index, "the name of a variable is no text") from None
    except Malformed as error:
        raise damaged(index, str(error)) from None
    for name, variable in variables.items():
        _check_place(name, variable, index, data, data_size)
    return Checkpoint(data, variables)


def _prefix(path: Path) -> Path:
    """Return what the names of a checkpoint's files share."""
    if path.is_dir():
        found = sorted(path.glob("*.index"))
        if not found:
            raise VirtualStainError(
                f"the folder {path} holds no TensorFlow checkpoint (no *.index); give the file of "
                "a checkpoint."
            )
        if len(found) > 1:
            raise VirtualStainError(
                f"the folder {path} holds {len(found)} TensorFlow checkpoints: "
                f"{listed([file.name for file in found])}; give the file of one."
            )
        return found[0].with_suffix("")
    match = PART_OF_CHECKPOINT.fullmatch(path.name)
    return path.with_name(match[1]) if match else path


def _with_ending(prefix: Path, ending: str) -> Path:
    return prefix.with_name(prefix.name + ending)


def _check_header(header: bytes, index: Path) -> None:
    """Raise unless the entry of the empty name says: one shard, little-endian."""
    known = dict(fields(header))
    shards, endianness = known.get(1, 1), known.get(2, 0)
    if shards != 1:
        raise VirtualStainError(
            f"{index.name} belongs to a checkpoint in {shards!r} parts; only checkpoints with one "
            "data file are supported."
        )
    if endianness != 0:
        raise VirtualStainError(f"{index.name} belongs to big-endian data, which is not supported.")


def _variable(entry: bytes) -> Variable:
    numbers = {1: 0, 3: 0, 4: 0, 5: 0, 6: 0}
    shape: tuple[int, ...] = ()
    for number, value in fields(entry):
        if number == 2:
            shape = tuple(_axis(dim) for key, dim in fields(_message(value)) if key == 2)
        elif number in numbers:
            if not isinstance(value, int):
                raise Malformed("an entry of it is not what it says")
            numbers[number] = value
        elif number == 7:
            raise Malformed("a variable of it is stored in slices, which is not supported")
    if len(shape) > MAX_AXES:
        raise Malformed(f"a variable of it has more than {MAX_AXES} axes")
    if numbers[3] != 0:
        raise Malformed("a variable of it lies in a part that there is not")
    return Variable(numbers[1], shape, numbers[4], numbers[5], unmask(numbers[6]))


def _axis(dim: Value) -> int:
    size = dict(fields(_message(dim))).get(1, 0)
    if not isinstance(size, int):
        raise Malformed("a shape in it is not what it says")
    return size


def _message(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed("an entry of it is not what it says")
    return value


def _check_place(name: str, variable: Variable, index: Path, data: Path, data_size: int) -> None:
    if variable.dtype == FLOAT32 and 4 * math.prod(variable.shape) != variable.size:
        raise damaged(
            index,
            f"the variable {name!r} of shape {variable.shape} cannot have {variable.size} bytes",
        )
    if variable.offset + variable.size > data_size:
        raise VirtualStainError(
            f"{data.name} is truncated: it ends before the variable {name!r} does. Copy or "
            "download it again."
        )
