"""Training pairs on disk: inputs and targets of the same places.

A folder of multi-channel files, a folder with one folder per channel, or a CSV
file that lists them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.image import Image
from napari_virtual_stain.io._channels import pick_channels, stack_channels
from napari_virtual_stain.io._names import image_name
from napari_virtual_stain.io._pair_list import listed_files
from napari_virtual_stain.io.images import read_image
from napari_virtual_stain.io.tiff import LAZY_ABOVE

HELD = 2 * 2**30
"""Bytes of pixels that the files of all pairs may hold in memory together; where they could be
more, the larger files are read only when they are asked for."""

Read = Callable[[Path], Image]


class _Side(NamedTuple):
    """One side of a pair, and the files it comes from, for the sentences."""

    image: Image
    files: str

    @property
    def sizes(self) -> dict[str, int]:
        return {axis: size for axis, size in self.image.sizes.items() if axis != "C"}

    def __str__(self) -> str:
        return f"{self.files} ({' × '.join(f'{a} {n}' for a, n in self.image.sizes.items())})"


Pairs = list[tuple[_Side, _Side]]


def read_pairs(
    path: str | os.PathLike[str],
    *,
    inputs: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
) -> list[tuple[Image, Image]]:
    """Read pairs of input and target images.

    Parameters
    ----------
    path : path-like
        One of

        - a folder of multi-channel TIFF files (or one such file): `inputs` and `targets` name
          channels, and both are needed;
        - a folder with one folder per channel, where files of the same name are a pair: `inputs`
          and `targets` name folders; of two folders, one needs to be named. Several folders
          become channels of one image;
        - a CSV file whose first line is ``input,target``, and whose others are paths relative to
          it: `inputs` and `targets`, where given, name channels of the files.
    inputs, targets : sequence of str, optional
        Names of channels or folders, see there.

    Returns
    -------
    list of (Image, Image)
        Input and target of each pair, in the order of the file names or of the CSV file. An image
        has a C axis only if it has several channels. Those of the axes T, Z, Y and X that both
        of a pair have are of the same size.

    Raises
    ------
    VirtualStainError
        If a file, folder or channel is missing or ambiguous, if no pairs are found, or if the
        two of a pair differ in size.
    """
    path = Path(path).expanduser()
    input_names, target_names = _names(inputs), _names(targets)
    if both := [name for name in input_names if name in target_names]:
        raise VirtualStainError(
            f"{both[0]!r} is given as an input and as a target; a model would learn to copy it."
        )
    if path.is_dir():
        files = list(_tiff_files(path).values())
        pairs = (
            _from_channels(files, input_names, target_names)
            if files
            else _from_folders(path, input_names, target_names)
        )
    elif path.suffix.lower() == ".csv":
        pairs = _from_csv(path, input_names, target_names)
    else:
        pairs = _from_channels([path], input_names, target_names)
    for one, other in pairs:
        _check_sizes(one, other)
    return [(one.image, other.image) for one, other in pairs]


def _from_channels(files: list[Path], inputs: list[str], targets: list[str]) -> Pairs:
    read = _reader(len(files))
    if not inputs or not targets:
        known = _quoted(read(files[0]).channels) or "no channel names"
        raise VirtualStainError(
            "say which channels are inputs and which are targets (inputs=[…], targets=[…], on the "
            f"command line --input and --target); {files[0].name} has {known}."
        )
    pairs = []
    for file in files:
        image = read(file)
        one, other = pick_channels(image, inputs), pick_channels(image, targets)
        pairs.append((_Side(one, file.name), _Side(other, file.name)))
    return pairs


def _from_folders(path: Path, inputs: list[str], targets: list[str]) -> Pairs:
    folders = {
        entry.name: files
        for entry in sorted(path.iterdir())
        if entry.is_dir() and (files := _tiff_files(entry))
    }
    if not folders:
        raise VirtualStainError(
            f"{path} holds no pairs: neither TIFF files (*.tif, *.tiff) nor folders of them."
        )
    if len(folders) == 2 and bool(inputs) != bool(targets):
        rest = [name for name in folders if name not in inputs + targets]
        inputs, targets = inputs or rest, targets or rest
    if not inputs or not targets:
        raise VirtualStainError(
            f"say which folders of {path.name} are inputs and which are targets (inputs=[…], "
            f"targets=[…], on the command line --input and --target); it has {_quoted(folders)}."
        )
    for name in inputs + targets:
        if name not in folders:
            raise VirtualStainError(
                f"{path.name} has no folder {name!r} with TIFF files; it has {_quoted(folders)}."
            )
    used = {name: folders[name] for name in inputs + targets}
    stems = sorted(set().union(*used.values()))
    for name, files in used.items():
        for stem in stems:
            if stem not in files:
                lone = next(others[stem] for others in used.values() if stem in others)
                raise VirtualStainError(
                    f"{lone.parent.name}/{lone.name} has no partner of the same name in the folder "
                    f"{name!r}; add it there, or take {lone.name} away."
                )
    read = _reader(len(stems) * len(used))
    return [
        (_from_each(inputs, stem, used, read), _from_each(targets, stem, used, read))
        for stem in stems
    ]


def _from_each(
    names: list[str], stem: str, folders: dict[str, dict[str, Path]], read: Read
) -> _Side:
    """Return the image that the files `stem` of the folders `names` make together."""
    sides: list[_Side] = []
    for name in names:
        file = folders[name][stem]
        image = read(file)
        if "C" not in image.axes:
            image = image.replace(channels=[name])
        elif len(names) > 1:
            image = image.replace(channels=[f"{name} {channel}" for channel in image.channels])
        sides.append(_Side(image, f"{name}/{file.name}"))
        if sides[-1].sizes != sides[0].sizes:
            raise VirtualStainError(
                f"{sides[0]} and {sides[-1]} cannot be channels of one image; they need the same "
                "axes and sizes."
            )
    if len(sides) == 1:
        return sides[0]
    channels = [side.image.channel(i) for side in sides for i in range(side.image.n_channels)]
    return _Side(stack_channels(channels), " + ".join(side.files for side in sides))


def _from_csv(path: Path, inputs: list[str], targets: list[str]) -> Pairs:
    listed = listed_files(path)
    read = _reader(2 * len(listed))
    pairs = []
    for one, other in listed:
        image, target = read(one), read(other)
        pairs.append(
            (
                _Side(pick_channels(image, inputs) if inputs else image, one.name),
                _Side(pick_channels(target, targets) if targets else target, other.name),
            )
        )
    return pairs


def _tiff_files(folder: Path) -> dict[str, Path]:
    """Return the TIFF files of a folder, keyed by image name and sorted by it."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        # macOS leaves files such as ._a.tif beside those it copies.
        hidden = file.name.startswith(".")
        if hidden or file.suffix.lower() not in (".tif", ".tiff") or not file.is_file():
            continue
        twin = found.setdefault(image_name(file), file)
        if twin is not file:
            raise VirtualStainError(
                f"the folder {folder.name!r} holds {twin.name} and {file.name}, and it cannot be "
                "told which of them is meant; rename one or take it away."
            )
    return dict(sorted(found.items()))


def _check_sizes(one: _Side, other: _Side) -> None:
    differing = [axis for axis, size in one.sizes.items() if other.sizes.get(axis, size) != size]
    if differing:
        raise VirtualStainError(
            f"{one} and {other} are no pair: they differ in size along {' and '.join(differing)}."
        )


def _reader(n_files: int) -> Read:
    return partial(read_image, lazy_above=min(LAZY_ABOVE, HELD // n_files))


def _names(names: Sequence[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or [])


def _quoted(names: Sequence[str] | dict[str, dict[str, Path]]) -> str:
    return ", ".join(repr(name) for name in names)
