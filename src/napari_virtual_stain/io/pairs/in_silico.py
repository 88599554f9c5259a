"""PNG files named as those of in silico labeling: what an image is stands in its name.

A name is a list of ``key-value``, separated by commas, such as
``…,well-A4,…,z_depth-3,channel-PHASE_CONTRAST,is_mask-false.png`` for a plane of an input and
``…,well-A4,…,depth_computation-MAXPROJECT,channel-DAPI_CONFOCAL,is_mask-false.png`` for a target.
Whatever else the names of two files have in common says that they show the same well.

Source: Christiansen et al. 2018, google/in-silico-labeling, ``data.md``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_virtual_stain.errors import VirtualStainError, VirtualStainWarning
from napari_virtual_stain.image import Image
from napari_virtual_stain.io._channels import stack_channels
from napari_virtual_stain.io._png import png_layout, read_png
from napari_virtual_stain.io.pairs import sides
from napari_virtual_stain.io.pairs.sides import Pairs, Side, quoted, warn_of_missing

TRANSMITTED = ("BRIGHTFIELD", "PHASE_CONTRAST", "DIC")
ANY_TRANSMITTED = "TRANSMISSION"
"""What inputs are called together when wells have different kinds of transmitted light."""

NOT_THE_WELL = ("z_depth", "depth_computation", "channel", "is_mask")


@dataclass
class Well:
    """The files of one well."""

    name: str
    planes: dict[str, dict[int, Path]] = field(default_factory=dict)
    projected: dict[str, Path] = field(default_factory=dict)

    @property
    def channels(self) -> list[str]:
        """All channels of which there are files."""
        return sorted({*self.planes, *self.projected})


def well_files(folder: Path) -> list[Well]:
    """Return the wells in a folder or the folders in it; none where no file is named like that.

    Predictions and masks are left out.

    Raises
    ------
    VirtualStainError
        If two files say that they are the same.
    """
    wells: dict[tuple[str, ...], Well] = {}
    for path in sorted(folder.glob("*.png")) or sorted(folder.glob("*/*.png")):
        parts = _parts(path.name)
        if parts is None:
            continue
        identity = (path.parent.name, *(part for key, part in parts if key not in NOT_THE_WELL))
        named = dict(parts)
        well = wells.setdefault(identity, Well(_value(named.get("well", "")) or path.stem))
        channel = _value(named["channel"])
        depth = _value(named.get("z_depth", ""))
        twin = (
            well.planes.setdefault(channel, {}).setdefault(int(depth), path)
            if depth
            else well.projected.setdefault(channel, path)
        )
        if twin is not path:
            raise VirtualStainError(
                f"{path.name} and {twin.name} are of the same well, channel and depth; take one "
                "of them away."
            )
    found = list(wells.values())
    for well in found:
        if sum(other.name == well.name for other in found) > 1:
            identity = next(key for key, other in wells.items() if other is well)
            well.name = ",".join(part for part in identity if part)
    return found


def from_wells(wells: Sequence[Well], inputs: list[str], targets: list[str]) -> Pairs:
    """Return a pair for each well that has any of the targets.

    Parameters
    ----------
    wells : sequence of Well
    inputs, targets : list of str
        Channels; by default the transmitted light of each well, and all that is projected.
    """
    targets = targets or sorted({name for well in wells for name in well.projected} - {*inputs})
    if not targets:
        raise VirtualStainError(
            "none of the wells has a target (a file with depth_computation-MAXPROJECT in its name)."
        )
    for name in [*inputs, *targets]:
        if name != ANY_TRANSMITTED and not any(name in well.channels for well in wells):
            known = quoted(sorted({name for well in wells for name in well.channels}))
            raise VirtualStainError(f"no well has the channel {name!r}; there are {known}.")
    useful = [well for well in wells if any(name in well.channels for name in targets)]
    if len(useful) < len(wells):
        lone = next(well for well in wells if well not in useful)
        warnings.warn(
            f"{len(wells) - len(useful)} of {len(wells)} wells have none of the targets and are "
            f"left out ({lone.name}).",
            VirtualStainWarning,
            stacklevel=4,
        )
    present = [[name for name in targets if name in well.channels] for well in useful]
    warn_of_missing(targets, [well.name for well in useful], present)
    kinds = {_transmitted(well) for well in useful} if not inputs else set()
    lazy = _bytes(useful, [*inputs, *kinds, *targets]) > sides.HELD
    pairs = []
    for well, there in zip(useful, present, strict=True):
        sources = inputs or [next(iter(kinds)) if len(kinds) == 1 else ANY_TRANSMITTED]
        source = [_stack(well, name, lazy) for name in sources]
        target = [_projection(well, name, lazy) for name in there]
        pairs.append((_side(well, source), _side(well, target)))
    return pairs


def _parts(name: str) -> list[tuple[str, str]] | None:
    """Return (key, part) of each part of a file's name, or None if it names no image of a well."""
    if "PREDICTED" in name or not name.lower().endswith(".png"):
        return None
    parts = [(part.partition("-")[0], part) for part in name[: -len(".png")].split(",")]
    named = dict(parts)
    depth = _value(named.get("z_depth", ""))
    is_image = "channel" in named and (depth.isdecimal() or "depth_computation" in named)
    return parts if is_image and _value(named.get("is_mask", "")) != "true" else None


