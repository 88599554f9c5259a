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
    _check_several([image.n_channels for image in images], files, inputs[0], targets[0])
    sources = [pick_channels(image, inputs) for image in images]
    wanted = pick_present(images, targets)
    for source, target, file in zip(sources, wanted, files, strict=True):
        if both := [name for name in source.channels if name in target.channels]:
            raise VirtualStainError(
                f"{file.name}: the channel {both[0]!r} would be input and target; a model would "
                "learn to copy it."
            )
    return [
        (Side(source, file.name), Side(target, file.name))
        for source, target, file in zip(sources, wanted, files, strict=True)
    ]


def _check_several(channels: Sequence[int], files: Sequence[Path], one: str, other: str) -> None:
    """Refuse a file of one channel: whatever it is called, a copy of itself would be learned."""
    if 1 not in channels:
        return
    file = files[channels.index(1)].name
    if max(channels) > 1:
        raise VirtualStainError(
            f"{file} has a single channel, which cannot be input and target at once; take it away "
            "from the files of several channels."
        )
    raise VirtualStainError(
        f"{file} has a single channel, which cannot be input and target at once. Pairs are files "
        f"of several channels; or files that are named alike but for the channel, such as "
        f"A1_{one}.tif and A1_{other}.tif; or files of the same name in two folders, {one!r} and "
        f"{other!r}; or what a CSV file lists (input,target)."
    )
