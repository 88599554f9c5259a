"""CSV files that list training pairs, in three layouts.

``input,target`` is ours: two paths. ``path_signal,path_target`` and ``path_tiff,channel_signal,
channel_target`` are those of pytorch_fnet (Ounkomol et al. 2018); there may be further columns.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.io._channels import pick_channels, stack_channels
from napari_virtual_stain.io.pairs.sides import Pairs, Side, pick_present, reader

TWO_FILES = (("input", "target"), ("path_signal", "path_target"))
ONE_FILE = ("path_tiff", "channel_signal", "channel_target")
HEADERS = "input,target or path_signal,path_target or path_tiff,channel_signal,channel_target"
WEIGHTS = "path_weight_map"


@dataclass(frozen=True)
class Line:
    """A line of a list: two files, or one of which channels are taken.

    Parameters
    ----------
    number : int
        Of the line in its file, from 1.
    files : tuple of Path
        Of the input and of the target.
    channels : tuple of str, optional
        What the line says of the channels of the input and of the target.
    """

    number: int
    files: tuple[Path, Path]
    channels: tuple[str, str] | None = None


def from_list(path: Path, inputs: list[str], targets: list[str]) -> Pairs:
    """Return the pairs that a CSV file lists."""
    lines = listed(path)
    read = reader(len({file for line in lines for file in line.files}))
    sources: list[Image] = []
    wanted: list[Image] = []
    suspect: list[tuple[int, int]] = []
    for line in lines:
        both = [read(file) for file in dict.fromkeys(line.files)]
        source, target = both[0], both[-1]
        same = line.files[0].resolve() == line.files[1].resolve()
        if line.channels is not None:
            where = f"{path.name}, line {line.number}"
            taken = [_positions(both[0], text, where) for text in line.channels]
            source, target = (_taken(both[0], positions) for positions in taken)
            same = not set(taken[0]).isdisjoint(taken[1])
        if same:
            suspect.append((len(sources), both[0].n_channels))
        sources.append(pick_channels(source, inputs) if inputs else source)
        wanted.append(target)
    if targets:
        wanted = pick_present(wanted, targets)
    for number, channels in suspect:
        where = f"{path.name}, line {lines[number].number}: {lines[number].files[0].name}"
        _check_no_copy(channels, sources[number], wanted[number], where)
    return [
        (Side(source, line.files[0].name), Side(target, line.files[1].name))
        for source, target, line in zip(sources, wanted, lines, strict=True)
    ]


def listed(path: Path) -> list[Line]:
    """Return the lines of a list, whose files exist.

    Raises
    ------
    VirtualStainError
        If `path` cannot be read, has another header, a line that is no pair, a path of no
        file, or no lines.
    """
    rows = _rows(path)
    header = [cell.lower() for cell in rows[0]] if rows else []
    columns = _columns(path.name, header)
    lines = []
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        where = f"{path.name}, line {number}"
        cells = [row[header.index(name)] for name in columns] if len(row) == len(header) else []
        if not cells or not all(cells):
            kind = "two paths" if columns != ONE_FILE else "a path and two channels"
            raise VirtualStainError(
                f"{where}: a pair is {kind}, {','.join(columns)}; this line is {','.join(row)!r}."
            )
        if columns == ONE_FILE:
            file = _file(path, cells[0], where)
            lines.append(Line(number, (file, file), (cells[1], cells[2])))
        else:
            lines.append(Line(number, (_file(path, cells[0], where), _file(path, cells[1], where))))
    if not lines:
        raise VirtualStainError(
            f"{path.name} lists no pairs; add a line {','.join(columns)} for each."
        )
    return lines


def _rows(path: Path) -> list[list[str]]:
    try:
        # Excel begins its CSV files with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
        return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]
    except FileNotFoundError as error:
        raise VirtualStainError(f"there is no file {path}; check its name and folder.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise VirtualStainError(
            f"{path.name} could not be read as CSV in UTF-8: {error}."
        ) from error


def _columns(file: str, header: Sequence[str]) -> tuple[str, ...]:
    if tuple(header) == TWO_FILES[0]:
        return TWO_FILES[0]
    for columns in (TWO_FILES[1], ONE_FILE):
        if all(header.count(name) == 1 for name in columns):
            if WEIGHTS in header:
                raise VirtualStainError(
                    f"{file}: weight maps (the column {WEIGHTS}) are not read from a list; take "
                    "the column away."
                )
            return columns
    if "path_czi" in header:
        raise VirtualStainError(
            f"{file} lists CZI files, which cannot be read; save them as OME-TIFF and list them "
            f"with the columns {','.join(ONE_FILE)}."
        )
    found = f"it is {','.join(header)!r}" if header else "the file is empty"
    raise VirtualStainError(
        f"{file}: the first line of a list of pairs has to be {HEADERS}; {found}."
    )


def _file(listing: Path, cell: str, where: str) -> Path:
    file = listing.parent / Path(cell).expanduser()
    if not (file.is_file() or (file.is_dir() and file.suffix.lower() == ".zarr")):
        raise VirtualStainError(
            f"{where}: there is no file {file}; paths are relative to the CSV file."
        )
    return file


def _positions(image: Image, text: str, where: str) -> list[int]:
    """Return the channels that a cell such as ``3``, ``[0, 2]`` or ``DAPI`` takes, from 0."""
    parts = [
        part.strip().strip("'\"") for part in text.removeprefix("[").removesuffix("]").split(",")
    ]
    try:
        if len(set(parts)) < len(parts):
            raise VirtualStainError("one is named twice.")
        return [_position(image, part) for part in parts]
    except VirtualStainError as error:
        raise VirtualStainError(
            f"{where}: {text!r} is not a channel of {image.name}: {error} Channels are numbered "
            "from 0, or named."
        ) from None


def _position(image: Image, part: str) -> int:
    which = int(part) if part.isdecimal() else part
    channel = image.channel(which)  # raises if there is none
    return which if isinstance(which, int) else image.channels.index(channel.channels[0])


def _taken(image: Image, positions: Sequence[int]) -> Image:
    channels = [image.channel(position) for position in positions]
    return stack_channels(channels) if len(channels) > 1 else channels[0]


def _check_no_copy(channels: int, source: Image, target: Image, where: str) -> None:
    """Refuse a channel that is input and target, where both sides are of one file.

    Parameters
    ----------
    channels : int
        Of the file. A single one may be called this or that.
    source, target : Image
    where : str
        The line and the file.
    """
    both = [name for name in source.channels if name in target.channels]
    if both or channels == 1:
        which = f", channel {both[0]!r}," if channels > 1 else ""
        raise VirtualStainError(
            f"{where}{which} would be input and target, and a model would learn to copy it; name "
            f"two files, or two channels ({','.join(ONE_FILE)})."
        )