def _value(part: str) -> str:
    return part.partition("-")[2]


def _transmitted(well: Well) -> str:
    kinds = [name for name in TRANSMITTED if name in well.channels]
    if len(kinds) != 1:
        raise VirtualStainError(
            f"the well {well.name} has {quoted(kinds) or 'no transmitted light'} of "
            f"{quoted(TRANSMITTED)}; say which channels are inputs (inputs=[…], on the command "
            "line --input)."
        )
    return kinds[0]


def _stack(well: Well, name: str, lazy: bool) -> Image:
    """Return an input: its planes, or its projection where it has no planes."""
    stored = _transmitted(well) if name == ANY_TRANSMITTED else name
    planes = well.planes.get(stored)
    if planes is None:
        if stored not in well.projected:
            raise VirtualStainError(
                f"the well {well.name} lacks the input {stored!r}; it has {quoted(well.channels)}."
            )
        return _image(well, name, [well.projected[stored]], lazy)
    first, last = min(planes), max(planes)
    for depth in range(first, last + 1):
        if depth not in planes:
            raise VirtualStainError(
                f"the well {well.name} lacks the plane z_depth-{depth} of {stored!r}, which has "
                f"those from {first} to {last}."
            )
    return _image(well, name, [planes[depth] for depth in sorted(planes)], lazy)


def _projection(well: Well, name: str, lazy: bool) -> Image:
    """Return a target: its projection, or its planes where it has none."""
    if name in well.projected:
        return _image(well, name, [well.projected[name]], lazy)
    return _stack(well, name, lazy)


def _image(well: Well, channel: str, paths: Sequence[Path], lazy: bool) -> Image:
    layouts = {path: png_layout(path) for path in paths}
    shape, dtype = layouts[paths[0]]
    for path, layout in layouts.items():
        if layout != (shape, dtype):
            raise VirtualStainError(
                f"{path.name} and {paths[0].name} are planes of one stack, but differ in size or "
                "type."
            )
    data: Any
    if lazy:
        import dask
        import dask.array as da

        read = dask.delayed(read_png)
        data = da.stack([da.from_delayed(read(path), shape, dtype) for path in paths])
    else:
        data = np.stack([read_png(path) for path in paths])
    if len(paths) == 1:
        return Image(data[0], "YX", channels=[channel], name=well.name)
    return Image(data, "ZYX", channels=[channel], name=well.name)


def _side(well: Well, images: Sequence[Image]) -> Side:
    for image in images[1:]:
        if image.sizes != images[0].sizes:
            raise VirtualStainError(
                f"the channels {images[0].channels[0]!r} and {image.channels[0]!r} of the well "
                f"{well.name} differ in size and cannot be those of one image."
            )
    names = " + ".join(image.channels[0] for image in images)
    whole = images[0] if len(images) == 1 else stack_channels(images)
    return Side(whole, f"{names} of the well {well.name}")


def _bytes(wells: Iterable[Well], channels: Iterable[str]) -> int:
    wanted = {*channels}
    if ANY_TRANSMITTED in wanted:
        wanted |= {*TRANSMITTED}
    paths = [
        path
        for well in wells
        for name in wanted
        for path in _paths(well.planes, well.projected, name)
    ]
    return sum(
        math.prod(shape) * dtype.itemsize for shape, dtype in (png_layout(path) for path in paths)
    )


def _paths(
    planes: Mapping[str, Mapping[int, Path]], projected: Mapping[str, Path], name: str
) -> list[Path]:
    return [*planes.get(name, {}).values(), *([projected[name]] if name in projected else [])]
