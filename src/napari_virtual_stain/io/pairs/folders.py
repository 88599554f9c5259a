"""A folder with one folder per channel, where files of the same name belong together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._channels import stack_channels
from napari_virtual_stain.io.pairs.image_files import image_files
from napari_virtual_stain.io.pairs.sides import Pairs, Read, Side, quoted, reader, warn_of_missing

Folders = dict[str, dict[str, Path]]
"""The images of each folder, keyed by the folder's name and their own."""


def from_folders(path: Path, inputs: list[str], targets: list[str]) -> Pairs:
    """Return the pairs of a folder of folders; an image may be absent from some of the targets'."""
    folders = {
        entry.name: files
        for entry in sorted(path.iterdir())
        if entry.is_dir() and (files := image_files(entry))
    }
    if not folders:
        raise VirtualStainError(
            f"{path} holds no pairs: neither TIFF files (*.tif, *.tiff), OME-Zarrs (*.zarr) nor "
            "folders of them, nor PNG files that are named as those of in silico labeling."
        )
    if len(folders) == 2 and bool(inputs) != bool(targets):
        rest = [name for name in folders if name not in inputs + targets]
        inputs, targets = inputs or rest, targets or rest
    if not inputs or not targets:
        raise VirtualStainError(
            f"say which folders of {path.name} are inputs and which are targets (inputs=[…], "
            f"targets=[…], on the command line --input and --target); it has {quoted(folders)}."
        )
    for name in inputs + targets:
        if name not in folders:
            raise VirtualStainError(
                f"{path.name} has no folder {name!r} with images; it has {quoted(folders)}."
            )
    used = {name: folders[name] for name in inputs + targets}
    stems = sorted(set().union(*used.values()))
    present = {stem: [name for name in targets if stem in used[name]] for stem in stems}
    for stem in stems:
        needed = [*inputs, *(targets if not present[stem] else [])]
        for name in needed:
            if stem not in used[name]:
                raise _lone(stem, name, used)
    warn_of_missing(targets, stems, list(present.values()))
    read = reader(len(stems) * len(used))
    return [
        (
            _from_each(inputs, stem, used, read, several=len(inputs) > 1),
            _from_each(present[stem], stem, used, read, several=len(targets) > 1),
        )
        for stem in stems
    ]


def _lone(stem: str, name: str, used: Folders) -> VirtualStainError:
    lone = next(others[stem] for others in used.values() if stem in others)
    return VirtualStainError(
        f"{lone.parent.name}/{lone.name} has no partner of the same name in the folder {name!r}; "
        f"add it there, or take {lone.name} away."
    )


def _from_each(
    names: Sequence[str], stem: str, folders: Folders, read: Read, *, several: bool
) -> Side:
    """Return the image that the files `stem` of the folders `names` make together."""
    sides: list[Side] = []
    for name in names:
        file = folders[name][stem]
        image = read(file)
        if "C" not in image.axes:
            image = image.replace(channels=[name])
        elif several:
            image = image.replace(channels=[f"{name} {channel}" for channel in image.channels])
        sides.append(Side(image, f"{name}/{file.name}"))
        if sides[-1].sizes != sides[0].sizes:
            raise VirtualStainError(
                f"{sides[0]} and {sides[-1]} cannot be channels of one image; they need the same "
                "axes and sizes."
            )
    if len(sides) == 1:
        return sides[0]
    channels = [side.image.channel(i) for side in sides for i in range(side.image.n_channels)]
    return Side(stack_channels(channels), " + ".join(side.files for side in sides))
