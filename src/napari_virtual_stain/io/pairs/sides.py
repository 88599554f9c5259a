"""One side of a pair, and the channels that it takes of what was read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.image import Image
from napari_virtual_stain.io._channels import pick_channels
from napari_virtual_stain.io.images import read_image
from napari_virtual_stain.io.tiff import LAZY_ABOVE

HELD = 2 * 2**30
"""Bytes of pixels that the files of all pairs may hold in memory together; where they could be
more, the larger files are read only when they are asked for."""

Read = Callable[[Path], Image]


class Side(NamedTuple):
    """One side of a pair, and the files it comes from, for the sentences."""

    image: Image
    files: str

    @property
    def sizes(self) -> dict[str, int]:
        """Size of each axis but C."""
        return {axis: size for axis, size in self.image.sizes.items() if axis != "C"}

    def __str__(self) -> str:
        return f"{self.files} ({' × '.join(f'{a} {n}' for a, n in self.image.sizes.items())})"


Pairs = list[tuple[Side, Side]]


def reader(n_files: int) -> Read:
    """Return what reads each of so many files, lazily where together they could be too large."""
    return partial(read_image, lazy_above=min(LAZY_ABOVE, HELD // n_files))


def check_sizes(one: Side, other: Side) -> None:
    """Refuse two sides that differ in size along an axis that both have."""
    differing = [axis for axis, size in one.sizes.items() if other.sizes.get(axis, size) != size]
    if differing:
        raise VirtualStainError(
            f"{one} and {other} are no pair: they differ in size along {' and '.join(differing)}."
        )


def pick_present(images: Sequence[Image], names: Sequence[str]) -> list[Image]:
    """Return of each image those of the channels `names` that it has: a target may be missing.

    Raises
    ------
    VirtualStainError
        If an image has none of them, or none has one of them.

    Warns
    -----
    VirtualStainWarning
        If an image lacks some.
    """
    present = [[name for name in names if _has(image, names, name)] for image in images]
    for name in names:
        if not any(name in there for there in present):
            images[0].channel(name)  # raises, and says which channels there are
    picked = [
        pick_channels(image, there or names) for image, there in zip(images, present, strict=True)
    ]
    warn_of_missing(names, [image.name for image in images], present)
    return picked


def warn_of_missing(
    names: Sequence[str], images: Sequence[str], present: Sequence[Sequence[str]]
) -> None:
    """Say which of the targets `names` some images lack, of which `present` are there."""
    for name in names:
        lacking = [i for i, there in zip(images, present, strict=True) if name not in there]
        if lacking:
            among = f"{lacking[0]}, …" if len(lacking) > 1 else lacking[0]
            warnings.warn(
                f"{len(lacking)} of {len(images)} images lack the target {name!r} ({among}); it "
                "is learned from the others.",
                VirtualStainWarning,
                stacklevel=5,
            )


def quoted(names: Iterable[str]) -> str:
    """Return names for a sentence."""
    return ", ".join(repr(name) for name in names)


def _has(image: Image, names: Sequence[str], name: str) -> bool:
    if image.n_channels == 1 == len(names) and not image.channels:
        return True
    return name.casefold() in (channel.casefold() for channel in image.channels)
