"""Files of which some channels are inputs and others are targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io._channels import pick_channels
from napari_virtual_stain.io.pairs.sides import Pairs, Side, pick_present, quoted, reader


def from_channels(files: Sequence[Path], inputs: list[str], targets: list[str]) -> Pairs:
    """Return the pairs that multi-channel files are; a file may lack some of the targets."""
    read = reader(len(files))
    if not inputs or not targets:
        known = quoted(read(files[0]).channels) or "no channel names"
        raise VirtualStainError(
            "say which channels are inputs and which are targets (inputs=[…], targets=[…], on the "
            f"command line --input and --target); {files[0].name} has {known}."
        )
    images = [read(file) for file in files]
    sources = [pick_channels(image, inputs) for image in images]
    return [
        (Side(source, file.name), Side(target, file.name))
        for source, target, file in zip(sources, pick_present(images, targets), files, strict=True)
    ]
