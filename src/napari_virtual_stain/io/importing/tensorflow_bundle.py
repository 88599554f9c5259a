"""TensorFlow checkpoints (version 2), read without TensorFlow.

A checkpoint is a table ``*.index``, which says for each variable its type, its shape and where it
lies, and the file ``*.data-00000-of-00001`` with the values. What the index claims is held
against the size of the data before anything of it is read.

Source: the messages BundleHeaderProto and BundleEntryProto of TensorFlow's
``core/protobuf/tensor_bundle.proto``.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.importing.crc32c import crc32c, unmask
from napari_virtual_stain.io.importing.errors import Malformed
from napari_virtual_stain.io.importing.protobuf import Value, fields
from napari_virtual_stain.io.importing.sentences import (
    MAX_PATH,
    clean,
    damaged,
    file_name,
    listed,
    quoted,
    unreadable,
)
from napari_virtual_stain.io.importing.sources import Source, opened
from napari_virtual_stain.io.importing.sstable import read_table

FLOAT32 = 1
MAX_INDEX_BYTES = 8 * 2**20
MAX_AXES = 8
DATA_SUFFIX = ".data-00000-of-00001"
PART_OF_CHECKPOINT = re.compile(r"(?s)(.+)\.(index|meta|data-\d{5}-of-\d{5})")


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
    """An opened checkpoint: its files, and what lies where in the second."""

    index: Source
    data: Source
    variables: dict[str, Variable]

    def check_kinds(self, names: Iterable[str]) -> None:
        """Raise unless these variables are of the type float32."""
        for name in names:
            kind = self.variables[name].dtype
            if kind != FLOAT32:
                raise VirtualStainError(
                    f"{file_name(self.data.path)}: the variable {quoted(name)} is not of the type "
                    f"float32 (it is of TensorFlow's type {kind}), which is not supported."
                )

    def read(self, name: str) -> NDArray[np.float32]:
        """Return one variable of float32, and read nothing else.

        Raises
        ------
        Malformed
            If its checksum is wrong.
        """
        variable = self.variables[name]
        content = self.data.read(variable.offset, variable.size)
        if crc32c(content) != variable.checksum:
            raise Malformed(f"the checksum of the variable {quoted(name)} is wrong")
        return np.frombuffer(content, "<f4").reshape(variable.shape)


def is_part_of_checkpoint(path: Path) -> bool:
    """Whether `path` is a checkpoint, a file of one or a folder, judged by names alone."""
    return (
        os.path.isdir(path)
        or PART_OF_CHECKPOINT.fullmatch(path.name) is not None
        or os.path.isfile(f"{path}.index")
    )


@contextmanager
def open_checkpoint(path: Path) -> Iterator[Checkpoint]:
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
    with opened(Path(f"{prefix}.index")) as index:
        variables = _variables(index)
        with opened(Path(f"{prefix}{DATA_SUFFIX}")) as data:
            _check_places(variables, index, data)
            yield Checkpoint(index, data, variables)


def _prefix(path: Path) -> str:
    """Return what the paths of a checkpoint's files share."""
    if not os.path.isdir(path):
        match = PART_OF_CHECKPOINT.fullmatch(path.name)
        return str(path.with_name(match[1])) if match else str(path)
    folder = clean(str(path), MAX_PATH)
    try:
        found = sorted(name for name in os.listdir(path) if name.endswith(".index"))
    except OSError as error:
        raise unreadable(path, error) from None
    if not found:
        raise VirtualStainError(
            f"the folder {folder} holds neither a TensorFlow checkpoint (*.index) nor a model.p; "
            "give the file of a checkpoint."
        )
    if len(found) > 1:
        raise VirtualStainError(
            f"the folder {folder} holds {len(found)} TensorFlow checkpoints: {listed(found)}; give "
            "the file of one."
        )
    return str(path / found[0].removesuffix(".index"))


def _variables(index: Source) -> dict[str, Variable]:
    entries = dict(read_table(index.whole(MAX_INDEX_BYTES)))
    _check_header(entries.pop(b"", b""), index.path)
    try:
        return {key.decode(): _variable(value) for key, value in entries.items()}
    except UnicodeDecodeError:
        raise Malformed("the name of a variable is no text") from None


def _check_header(header: bytes, index: Path) -> None:
    """Raise unless the entry of the empty name says: one shard, little-endian."""
    known = dict(fields(header))
    shards, endianness = known.get(1, 1), known.get(2, 0)
    if shards != 1:
        parts = shards if isinstance(shards, int) else "unknown"
        raise VirtualStainError(
            f"{file_name(index)} belongs to a checkpoint in {parts} parts; only checkpoints with "
            "one data file are supported."
        )
    if endianness != 0:
        raise VirtualStainError(
            f"{file_name(index)} belongs to big-endian data, which is not supported."
        )


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


def _check_places(variables: Mapping[str, Variable], index: Source, data: Source) -> None:
    """Raise unless each variable has its own place within the data."""
    end = 0
    for name, variable in sorted(variables.items(), key=lambda item: item[1].offset):
        if variable.dtype == FLOAT32 and 4 * math.prod(variable.shape) != variable.size:
            raise damaged(
                index.path,
                f"the variable {quoted(name)} of shape {variable.shape} cannot have "
                f"{variable.size} bytes",
            )
        if variable.offset + variable.size > data.size:
            raise VirtualStainError(
                f"{file_name(data.path)} is truncated: it ends before the variable {quoted(name)} "
                "does. Copy or download it again."
            )
        if variable.size and variable.offset < end:
            raise damaged(index.path, f"the variable {quoted(name)} overlaps with another one")
        end = max(end, variable.offset + variable.size)
