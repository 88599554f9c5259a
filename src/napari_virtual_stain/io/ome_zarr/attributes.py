"""What the folder of an OME-Zarr says that it is, read as JSON before anything else of it.

A folder may come from anywhere: no file of it is read whole that is larger than JSON of this
kind ever is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_virtual_stain.errors import VirtualStainError

OURS = "napari-virtual-stain"
"""Attribute that holds our version and the provenance of an image."""

MOST_JSON = 16 * 2**20
"""Bytes of a file of metadata. The plate with the most wells, 1536, needs 0.2 MiB."""

Kind = Literal["image", "plate", "well", "labels", "series", "other"]
KINDS: dict[str, Kind] = {
    "plate": "plate", "well": "well", "multiscales": "image", "labels": "labels",
    "bioformats2raw.layout": "series",
}  # fmt: skip
"""The attribute by which each kind is known; the first that is there decides."""


@dataclass(frozen=True)
class Attributes:
    """The attributes of a Zarr group.

    Parameters
    ----------
    zarr_format : {2, 3}
    all : mapping
        Everything.
    ome : mapping
        The part that OME defines.
    """

    zarr_format: int
    all: Mapping[str, Any]
    ome: Mapping[str, Any]

    @property
    def kind(self) -> Kind:
        """What the group is."""
        return next((kind for key, kind in KINDS.items() if key in self.ome), "other")


def read_attributes(folder: Path) -> Attributes | None:
    """Return the attributes of a Zarr group, or None if the folder is none.

    Raises
    ------
    VirtualStainError
        If they are damaged or too large.
    """
    document = read_json(folder / "zarr.json")
    if document is not None:
        attributes = document.get("attributes", {})
        if document.get("node_type") != "group" or not isinstance(attributes, dict):
            return None
        ome = attributes.get("ome", {})
        return Attributes(3, attributes, ome if isinstance(ome, dict) else {})
    attributes = read_json(folder / ".zattrs")
    return None if attributes is None else Attributes(2, attributes, attributes)


def is_ome_zarr(folder: Path) -> bool:
    """Whether a folder is an OME-Zarr of any kind; whatever is in it, this raises nothing."""
    try:
        found = read_attributes(folder)
    except (ValueError, OSError):  # a VirtualStainError is a ValueError, as is a name with a NUL
        return False
    return found is not None and found.kind != "other"


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, or None if there is no such file.

    Raises
    ------
    VirtualStainError
        If it is damaged or too large.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_JSON + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise VirtualStainError(f"{path} could not be read: {error.strerror or error}.") from error
    if len(text) > MOST_JSON:
        raise VirtualStainError(
            f"{path} has more than {MOST_JSON // 2**20} MiB, which no metadata of an image have."
        )
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VirtualStainError(
            f"{path} is damaged and holds no metadata; copy the image again from where it comes "
            "from."
        ) from error
    if not isinstance(content, dict):
        raise VirtualStainError(
            f"{path} holds no metadata of an image; copy it again from where it comes from."
        )
    return content
