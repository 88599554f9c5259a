"""A folder with one folder per channel, where files of the same name belong together."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.io.pairs.image_files import image_files, is_image
from napari_virtual_stain.io.pairs.matching import matched
from napari_virtual_stain.io.pairs.sides import Pairs, quoted


def are_folders(path: Path, names: Sequence[str]) -> bool:
    """Whether a folder holds folders of all these names, with images in them."""
    folders = [path / name for name in names]
    return bool(names) and all(
        one.parent == path and one.is_dir() and any(map(is_image, one.iterdir())) for one in folders
    )


def from_folders(path: Path, inputs: list[str], targets: list[str]) -> Pairs:
    """Return the pairs of a folder of folders; an image may be absent from some of the targets'."""
    folders = {
        entry.name: files
        for entry in sorted(path.iterdir())
        if entry.is_dir() and not is_image(entry) and (files := image_files(entry))
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
    _say_what_is_beside(path, inputs + targets)
    return matched(folders, inputs, targets, _lone)


def _say_what_is_beside(path: Path, names: Sequence[str]) -> None:
    beside = sorted(entry.name for entry in path.iterdir() if is_image(entry))
    if beside:
        among = f"{beside[0]}, …" if len(beside) > 1 else beside[0]
        warnings.warn(
            f"the folders {quoted(names)} hold the pairs; what lies beside them ({among}) is not "
            "used.",
            VirtualStainWarning,
            stacklevel=5,
        )


def _lone(file: Path, name: str) -> VirtualStainError:
    return VirtualStainError(
        f"{file.parent.name}/{file.name} has no partner of the same name in the folder {name!r}; "
        f"add it there, or take {file.name} away."
    )
